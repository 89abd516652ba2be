"""Too many open files: the worker reaches its limit, because the limit comes down to what it uses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError
from daemon.core.model import Mode, Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.processes import UNLIMITED, OpenFiles
from daemon.core.seams import Flag, Process, World
from faults.process.victims import Chosen, another_boot, named, outcome, written

_DONE = "no limit lowered"


@dataclass(frozen=True, slots=True, kw_only=True)
class FdExhaustion(Chosen):
    """Lowers the soft limit of open files (RLIMIT_NOFILE) of a running process to what it uses now.

    What is open stays open; the next ``open``, ``socket`` or ``pipe`` fails with EMFILE. The hard limit stays, so
    the process could raise its soft limit itself; then its value is left alone. What it starts meanwhile inherits
    the lowered limit, and gets it back as well, while it is its descendant or in its process group.
    """

    name: ClassVar[str] = "fd-exhaustion"
    summary: ClassVar[str] = "Lets the worker run out of file descriptors: its limit comes down to what it uses"
    modes: ClassVar[tuple[Mode, ...]] = (
        Mode("soft-limit", "the soft limit of the running process, so that a stated number more can be opened"),
    )
    touches: ClassVar[Resource] = Resource.PROCESS
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("soft-limit", "by which means", choices=("soft-limit",))
    spare: int = parameter(0, "how many more it may open (descriptors)", least=0, most=100_000)

    def prepare(self, order: Order, world: World) -> Undo:
        """Choose the victims and their limits; raises RefusedError when a limit is as low already, or not ours."""
        victims = self.victims(order, world, _DONE)
        limits = [self._limit(victim, world) for victim in victims]
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim=named(victims),
            actions=tuple(
                f"set the soft limit of open files of process {victim.pid} ({victim.command}) to {limit['ours']} "
                f"(was {_word(limit['was'])}): {self.spare} more can be opened"
                for victim, limit in zip(victims, limits, strict=True)
            ),
            data={"limits": limits, "boot": world.boot},
        )

    def _limit(self, victim: Process, world: World) -> dict[str, Any]:
        found = world.processes.open_files(victim)
        if found is None:
            raise TargetAbsentError(f"{_DONE}: process {victim.pid} ({victim.command}) has just ended")
        ours = found.limit_with(self.spare)
        if _within(found, ours):
            raise RefusedError(
                f"{_DONE}: process {victim.pid} ({victim.command}) may open no more than {self.spare} files "
                f"as it is: its soft limit is {found.soft}",
                rule="limit",
                hint="ask for fewer spare descriptors",
            )
        known = [{"pid": one.pid, "started_s": one.started_s} for one in _relatives(victim, world)]
        return {"victim": written([victim])[0], "was": found.soft, "ours": ours, "known": known}

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        """Lower the limits; raises RefusedError when somebody changed one since ``prepare``."""
        for limit in undo.data["limits"]:
            victim = Process(**limit["victim"])
            if stop.is_set():
                return
            lowered = world.processes.limit_files(victim, limit["ours"], was=limit["was"])
            if not lowered and world.processes.alive(victim):
                raise RefusedError(
                    f"{_DONE}: somebody changed the limit of process {victim.pid} since planning", rule="drift"
                )

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Raise each limit that is still ours; raises UndoFailedError when the kernel keeps it."""
        other = another_boot(undo, world)
        if other is not None:
            return other
        found = [one for limit in undo.data["limits"] for one in _restored(limit, world)]
        done = outcome([one["state"] for one in found])
        return Reversion(outcome=done.outcome, partly=done.partly, proof={"limits": found})


def _restored(limit: Mapping[str, Any], world: World) -> Iterator[dict[str, Any]]:
    """Give the limit back to the victim and to what inherited it, and yield what was found of each."""
    victim = Process(**limit["victim"])
    yield _given_back(victim, limit, world)
    known = {(one["pid"], one["started_s"]) for one in limit["known"]}
    for one in _relatives(victim, world):
        now = None if (one.pid, one.started_s) in known else world.processes.open_files(one)
        if now is not None and now.soft == limit["ours"]:
            yield _given_back(one, limit, world)


def _given_back(process: Process, limit: Mapping[str, Any], world: World) -> dict[str, Any]:
    before = world.processes.open_files(process)
    world.processes.limit_files(process, limit["was"], was=limit["ours"])
    now = world.processes.open_files(process)
    if now is not None and now.soft == limit["ours"]:
        raise UndoFailedError(
            f"not taken back: the soft limit of open files of process {process.pid} is still {now.soft}",
            hint=f"`prlimit --pid {process.pid} --nofile={_word(limit['was'])}:`, then `chaosd recover`",
        )
    soft = before.soft if before else None
    state = {limit["ours"]: "restored", limit["was"]: "untouched"}.get(soft, "superseded")
    return {"pid": process.pid, "before": soft, "now": now.soft if now else None, "state": state}


def _relatives(victim: Process, world: World) -> list[Process]:
    """Return what may have inherited from it: its descendants, and its group for those whose parent has ended."""
    group = [one for one in world.processes.find() if one.group == victim.group]
    found = dict.fromkeys((*world.processes.children(victim), *group))
    return [one for one in found if (one.pid, one.started_s) != (victim.pid, victim.started_s)]


def _within(found: OpenFiles, ours: int) -> bool:
    return found.soft != UNLIMITED and ours >= found.soft


def _word(limit: int) -> str:
    return "unlimited" if limit == UNLIMITED else str(limit)
