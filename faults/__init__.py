"""The faults chaosd can inject, one module a domain.

A new fault is one module, one line in this table, and one scenario for the contract suite (docs/add-a-fault.md).
Third parties add theirs through the entry points ``chaosd.faults``.
"""

from daemon.core.seams import Fault
from daemon.core.table import Table

CATALOGUE: Table[type[Fault]] = Table(
    {
        "ecs-task-stop": "faults.ecs:EcsTaskStop",
        "git-corrupt": "faults.git.corrupt:GitCorrupt",
        "git-lock": "faults.git.lock:GitLock",
        "interrupt-message": "faults.sqs.interrupt:InterruptMessage",
        "interrupt-signal": "faults.interrupt:InterruptSignal",
        "sqs-burst": "faults.sqs.burst:SqsBurst",
    }
)
