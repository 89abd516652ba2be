"""Scenario runs as the journal would give them back: played on planted ledgers, judged by the real invariants."""

from dataclasses import dataclass, replace

from daemon.core.course import Course, Opened, Owner, Played, Purpose, RunEvent, ScenarioRun, Swept, fold
from daemon.core.invariants import judge
from daemon.core.kpi import kpis
from daemon.core.ledger import Ledger, Part, Stages
from daemon.core.model import Instant, Outcome, Reversion, Undo
from daemon.core.target import Limits
from daemon.faces.report.trials import Trial, trials
from tests import ledgers, report_kit

LASTS_S = 12.0


@dataclass(frozen=True, kw_only=True)
class Play:
    """One run, ``at_s`` seconds after the kit's epoch. ``lost`` are the messages that left no trace."""

    name: str = "r-1"
    at_s: float = 0.0
    purpose: Purpose = Purpose.ALONE
    scenario: str = "basic"
    target: str = "editor"
    injection: str | None = None
    messages: int = 3
    threads: int = 1
    lost: tuple[int, ...] = ()
    blind: tuple[Part, ...] = ()
    absent: tuple[Part, ...] = ()
    stale: bool = False
    stopped: str = ""
    played: bool = True
    swept: bool = True
    healthy: bool | None = True
    settled: bool = True


def ledger(play: Play) -> Ledger:
    """Return what was seen, at the run's own time."""
    found = ledgers.good(play.messages, play.threads)
    for number in play.lost:
        found = ledgers.without(found, number)
    if play.stale and found.deployed:
        found = replace(found, deployed=replace(found.deployed, holds=frozenset({ledgers.token(0)})))
    reasons = dict.fromkeys(play.blind, "it did not answer")
    return _moved(replace(found, run=play.name, blind=reasons, absent=frozenset(play.absent)), play.at_s)


def happened(play: Play) -> list[RunEvent]:
    """Return the run's events; a course that was not played, or queues not swept, have none."""
    began, ended = _instant(play.at_s), _instant(play.at_s + LASTS_S)
    seen = ledger(play)
    results = () if play.stopped else judge(seen, Limits())
    course = Course(
        scenario=play.scenario,
        expects=("every instruction is on its branch",),
        target=play.target,
        seed=7,
        began=began,
        ended=ended,
        ledger=seen,
        results=results,
        kpis=() if play.stopped else kpis(seen, results, Limits(), healthy=play.healthy),
        settled=play.settled,
        stopped=play.stopped,
    )
    undo = Undo(fault="scenario", mode="", victim={}, actions=(), data={})
    opened = Opened(
        at=began,
        run=play.name,
        purpose=play.purpose,
        scenario=play.scenario,
        target=play.target,
        seed=7,
        parameters={"messages": play.messages},
        injection=play.injection,
        undo=undo,
        owner=Owner(pid=1, started_s=1.0, boot="b"),
    )
    nothing = Reversion(outcome=Outcome.UNTOUCHED, proof={}, detail="nothing was left")
    told: list[RunEvent] = [opened]
    told += [Played(at=ended, course=course.slim())] if play.played else []
    return [*told, Swept(at=ended, reversion=nothing)] if play.swept else told


def scenario_run(play: Play) -> ScenarioRun:
    return fold(happened(play))


def played(
    plays: tuple[Play, ...] | list[Play], stories: list[report_kit.Story] | None = None
) -> tuple[Trial, ...]:
    """Return the runs as the report sees them beside the stories' injections."""
    return trials([scenario_run(p) for p in plays], report_kit.runs(stories or []))


def _instant(after_s: float) -> Instant:
    return Instant(1000.0 + after_s, report_kit.EPOCH_S + after_s)


def _moved(found: Ledger, at_s: float) -> Ledger:
    def move(instant: Instant | None) -> Instant | None:
        return None if instant is None else _instant(at_s + instant.mono_s - 1000.0)

    def moved(instant: Instant) -> Instant:
        return _instant(at_s + instant.mono_s - 1000.0)

    def stages(one: Stages) -> Stages:
        at = one.pushed
        return replace(
            one,
            committed_s=None if at is None else float(int(moved(at).wall_s)),
            pushed=move(one.pushed),
            pushed_after=move(one.pushed_after),
            deployed=move(one.deployed),
            answered=move(one.answered),
        )

    shown = found.deployed
    return replace(
        found,
        sent=tuple(replace(s, at=moved(s.at)) for s in found.sent),
        answers=tuple(replace(a, at=moved(a.at)) for a in found.answers),
        stages={token: stages(one) for token, one in found.stages.items()},
        deployed=shown and replace(shown, unchanged_since=moved(shown.unchanged_since)),
    )
