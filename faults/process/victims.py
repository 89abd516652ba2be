"""Which processes a fault hits, and how they are written down so that nobody else is ever hit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

from daemon.core.errors import NotNowError, RefusedError, TargetAbsentError
from daemon.core.harmless import printable
from daemon.core.model import Order, Reversion, Undo
from daemon.core.model import Outcome as Ends
from daemon.core.parameters import parameter, victim_parameter
from daemon.core.processes import STOPPED
from daemon.core.redact import redact
from daemon.core.seams import Process, World
from daemon.core.target import Processes, Target

PICKS = ("oldest", "newest", "random", "all")
SCOPES = ("process", "group", "children")
_COMMAND_MOST = 200  # characters of a command line worth keeping in the journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The parameters by which a fault finds its victims: the target's own processes unless one of them is set."""

    match: str | None = victim_parameter(None, "part of the victim's command line; default: the target's processes")
    pid_file: str | None = victim_parameter(None, "file with the victim's pid; default: the target's processes")
    port: int = victim_parameter(
        0, "TCP port the victim listens on; 0: the target's processes", least=0, most=65535
    )
    pick: str = parameter("oldest", "which of several candidates", choices=PICKS)

    def where(self, target: Target, done: str) -> dict[str, Any]:
        """Return how to find them, for ``ProcessTable.find``; ``done`` is what was not, in the error's words."""
        own = Processes(match=self.match or None, pid_file=self.pid_file or None, port=self.port or None)
        where = own if own != Processes() else (target.processes or Processes())
        if where == Processes():
            raise TargetAbsentError(
                f"{done}: target {target.name} does not say which processes are its own",
                hint="add processes: {match: ...} to the target, or set match, pid_file or port",
            )
        return asdict(where)

    def victims(self, order: Order, world: World, done: str) -> list[Process]:
        """Return the victims, shortened; raises TargetAbsentError when none runs."""
        return self.among(world.processes.find(**self.where(order.target, done)), order, done)

    def among(self, running: Sequence[Process], order: Order, done: str) -> list[Process]:
        """Return the victims among those that run; raises TargetAbsentError when none does."""
        if not running:
            raise TargetAbsentError(
                f"{done}: no process of target {order.target.name} runs with "
                f"{said(self.where(order.target, done))}",
                hint="check match, pid_file and port against `ps`; a stale pid file finds nothing",
            )
        return [short(one) for one in _picked(running, self.pick, order.dice)]


def _picked(running: Sequence[Process], pick: str, dice: Random) -> list[Process]:
    if pick == "all":
        return list(running)
    if pick == "random":
        return [dice.choice(running)]
    return [running[0] if pick == "oldest" else running[-1]]


def units(victims: Sequence[Process], scope: str, world: World) -> list[list[Process]]:
    """Return for each victim what is hit with it: itself, all of its group, or what descends from it.

    A group's members are all kept, the victim first: the group must stay recognisable after its leader's death, by
    any member still alive. The list is empty where nothing descends from any of them.
    """
    if scope == "process":
        return [[victim] for victim in victims]
    if scope == "children":
        below = [[short(child) for child in world.processes.children(victim)] for victim in victims]
        return [unit for unit in below if unit]
    grouped: dict[int, list[Process]] = {}
    for victim in victims:
        grouped.setdefault(victim.group, [victim])
    for one in map(short, world.processes.find()):
        if one.group in grouped and one not in grouped[one.group]:
            grouped[one.group].append(one)
    return list(grouped.values())


def members(victims: Sequence[Process], scope: str, world: World, done: str) -> list[Process]:
    """Return all that is hit, each one once; raises TargetAbsentError when nothing descends from the victims."""
    found = units(victims, scope, world)
    if not found:
        raise childless(victims[0], done)
    return list(dict.fromkeys(one for unit in found for one in unit))


def childless(victim: Process, done: str) -> NotNowError:
    """Return the error for a process from which nothing descends at this moment."""
    return NotNowError(
        f"{done}: process {victim.pid} ({victim.command}) has no children now",
        hint="--when EVENT waits for a moment when it has, and strikes while a program of it runs",
    )


def going_on(victims: Sequence[Process], world: World, done: str) -> None:
    """Raise RefusedError when somebody else stopped one of them, or we may not signal it."""
    for victim in victims:
        world.processes.signal(victim, 0)  # 0 sends nothing and makes only the checks
        if world.processes.state(victim) in STOPPED:
            raise RefusedError(
                f"{done}: process {victim.pid} ({victim.command}) is stopped or traced already, by somebody else",
                rule="stopped",
                hint=f"let it go on (`kill -CONT {victim.pid}`), or end the debugger, and inject again",
            )


def written(processes: Sequence[Process]) -> list[dict[str, Any]]:
    """Return processes as an undo record keeps them."""
    return [asdict(short(one)) for one in processes]


def read(raw: Sequence[Mapping[str, Any]]) -> list[Process]:
    """Return processes from an undo record."""
    return [Process(**one) for one in raw]


def named(victims: Sequence[Process], hit: Iterable[Process] = ()) -> dict[str, Any]:
    """Return what an undo record's ``victim`` says of processes; the guard counts them by it.

    What is ``hit`` besides them, a group's others or children, is no victim more, and held all the same.
    """
    pids = [one.pid for one in victims]
    beside = [one.pid for one in hit if one.pid not in pids]
    return {"pids": pids, "command": short(victims[0]).command} | ({"members": beside} if beside else {})


def another_boot(undo: Undo, world: World) -> Reversion | None:
    """Return the reversion of a fault of processes that a restart of the machine has taken back, else None."""
    noted = undo.data.get("boot")  # absent in records of older versions
    if not (noted and world.boot and noted != world.boot):
        return None
    gone = "the machine was started anew since: no process of before runs, and what runs now is not ours"
    return Reversion(outcome=Ends.SUPERSEDED, detail=gone)


def outcome(states: Sequence[str], *, ours: str = "restored", theirs: str = "superseded") -> Reversion:
    """Return the outcome of several, without its proof: by us, by others, or of both."""
    by_us, by_others = ours in states, theirs in states
    worst = Ends.SUPERSEDED if by_others else Ends.RESTORED if by_us else Ends.UNTOUCHED
    return Reversion(outcome=worst, partly=by_us and by_others)


def settled(world: World, condition: Callable[[], bool], within_s: float, step_s: float = 0.02) -> bool:
    """Wait until the kernel has done what was asked of it; False when it has not in time."""
    clock = world.clock
    until_s = clock.instant().mono_s + within_s
    while not condition():
        if clock.instant().mono_s >= until_s:
            return False
        clock.wait(None, step_s)
    return True


def short(process: Process) -> Process:
    """Return the process with no more of its command line than the journal keeps: no secret, one line, all legible.

    Secrets go first: of one that is cut, no more can be told that it is one.
    """
    return replace(process, command=printable(redact(process.command))[:_COMMAND_MOST])


def said(find: Mapping[str, Any]) -> str:
    """Return criteria in words."""
    return " and ".join(f"{name}={value!r}" for name, value in find.items() if value is not None)
