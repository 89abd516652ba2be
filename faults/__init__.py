"""The faults chaosd can inject, one module a domain.

A new fault is one module, one line in this table, and one scenario for the contract suite (docs/add-a-fault.md).
Third parties add theirs through the entry points ``chaosd.faults``.
"""

from daemon.core.seams import Fault
from daemon.core.table import Table

CATALOGUE: Table[type[Fault]] = Table(
    {
        "aws-duplicate-delivery": "faults.aws.semantics:AwsDuplicateDelivery",
        "aws-error": "faults.aws.refusals:AwsError",
        "aws-expired-credentials": "faults.aws.refusals:AwsExpiredCredentials",
        "aws-hang": "faults.aws.waits:AwsHang",
        "aws-latency": "faults.aws.waits:AwsLatency",
        "aws-lost-reply": "faults.aws.cuts:AwsLostReply",
        "aws-partial-batch": "faults.aws.semantics:AwsPartialBatch",
        "aws-reset": "faults.aws.cuts:AwsReset",
        "aws-throttle": "faults.aws.refusals:AwsThrottle",
        "aws-truncate": "faults.aws.cuts:AwsTruncate",
        "aws-visibility-expired": "faults.aws.semantics:AwsVisibilityExpired",
        "clock-skew": "faults.process.clock:ClockSkew",
        "disk-fill": "faults.disk.fill:DiskFill",
        "disk-slow": "faults.disk.slow:DiskSlow",
        "ecs-drain": "faults.ecs.drain:EcsDrain",
        "ecs-redeploy": "faults.ecs.redeploy:EcsRedeploy",
        "ecs-scale": "faults.ecs.scale:EcsScale",
        "ecs-task-stop": "faults.ecs.task_stop:EcsTaskStop",
        "fd-exhaustion": "faults.process.descriptors:FdExhaustion",
        "git-corrupt": "faults.git.corrupt:GitCorrupt",
        "git-hook": "faults.git.hook:GitHook",
        "git-lock": "faults.git.lock:GitLock",
        "git-remote": "faults.git.remote:GitRemote",
        "git-state": "faults.git.state:GitState",
        "git-transport": "faults.git_transport:GitTransport",
        "git-worktree": "faults.git.worktree:GitWorktree",
        "interrupt-message": "faults.sqs.interrupt:InterruptMessage",
        "interrupt-signal": "faults.interrupt:InterruptSignal",
        "memory-pressure": "faults.process.memory:MemoryPressure",
        "network-blackhole": "faults.network.blackhole:NetworkBlackhole",
        "network-dns": "faults.network.dns:NetworkDns",
        "network-latency": "faults.network.latency:NetworkLatency",
        "network-packet-loss": "faults.network.loss:NetworkPacketLoss",
        "network-partition": "faults.network.partition:NetworkPartition",
        "process-kill": "faults.process.kill:ProcessKill",
        "process-pause": "faults.process.pause:ProcessPause",
        "process-slow": "faults.process.slow:ProcessSlow",
        "sqs-burst": "faults.sqs.burst:SqsBurst",
        "sqs-duplicate": "faults.sqs.duplicate:SqsDuplicate",
        "sqs-head-of-line": "faults.sqs.head_of_line:SqsHeadOfLine",
        "sqs-hold": "faults.sqs.hold:SqsHold",
        "sqs-poison": "faults.sqs.poison:SqsPoison",
        "sqs-reorder": "faults.sqs.reorder:SqsReorder",
    }
)
