"""The faults chaosd can inject, one module a domain.

A new fault is one module, one line in this table, and one scenario for the contract suite (docs/add-a-fault.md).
Third parties add theirs through the entry points ``chaosd.faults``.
"""

from collections.abc import Mapping

from daemon.core.seams import Fault
from faults.ecs import EcsTaskStop
from faults.git import GitCorrupt, GitLock
from faults.interrupt import InterruptSignal
from faults.sqs.burst import SqsBurst
from faults.sqs.interrupt import InterruptMessage

CATALOGUE: Mapping[str, type[Fault]] = {
    "ecs-task-stop": EcsTaskStop,
    "git-corrupt": GitCorrupt,
    "git-lock": GitLock,
    "interrupt-message": InterruptMessage,
    "interrupt-signal": InterruptSignal,
    "sqs-burst": SqsBurst,
}
