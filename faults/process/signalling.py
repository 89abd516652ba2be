"""Signals that cannot be taken back: how they are sent once, and what must come back after them."""

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.core.errors import UndoFailedError
from daemon.core.model import Outcome, Reversion, Undo
from daemon.core.seams import Process, World
from faults.process.victims import another_boot, read, said, written

STEP_S = 0.1
_SETTLE_S = 1.0  # whoever has no handler dies of the signal well within this; until then "it lives" means nothing


def noted(
    units: Sequence[Sequence[Process]], running: Sequence[Process], find: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the part of an undo record that ``strike`` and ``come_back`` work from."""
    return {"find": find, "units": [written(unit) for unit in units], "running": written(running)}


def strike(undo: Undo, world: World, number: int) -> None:
    """Signal each victim once; a group through the first of its members that still lives."""
    grouped: bool = undo.data["grouped"]
    for unit in undo.data["units"]:
        if grouped:
            any(world.processes.signal(one, number, group=True) for one in read(unit))
        else:
            for one in read(unit):
                world.processes.signal(one, number)


def struck(undo: Undo) -> list[Process]:
    """Return all that was to be signalled."""
    return [one for unit in undo.data["units"] for one in read(unit)]


def come_back(undo: Undo, world: World) -> Reversion:
    """Wait until as many matching processes run as before; raises UndoFailedError when they do not come.

    Victims that live count: they handled the signal, still drain, or never got it (which cannot be told).
    """
    other = another_boot(undo, world)
    if other is not None:
        return other
    clock, before = world.clock, len(undo.data["running"])
    began_s = clock.instant().mono_s
    while True:
        running = world.processes.find(**undo.data["find"])
        living = [p for p in struck(undo) if world.processes.alive(p)]
        passed_s = clock.instant().mono_s - began_s
        if len(running) >= before and (not living or passed_s >= _SETTLE_S):
            return _proved(undo, running, living)
        if passed_s >= max(undo.wait_s, _SETTLE_S):
            raise _missing(undo, len(running))
        clock.wait(None, STEP_S)


def _proved(undo: Undo, running: Sequence[Process], living: Sequence[Process]) -> Reversion:
    known = {(p["pid"], p["started_s"]) for p in undo.data["running"]}
    new = [p.pid for p in running if (p.pid, p.started_s) not in known]
    alive = [p.pid for p in living]
    gone = [p.pid for p in struck(undo) if p.pid not in alive]
    # From outside a worker that handled the signal looks like one that will end of it a moment later.
    doubt = f"{len(alive)} handled the signal and live, or drain still" if alive else ""
    return Reversion(
        outcome=Outcome.RESTORED,
        proof={
            "gone": gone,
            "alive": alive,
            "new": new,
            "matching_before": len(undo.data["running"]),
            "matching_now": len(running),
        },
        detail=f"{len(gone)} gone, {len(new)} new",
        doubt=doubt,
    )


def _missing(undo: Undo, now: int) -> UndoFailedError:
    before = len(undo.data["running"])
    return UndoFailedError(
        f"not back: {now} of {before} processes with {said(undo.data['find'])} run after {undo.wait_s:g} s",
        hint="nothing restarted the worker; start it, then run `chaosd recover`",
    )
