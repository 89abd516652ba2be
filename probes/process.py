"""Whether the worker's processes run, and are not stopped."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import TargetAbsentError
from daemon.core.model import Finding, Reading, Status
from daemon.core.parameters import parameter
from daemon.core.processes import STOPPED
from daemon.core.seams import World
from daemon.core.target import Processes, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Counts local processes found by command line, pid file or listening port; zombies do not count.

    One that is stopped or traced counts and is failing: no supervisor sees it, and nothing it should do is done.
    """

    name: ClassVar[str] = "process"
    summary: ClassVar[str] = "Counts the worker's local processes, and sees those that are stopped"
    calls: ClassVar[tuple[Call, ...]] = NONE
    measures: ClassVar[Mapping[str, str]] = {
        "count": "matching processes that run",
        "stopped": "of these, stopped (SIGSTOP) or traced",
        "oldest_age_seconds": "since the oldest of them started; falls back when it was replaced",
    }

    match: str | None = parameter(None, "part of the command line; default: the target's processes")
    pid_file: str | None = parameter(None, "file with the pid; default: the target's processes")
    port: int = parameter(0, "TCP port listened on; 0: the target's processes", least=0, most=65535)
    at_least: int = parameter(1, "fewer are failing", least=0)
    at_most: int = parameter(-1, "more are failing; -1: no limit", least=-1)

    def __post_init__(self) -> None:
        if 0 <= self.at_most < self.at_least:
            raise ValueError(f"at_most: {self.at_most} is less than at_least, {self.at_least}")

    def observe(self, target: Target, world: World) -> Reading:
        found = world.processes.find(**asdict(self._where(target)))
        still = [one.pid for one in found if world.processes.state(one) in STOPPED]
        measures = {"count": float(len(found)), "stopped": float(len(still))}
        if found:
            measures["oldest_age_seconds"] = max(0.0, world.clock.instant().wall_s - found[0].started_s)
        if len(found) < self.at_least:
            wrong = Finding("too-few", f"{len(found)} processes run, expected at least {self.at_least}")
        elif 0 <= self.at_most < len(found):
            wrong = Finding("too-many", f"{len(found)} processes run, expected at most {self.at_most}")
        elif still:
            wrong = Finding("stopped", f"process {', '.join(map(str, still))} is stopped")
        else:
            return Reading(status=Status.OK, measures=measures)
        return Reading(status=Status.FAILING, measures=measures, findings=(wrong,))

    def _where(self, target: Target) -> Processes:
        own = Processes(match=self.match or None, pid_file=self.pid_file or None, port=self.port or None)
        where = own if own != Processes() else (target.processes or Processes())
        if where == Processes():
            raise TargetAbsentError(
                f"no processes counted: target {target.name} does not say which are its own",
                hint="add processes: {match: ...} to the target, or set match, pid_file or port on the probe",
            )
        return where
