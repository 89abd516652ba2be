"""The probes chaosd measures with, one module a domain.

A new probe is one module and one line in this table (docs/add-a-probe.md). Third parties add theirs through the
entry points ``chaosd.probes``.
"""

from daemon.core.seams import Probe
from daemon.core.table import Table

CATALOGUE: Table[type[Probe]] = Table(
    {
        "command": "probes.command:Command",
        "ecs-service": "probes.ecs:EcsService",
        "git-fsck": "probes.git.fsck:GitFsck",
        "git-health": "probes.git.health:GitHealth",
        "git-integrity": "probes.git.integrity:GitIntegrity",
        "http": "probes.http:Http",
        "log-errors": "probes.logs:LogErrors",
        "pipeline-canary": "probes.pipeline.canary:PipelineCanary",
        "process": "probes.process:Process",
        "s3-freshness": "probes.s3:S3Freshness",
        "sqs-backlog": "probes.sqs:SqsBacklog",
    }
)
