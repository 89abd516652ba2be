"""Two injections of one fault on one target: the metrics tell of the one that is left, not of who spoke last."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from daemon.core.events import Injected, Injection, Judged, Judgement, Planned, Proposed, Reverted, Settled, Verdict
from daemon.core.model import Deadline, Instant, Outcome, Reversion
from daemon.core.settings import Sampling, Settings
from daemon.faces.metrics import Metrics
from tests.integration.test_journal import PLAN, UNDO

AT = Instant(1, 1)
UNDONE = Reverted(started=AT, finished=AT, reversion=Reversion(outcome=Outcome.RESTORED))
SETTLED = Settled(at=AT, by="me", because="looked")
# Its guardian took it back: that is in the journal, and this process is told the verdict alone.
JUDGED = Judged(at=AT, judgement=Judgement(verdict=Verdict.NOT_RECOVERED, reasons=()))


def planned(due_s: float, *, wait_s: float = 0.0) -> Planned:
    return Planned(at=AT, undo=replace(UNDO, wait_s=wait_s), boot="b", deadline=Deadline(due_s, due_s))


def begin(metrics: Metrics, name: str, due_s: float, *, fault: str = PLAN.fault) -> None:
    metrics(name, Proposed(plan=replace(PLAN, injection=name, fault=fault)))
    metrics(name, planned(due_s))
    metrics(name, Injected(started=AT, finished=AT))


def resumed(metrics: Metrics, name: str, due_s: float) -> None:
    before = planned(due_s, wait_s=5)
    left = Injection(plan=replace(PLAN, injection=name), undo=before.undo, deadline=before.deadline)
    metrics.resume([left])


def shown(metrics: Metrics, fault: str = PLAN.fault) -> tuple[float | None, float | None]:
    """Return whether the fault is active and when it must be gone."""
    names = ("chaosd_fault_active", "chaosd_fault_deadline_timestamp_seconds")
    active, deadline = (
        metrics.registry.get_sample_value(n, {"fault": fault, "target": PLAN.target}) for n in names
    )
    return active, deadline


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Settings(sampling=Sampling(probe_every_s=0.25)), version="1")


@pytest.mark.parametrize("end", [UNDONE, SETTLED, JUDGED], ids=["undone", "settled", "undone by another process"])
@pytest.mark.parametrize("first", ["sooner", "later"])
def test_the_end_of_one_is_not_the_end_of_the_other(
    metrics: Metrics, first: str, end: Reverted | Settled | Judged
) -> None:
    begin(metrics, "later", 1300)
    begin(metrics, "sooner", 700)
    begin(metrics, "another", 900, fault="g")
    assert shown(metrics) == (1, 700), "the first that must be gone"
    metrics(first, end)
    assert shown(metrics) == (1, 1300 if first == "sooner" else 700)
    metrics("later" if first == "sooner" else "sooner", end)
    assert shown(metrics) == (0, 0)
    assert shown(metrics, "g") == (1, 900), "another fault is none of theirs"


@pytest.mark.parametrize("start", [resumed, begin], ids=["left by an earlier life", "new"])
def test_what_an_earlier_life_left_counts_beside_what_is_new(
    metrics: Metrics, start: Callable[[Metrics, str, float], None]
) -> None:
    resumed(metrics, "old", 700)
    start(metrics, "other", 1300)
    assert shown(metrics) == (1, 705), "with the time its undo may take"
    metrics("old", UNDONE)
    assert shown(metrics) == (1, 1305 if start is not begin else 1300)
    metrics("other", UNDONE)
    assert shown(metrics) == (0, 0)


def test_an_end_that_is_told_twice_is_one(metrics: Metrics) -> None:
    begin(metrics, "a", 700)
    begin(metrics, "b", 1300)
    metrics("a", UNDONE)
    metrics("a", UNDONE)
    metrics("a", JUDGED)
    assert shown(metrics) == (1, 1300)
