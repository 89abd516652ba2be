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
        "git-hook": "faults.git.hook:GitHook",
        "git-lock": "faults.git.lock:GitLock",
        "git-remote": "faults.git.remote:GitRemote",
        "git-state": "faults.git.state:GitState",
        "git-worktree": "faults.git.worktree:GitWorktree",
        "interrupt-message": "faults.sqs.interrupt:InterruptMessage",
        "interrupt-signal": "faults.interrupt:InterruptSignal",
        "sqs-burst": "faults.sqs.burst:SqsBurst",
    }
)
