"""A limit of the kernel's on some processes: in a control group of our own, or in their own if it is not shared.

Version 1: a group is made below the processes' own, gets the limit, and they are moved into it and back. Version 2
forbids processes above groups that have limits: there it is set in their own group, if nobody else is in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from daemon.core.cgroups import Cgroup
from daemon.core.errors import RefusedError, UndoFailedError
from daemon.core.model import Order, Outcome, Reversion
from daemon.core.seams import Flag, Process, World
from faults.process.victims import outcome, read, settled, written

_LET = "run chaosd as root, with the control groups writable (docs/process-faults.md), or choose another mode"
_MOVED_S = 5.0  # processes that fork while they are moved are moved again, for so long
CHILD, OWN = "child", "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One limit: its controller, its file in versions 1 and 2, its value in a group.

    ``key`` names the line in a file of many lines, ``unbound`` is what that line would read without a limit: then
    the kernel shows no line at all. ``beside`` are files of version 1 without which the value means something else.
    """

    controller: str
    files: tuple[str, str]
    value: Callable[[Cgroup], str]
    key: str = ""
    unbound: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cage:
    """One group that bounds processes. ``home`` is theirs, ``path`` has the limit; ``was``: that of their own.

    ``beside`` is written before the limit, in a group of ours alone: it goes with the group.
    """

    kind: str
    home: str
    path: str
    file: str
    value: str
    was: str
    key: str
    unbound: str
    inside: tuple[Mapping[str, Any], ...]
    beside: Mapping[str, str] = field(default_factory=dict)  # an undo record of an older chaosd has none

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Cage":
        return cls(**{**raw, "inside": tuple(raw["inside"])})

    def now(self, world: World) -> str | None:
        """Return the limit as the kernel shows it; None when the group is not there."""
        return shown(world.cgroups.read(self.path, self.file), self.key, self.unbound)


def shown(text: str | None, key: str, unbound: str) -> str | None:
    """Return the value, or the line of the key, in a file of a group."""
    if text is None or not key:
        return text
    return next((line for line in text.splitlines() if line.split()[0] == key), unbound)


def plan(order: Order, world: World, victims: Sequence[Process], bound: Bound, done: str) -> list[dict[str, Any]]:
    """Return the cages for the victims and what descends from them; raises RefusedError where none is possible."""
    homes: dict[str, tuple[Cgroup, list[Process]]] = {}
    for victim in victims:
        own = world.cgroups.of(victim, bound.controller)
        _, inside = homes.setdefault(own.path, (own, []))
        family = (victim, *world.processes.children(victim))
        inside += [
            one for one in family if one not in inside and world.cgroups.of(one, bound.controller).path == own.path
        ]
    return [asdict(_cage(order, world, own, inside, bound, done)) for own, inside in homes.values()]


def _cage(order: Order, world: World, own: Cgroup, inside: Sequence[Process], bound: Bound, done: str) -> Cage:
    if not world.cgroups.writable(own.path):
        raise _not_possible(done, f"{own.path} may not be written")
    child = own.version == 1
    if not child:
        _alone(world, own, inside, done)
    file = bound.files[own.version - 1]
    was = shown(world.cgroups.read(own.path, file), bound.key, bound.unbound)
    if was is None and not (child and own.root):  # the root group of version 1 has not every file
        raise _not_possible(done, f"{own.path} has no {file}")
    return Cage(
        kind=CHILD if child else OWN,
        home=own.path,
        path=f"{own.path.rstrip('/')}/chaosd-{order.injection}" if child else own.path,
        file=file,
        value=bound.value(own),
        was="" if child else was or "",
        key=bound.key,
        unbound=bound.unbound,
        inside=tuple(written(inside)),
        beside=dict(bound.beside) if child else {},
    )


def _alone(world: World, own: Cgroup, inside: Sequence[Process], done: str) -> None:
    strangers = set(world.cgroups.members(own.path)) - {one.pid for one in inside}
    if own.root or strangers:
        who = f"process {min(strangers)} and {len(strangers) - 1} more" if strangers else "all of the machine"
        raise _not_possible(done, f"{own.path} is shared with {who}: they would be bound, too")


def _not_possible(done: str, why: str) -> RefusedError:
    return RefusedError(f"{done}: {why}", rule="cgroup", hint=_LET)


def said(cages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what binding will do, one sentence a group."""
    lines = []
    for cage in map(Cage.of, cages):
        pids = ", ".join(str(one["pid"]) for one in cage.inside)
        begin = f"make the control group {cage.path} and " if cage.kind == CHILD else f"in {cage.path} "
        values = " and ".join(
            f"{file} to {value}" for file, value in (*cage.beside.items(), (cage.file, cage.value))
        )
        end = f", move process {pids} into it" if cage.kind == CHILD else f" (was {cage.was}), for process {pids}"
        lines.append(f"{begin}set {values}{end}")
    return lines


def bind(cages: Sequence[Mapping[str, Any]], world: World, stop: Flag, done: str) -> None:
    """Put the limits into force; raises RefusedError when one was changed since."""
    for cage in map(Cage.of, cages):
        if stop.is_set():
            return
        if cage.kind == OWN:
            if cage.now(world) != cage.was:
                raise RefusedError(f"{done}: {cage.file} of {cage.path} was changed meanwhile", rule="drift")
            world.cgroups.write(cage.path, cage.file, cage.value)
            continue
        world.cgroups.make(cage.path)
        for file, value in (*cage.beside.items(), (cage.file, cage.value)):
            world.cgroups.write(cage.path, file, value)
        for one in read(cage.inside):
            if world.processes.alive(one):
                world.cgroups.join(cage.path, one.pid)


def free(cages: Sequence[Mapping[str, Any]], world: World) -> list[dict[str, str]]:
    """Take the limits back and return for each what was found, as proof; raises UndoFailedError when one stays."""
    return [
        _released(cage, world) if cage.kind == CHILD else _restored(cage, world) for cage in map(Cage.of, cages)
    ]


def freed(cages: Sequence[Mapping[str, Any]], world: World) -> Reversion:
    """Take the limits back, as a whole reversion."""
    found = free(cages, world)
    done = outcome([one["state"] for one in found])
    idle = done.outcome is Outcome.UNTOUCHED
    detail = "no limit of ours was in force any more, or ever: its group was gone, or had its old value" * idle
    return Reversion(outcome=done.outcome, partly=done.partly, proof={"groups": found}, detail=detail, idle=idle)


def _released(cage: Cage, world: World) -> dict[str, str]:
    was = cage.now(world)
    settled(world, lambda: _emptied(cage, world), _MOVED_S)
    world.cgroups.remove(cage.path)
    if cage.now(world) is not None:
        left = ", ".join(map(str, world.cgroups.members(cage.path))) or "nobody"
        raise UndoFailedError(
            f"not taken back: the control group {cage.path} is there still, with {left} in it",
            hint=f"move them: `echo PID > {cage.home}/cgroup.procs`; `rmdir {cage.path}`; then `chaosd recover`",
        )
    return {"group": cage.path, "limit": was or "", "now": "gone", "state": "restored" if was else "untouched"}


def _emptied(cage: Cage, world: World) -> bool:
    for pid in world.cgroups.members(cage.path):
        world.cgroups.join(cage.home, pid)
    return not world.cgroups.members(cage.path)


def _restored(cage: Cage, world: World) -> dict[str, str]:
    before = cage.now(world)
    if before == cage.value and before != cage.was:
        world.cgroups.write(cage.path, cage.file, cage.was)
    now = cage.now(world)
    if now == cage.value and now != cage.was:
        raise UndoFailedError(
            f"not taken back: {cage.file} of {cage.path} is still {now}",
            hint=f"`echo {cage.was!r} > {cage.path}/{cage.file}`, then `chaosd recover`",
        )
    state = "restored" if before == cage.value else "untouched" if before == cage.was else "superseded"
    return {"group": cage.path, "limit": before or "gone", "now": now or "gone", "state": state}
