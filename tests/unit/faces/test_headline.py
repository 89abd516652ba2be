"""The page in one sentence: nothing is called steady that nobody has seen, and a halt hides nothing."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.core.events import Injection, State
from daemon.core.model import Instant, Observation, Reading, Status
from daemon.core.settings import ProbeSetting, Sampling, Settings
from daemon.core.target import Target
from daemon.faces.web.headline import headline
from daemon.faces.web.view import OLD_S, _looks
from tests.unit.faces.test_metrics import PLAN

AT = Instant(1000.0, 1_750_000_000.0)
WELL = {"probe": "tasks", "target": PLAN.target, "steady": True, "status": "ok", "old": False}
BAD = {**WELL, "status": "failing"}
ELSEWHERE = {**WELL, "probe": "site", "target": "shop", "status": "failing"}
PLAYED = {"scenario": "basic", "target": "editor", "state": "open"}
HERE = f"{PLAN.fault} on {PLAN.target}"
STEADY = "Quiet: no fault is active and every target is steady"


def fault(state: State) -> Injection:
    return Injection(plan=PLAN, state=state)


def said(
    *looks: dict[str, Any], active: tuple[State, ...] = (), halted: str | None = None, runs: Any = ()
) -> tuple[str, str]:
    targets = sorted({PLAN.target, *(str(look["target"]) for look in looks)})
    return headline(halted, [fault(state) for state in active], looks, runs, targets)


@pytest.mark.parametrize(
    ("found", "text", "tone"),
    [
        (said(WELL), STEADY, "good"),
        (said(BAD), "No fault is active; failing without a fault: tasks", "bad"),
        (said({**WELL, "old": True}), "No fault is active; unknown: tasks", "warn"),
        (said({**BAD, "old": True}), "No fault is active; unknown: tasks", "warn"),
        (said({**WELL, "status": "not yet"}), "No fault is active; unknown: tasks", "warn"),
        (said({**WELL, "steady": False}), f"No fault is active; no steady state tells of {PLAN.target}", "warn"),
        (said(), f"No fault is active; no steady state tells of {PLAN.target}", "warn"),
        (headline(None, [], [], [], []), "No fault is active; no steady state tells of anything", "warn"),
        (said(WELL, runs=[PLAYED]), "No fault is active; a scenario is played: basic on editor", "calm"),
        (
            said(WELL, runs=[{**PLAYED, "state": "sweep-failed"}]),
            "No fault is active; messages may be left in a queue: basic on editor",
            "bad",
        ),
        (said(BAD, active=(State.INJECTED,)), f"Active: {HERE}", "calm"),
        (said(WELL, ELSEWHERE, active=(State.INJECTED,)), f"Active: {HERE}; failing without a fault: site", "bad"),
        (said(WELL, active=(State.REVERTED,)), f"No fault is active; under way: {HERE}", "calm"),
        (said(WELL, active=(State.REVERT_FAILED,)), f"An undo has failed: {HERE}", "bad"),
        (said(WELL, halted="lunch"), "Halted: nothing begins until somebody resumes", "warn"),
        (said(BAD, halted="lunch", active=(State.INJECTED,)), f"Halted; active: {HERE}", "warn"),
        (said(BAD, halted="lunch"), "Halted; no fault is active; failing without a fault: tasks", "bad"),
        (said(WELL, halted="x", active=(State.REVERT_FAILED,)), f"Halted; an undo has failed: {HERE}", "bad"),
    ],
)
def test_it_says_what_is_known_and_no_more(found: tuple[str, str], text: str, tone: str) -> None:
    assert found == (text, tone)


def test_many_are_counted() -> None:
    looks = [{**BAD, "probe": f"p{n}"} for n in range(5)]
    assert said(*looks)[0].endswith("p0, p1, p2 and 2 more")


def test_a_look_that_missed_its_turns_is_old() -> None:
    settings = Settings(
        sampling=Sampling(probe_every_s=1.0),
        targets={"t": Target(name="t")},
        probes=(ProbeSetting(name="p", probe="http", target="t", every_s=60.0),),
        steady_state={"t": ("p",)},
    )
    seen = Observation(probe="p", target="t", asked=AT, answered=AT, reading=Reading(status=Status.OK))

    def old(after_s: float, every_s: float) -> bool:
        probes = (replace(settings.probes[0], every_s=every_s),)
        now = Instant(AT.mono_s + after_s, AT.wall_s)
        return bool(_looks(replace(settings, probes=probes), {"p": seen}, now)[0]["old"])

    assert [old(179, 60), old(181, 60), old(OLD_S - 1, 1), old(OLD_S + 1, 1)] == [False, True, False, True]
