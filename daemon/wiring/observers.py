"""Who looks at scenarios and sweeps up after them: the pieces of faults and probes that the engine is lent."""

from typing import TYPE_CHECKING

from daemon.core.errors import TargetAbsentError
from daemon.core.ledger import Witness
from daemon.core.model import Reversion, Undo
from daemon.core.seams import World
from daemon.core.target import Target
from faults.sqs.marks import reverted
from faults.sqs.places import places, places_of, recorded, wait_s
from probes.pipeline.branches import Branches
from probes.pipeline.observer import Observer

if TYPE_CHECKING:
    from daemon.core.gitcases import GitWitness

SCENARIO = "scenario"


def witness(target: Target, run: str, world: World) -> Witness:
    """Return who fills the ledger of one run; raises TargetAbsentError for a target that cannot be observed."""
    return Observer.of(target, run, world)


def git_witness(target: Target, world: World) -> "GitWitness":
    """Return who looks at the sandbox of a git scenario; raises ChaosdError when it cannot be looked at."""
    from probes.pipeline.gitwitness import Onlooker  # noqa: PLC0415  only `scenario git` needs it

    return Onlooker.of(target, world)


def branches(target: Target, world: World) -> Branches:
    """Return who follows the branches of the target's remote, in a private mirror."""
    return Branches(target, world)


def undo_of_run(target: Target, run: str, planned: int, world: World) -> Undo:
    """Return what sweeping a scenario's messages will need; looks only. Raises ChaosdError where none could."""
    if target.queue is None:
        raise TargetAbsentError(f"nothing was sent: target {target.name} has no queue")
    found = places(target.queue, world, separate=True)
    return Undo(
        fault=SCENARIO,
        mode="",
        victim={"queue": target.queue.url, "messages": planned},
        actions=(f"send {planned} messages marked {run} to {target.queue.url}, afterwards remove what is left",),
        data={"run": run, "planned": planned, "places": recorded(found)},
        wait_s=wait_s(found, world),
    )


def sweep_run(undo: Undo, world: World) -> Reversion:
    """Remove what is left of one run's messages, from its undo record alone; raises ChaosdError."""
    run, planned = str(undo.data["run"]), int(undo.data["planned"])
    return reverted(run, places_of(undo), planned, world, within_s=undo.wait_s)
