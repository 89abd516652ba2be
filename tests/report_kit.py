"""Histories of injections as the engine would have written them, with impacts and recoveries to order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from daemon.core import events
from daemon.core.events import Event, Injection, Plan, Proposed
from daemon.core.model import Finding, Instant, Observation, Outcome, Phase, Reading, Reversion, Status, Undo
from daemon.core.moments import Armed
from daemon.core.verdict import judge
from daemon.faces.report.collect import Period, Run, run
from daemon.faces.report.content import Question, content
from daemon.faces.report.trials import Trial

EPOCH_S = 1_780_000_000.0
EVERY_S = 0.25
STALE = Finding("stale-lock", ".git/index.lock")


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happened in one run, in seconds after the injection; None: it did not happen."""

    name: str = "i-1"
    at_s: float = 0.0
    fault: str = "git-lock"
    mode: str = "index-lock"
    target: str = "editor"
    hurt_s: float | None = 0.3
    well_s: float | None = 4.0
    revert_s: float = 10.0
    end_s: float = 14.0
    limit_s: float = 12.0
    refused: str | None = None
    unwell_before: bool = False
    in_vain: bool = False
    abort_s: float | None = None
    broken_undo: bool = False
    outcome: Outcome = Outcome.SUPERSEDED
    doubt: str = ""
    victim: Mapping[str, Any] | None = None
    finding: Finding = STALE
    violations: tuple[dict[str, Any], ...] = ()
    measures: Mapping[str, float] | None = None
    judged: bool = True


def at(story: Story, after_s: float) -> Instant:
    return Instant(1000.0 + story.at_s + after_s, EPOCH_S + story.at_s + after_s)


def history(story: Story) -> list[Event]:
    """Return the events; judged like the injector does it unless the story says otherwise."""
    told = list(_events(story))
    if story.judged:
        judgement = judge(events.fold(told))
        if story.violations:
            judgement = replace(judgement, verdict=events.Verdict.VIOLATED, violations=story.violations)
        told.append(events.Judged(at=at(story, story.end_s), judgement=judgement))
    return told


def _events(story: Story) -> Iterable[Event]:
    yield Proposed(plan=_plan(story))
    if story.refused:
        yield events.Refused(at=at(story, -1), rule="window", reason=story.refused)
        return
    yield _look(story, -0.5, well=not story.unwell_before, phase=Phase.BEFORE)
    if story.in_vain:
        yield Armed(at=at(story, -0.2))
    if story.unwell_before or story.in_vain:
        return
    undo = Undo(
        fault=story.fault,
        mode=story.mode,
        victim=story.victim or {"path": ".git/index.lock"},
        actions=("create .git/index.lock",),
        data={},
    )
    yield events.Planned(at=at(story, -0.1), undo=undo, boot="b")
    yield events.Injected(started=at(story, 0), finished=at(story, 0.02))
    for number in range(int((story.abort_s or story.end_s) / EVERY_S)):
        after_s = 0.1 + number * EVERY_S
        hurt = story.hurt_s is not None and after_s >= story.hurt_s
        well = not hurt or (story.well_s is not None and after_s >= story.well_s)
        yield _look(story, after_s, well=well, phase=Phase.DURING if after_s < story.revert_s else Phase.AFTER)
    yield from _ending(story)


def _ending(story: Story) -> Iterable[Event]:
    if story.abort_s is not None:
        yield events.Aborted(at=at(story, story.abort_s), reason="halted by somebody")
    began_s = story.revert_s if story.abort_s is None else story.abort_s
    if story.broken_undo:
        yield events.RevertFailed(
            started=at(story, began_s), finished=at(story, began_s + 1), attempt=1, error="read-only"
        )
        return
    proof = {"before": "sha256:aa", "after": "sha256:aa"}
    reversion = Reversion(outcome=story.outcome, proof=proof, detail="the lock was gone", doubt=story.doubt)
    yield events.Reverted(started=at(story, began_s), finished=at(story, began_s + 0.05), reversion=reversion)


def _plan(story: Story) -> Plan:
    return Plan(
        injection=story.name,
        experiment="nightly",
        fault=story.fault,
        mode=story.mode,
        target=story.target,
        seed=7,
        parameters={},
        duration_s=story.revert_s,
        recover_s=story.limit_s,
        stable_s=1.0,
        steady=("git-health",),
        planned_at=at(story, -1),
        origin="schedule",
        by="chaosd",
    )


def _look(story: Story, after_s: float, *, well: bool, phase: Phase) -> Event:
    reading = Reading(
        status=Status.OK if well else Status.FAILING,
        measures=story.measures or {"locks": 0.0 if well else 1.0},
        findings=() if well else (story.finding,),
    )
    seen = Observation(
        probe="git-health",
        target=story.target,
        asked=at(story, after_s),
        answered=at(story, after_s + 0.01),
        reading=reading,
    )
    return events.Observed(phase=phase, observation=seen)


def injection(story: Story) -> Injection:
    return events.fold(history(story))


def runs(stories: Iterable[Story]) -> tuple[Run, ...]:
    return tuple(run(injection(s)) for s in stories)


CATALOGUE = (
    {
        "name": "git-lock",
        "summary": "Leave a lock behind.",
        "modes": [{"name": "index-lock"}, {"name": "head-lock"}],
    },
    {"name": "ecs-task-stop", "summary": "Stop a task.", "modes": []},
)


def document(
    stories: Sequence[Story], before: Sequence[Story] | None = None, *, found: Sequence[Trial] = (), **asked: Any
) -> dict[str, Any]:
    """Return the report of these stories and of the scenario runs ``found``."""
    question = Question(
        period=Period(EPOCH_S - 10, EPOCH_S + 86400),
        earlier=None if before is None else Period(EPOCH_S - 86400, EPOCH_S - 10),
        made_at_s=EPOCH_S + 86400,
        chaosd="0.0",
        faults=CATALOGUE,
        **asked,
    )
    return content(question, runs(stories), runs(before or ()), found=found)


BROKEN = {"invariant": "right-branch", "evidence": {"commit": "abc"}}


def some_of_everything() -> list[Story]:
    """Return a story for each verdict."""
    return [
        Story(name="i-recovered"),
        Story(name="i-no-impact", at_s=100, hurt_s=None, outcome=Outcome.UNTOUCHED),
        Story(name="i-healed-by-us", at_s=200, well_s=10.5, outcome=Outcome.RESTORED),
        Story(name="i-censored", at_s=300, well_s=None, outcome=Outcome.RESTORED),
        Story(
            name="i-violated", at_s=400, violations=({"invariant": "right-branch", "evidence": {"commit": "abc"}},)
        ),
        Story(name="i-undo-failed", at_s=500, well_s=None, broken_undo=True),
        Story(name="i-aborted", at_s=600, abort_s=3.0, outcome=Outcome.RESTORED),
        Story(name="i-inconclusive", at_s=700, unwell_before=True),
        Story(name="i-refused", at_s=800, refused="outside every window"),
        Story(name="i-not-triggered", at_s=900, in_vain=True),
    ]


def night(dice: Random, runs: int, *, begin_s: float = 0.0, mean_s: float = 4.0) -> list[Story]:
    """Return a schedule's worth of stories with exponential recoveries, some censored, some without impact."""
    return [_drawn(dice, f"r{begin_s:.0f}-{n:04}", begin_s + n * 300.0, mean_s) for n in range(runs)]


def _drawn(dice: Random, name: str, at_s: float, mean_s: float) -> Story:
    fault, mode, target = dice.choice(KINDS)
    took_s = 0.6 + dice.expovariate(1 / mean_s)
    drawn = Story(name=name, at_s=at_s + dice.uniform(0, 200), fault=fault, mode=mode, target=target, well_s=took_s)
    fates = [
        replace(drawn, refused="outside every window"),
        replace(drawn, unwell_before=True),
        replace(drawn, abort_s=2.0, outcome=Outcome.RESTORED),
        replace(drawn, violations=(BROKEN,)),
        replace(drawn, hurt_s=None, outcome=Outcome.UNTOUCHED),
        drawn if took_s < drawn.revert_s else replace(drawn, well_s=None, outcome=Outcome.RESTORED),
    ]
    return dice.choices(fates, weights=(3, 4, 2, 2, 14, 75))[0]


KINDS = (
    ("git-lock", "index-lock", "editor"),
    ("git-corrupt", "loose-object-truncate", "editor"),
    ("ecs-task-stop", "", "editor"),
    ("sqs-burst", "", "preview"),
)
