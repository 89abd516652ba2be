"""The probes chaosd measures with, one module a domain.

A new probe is one module and one line in this table (docs/add-a-probe.md). Third parties add theirs through the
entry points ``chaosd.probes``.
"""

from collections.abc import Mapping

from daemon.core.seams import Probe
from probes.command import Command
from probes.ecs import EcsService
from probes.git import GitFsck, GitHealth
from probes.http import Http
from probes.logs import LogErrors
from probes.pipeline.canary import PipelineCanary
from probes.process import Process
from probes.s3 import S3Freshness
from probes.sqs import SqsBacklog

CATALOGUE: Mapping[str, type[Probe]] = {
    "command": Command,
    "ecs-service": EcsService,
    "git-fsck": GitFsck,
    "git-health": GitHealth,
    "http": Http,
    "log-errors": LogErrors,
    "pipeline-canary": PipelineCanary,
    "process": Process,
    "s3-freshness": S3Freshness,
    "sqs-backlog": SqsBacklog,
}
