"""A campaign: experiments one after the other with the engine in this process, a table, and its own reports."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon import wiring
from daemon.core.errors import ChaosdError, UsageError
from daemon.core.parameters import nearest
from daemon.core.plan import Request, derived
from daemon.core.settings import ExperimentSetting, Settings, WorkloadSetting
from daemon.core.workloads import SCENARIOS, chosen
from daemon.engine.watchman import OnWatch
from daemon.faces import shapes
from daemon.faces.cli import standalone, tables
from daemon.faces.cli.audit import note
from daemon.faces.cli.progress import Follower, Line
from daemon.faces.cli.report import SUFFIXES, compose, render, write
from daemon.faces.cli.scenario import LONG
from daemon.faces.cli.session import Session
from daemon.faces.cli.signals import Caught, noted
from daemon.faces.cli.text import write_json
from daemon.faces.cli.types import who
from daemon.faces.report.collect import Period

ALL = "all"
BASIC = "basic"
#: The worst first: one residue outweighs everything, and what was not tested is never a pass.
WORST_FIRST = (4, 3, 1, 5, 75, 77)


@dataclass(frozen=True, slots=True)
class Ended:
    """One experiment that is over: its document, or why there is none, and its exit code."""

    request: Request
    code: int
    document: dict[str, Any] | None = None
    error: str = ""


def report_file(name: str) -> tuple[Path, str]:
    """Return path and format by the suffix; raises UsageError for any other, before anything is injected."""
    path = Path(name)
    form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise UsageError(
            f"nothing was injected: --report {name} has none of the suffixes {', '.join(sorted(SUFFIXES))}"
        )
    if not path.absolute().parent.is_dir():
        raise UsageError(f"nothing was injected: --report {name}: there is no directory {path.parent}")
    return path, form


def requests(
    settings: Settings, experiments: Sequence[str], scenarios: Sequence[str], seed: int | None
) -> list[Request]:
    """Return what is to be carried out, in order; raises UsageError for unknown names and for nothing at all."""
    known = {e.name: e for e in settings.experiments}
    for name in experiments:
        if name not in known:
            raise UsageError(f"nothing was injected: unknown experiment {name!r}{nearest(name, dict(known))}")
    if not known:
        raise UsageError("nothing was injected: the configuration has no experiments", hint="add some, see README")
    wanted = [known[name] for name in experiments] if experiments else list(settings.experiments)
    return [_request(one, beside, seed) for one in wanted for beside in _beside(settings, one, scenarios)]


def _beside(
    settings: Settings, one: ExperimentSetting, scenarios: Sequence[str]
) -> Iterator[WorkloadSetting | None]:
    """Yield the workloads to play beside one experiment; a target without queue or repository has none."""
    target = settings.targets[one.target]
    if target.queue is None or target.repository is None:
        yield None
        return
    own = one.workload or WorkloadSetting(scenario=BASIC)
    names = [n for n in SCENARIOS if n not in LONG] if ALL in scenarios else list(scenarios) or [own.scenario]
    for name in names:
        workload = own if name == own.scenario else WorkloadSetting(scenario=name)
        chosen(name, workload.parameters)
        yield workload


def _request(one: ExperimentSetting, workload: WorkloadSetting | None, seed: int | None) -> Request:
    return Request(
        fault=one.fault,
        target=one.target,
        parameters=dict(one.parameters),
        duration_s=one.duration_s,
        origin="ci",
        by=who(),
        seed=None if seed is None else derived(seed, f"{one.name}/{workload.scenario if workload else ''}"),
        experiment=one.name,
        recover_s=one.timeout_s,
        workload=workload,
        when=one.when,
    )


def run(
    session: Session,
    settings: Settings,
    wanted: Sequence[Request],
    files: Sequence[tuple[Path, str]],
    watchman: OnWatch,
    *,
    fail_fast: bool,
) -> int:
    """Carry them out, print what came of each, write the reports, and return the worst exit code."""
    line, ended = Line(), list[Ended]()
    with noted(halting=True) as caught, standalone.owned(session) as state:
        note(session, "ci", f"{len(wanted)} experiments")
        follower = Follower(line)
        audience = wiring.Audience(listeners=(follower,), runs=(follower.ran,), watchman=watchman)
        station = wiring.station(settings, state, audience)
        began_s = station.world.clock.instant().wall_s
        try:
            standalone.tell_recovered(station.control.recover())
            for number, request in enumerate(wanted, 1):
                line.add(f"{number}/{len(wanted)} {_title(request)}")
                ended.append(_carry_out(station, request, caught))
                line.end()
                follower.reset()
                if caught.numbers or (fail_fast and ended[-1].code):
                    break
        finally:
            line.end()
            ended_s = station.world.clock.instant().wall_s
            station.close()
        limits = {name: target.limits for name, target in settings.targets.items()}
        document = compose(state, limits, Period(began_s, ended_s + 1))
    for path, form in files:
        write(render(document, form), path)
    _tell(session, ended, len(wanted), files)
    return _code(ended, caught)


def _carry_out(station: wiring.Station, request: Request, caught: Caught) -> Ended:
    try:
        found = standalone.carry_out(station, request, caught)
    except ChaosdError as error:
        return Ended(request, error.exit_code, error=error.message)
    return Ended(request, standalone.exit_code(found, caught), document=shapes.injection(found))


def _code(ended: Sequence[Ended], caught: Caught) -> int:
    codes = {one.code for one in ended}
    worst = next((code for code in WORST_FIRST if code in codes), max(codes, default=1))
    return worst if worst == WORST_FIRST[0] else caught.exit_code(worst)


def _title(request: Request) -> str:
    beside = f" with {request.workload.scenario}" if request.workload else ""
    return f"{request.experiment}{beside}"


def _tell(session: Session, ended: Sequence[Ended], planned: int, files: Sequence[tuple[Path, str]]) -> None:
    if session.json:
        write_json(
            {
                "experiments": [
                    {"experiment": one.request.experiment, "exit_code": one.code, "error": one.error or None}
                    | (one.document or {})
                    for one in ended
                ],
                "left_out": planned - len(ended),
                "reports": [str(path) for path, _ in files],
            }
        )
        return
    columns = [tables.Column("experiment", whole=True), tables.Column("scenario", whole=True)]
    rows = [
        [str(one.request.experiment), one.request.workload.scenario if one.request.workload else "-", *_cells(one)]
        for one in ended
    ]
    tables.show(tables.table([*columns, tables.Column("verdict", whole=True), "recovered after", "why"], rows))
    held = sum(one.code == 0 for one in ended)
    left = f", {planned - len(ended)} not begun" if planned > len(ended) else ""
    tables.show(f"{held} of {planned} held{left}; written: {', '.join(str(path) for path, _ in files)}")


def _cells(one: Ended) -> list[str]:
    if one.document is None:
        return ["not carried out", "-", one.error]
    after = one.document["recovery"]["after"]
    recovered = "-" if after is None else f"{after[0]:.2f}-{after[1]:.2f} s"
    return [str(one.document["verdict"]), recovered, "\n".join(one.document["reasons"])]
