"""What one run may say about recovery: a bracket, a censored time, or nothing."""

from dataclasses import replace

import pytest

from daemon.core.model import Outcome
from daemon.core.statistics import RecoveryTime, recovery_time
from daemon.core.verdict import judge
from tests.report_kit import Story, injection


def told(story: Story) -> RecoveryTime | None:
    found = injection(story)
    return recovery_time(found, judge(found))


def test_a_recovery_by_the_worker_is_a_bracket_that_holds_the_truth() -> None:
    found = told(Story(well_s=4.0))
    assert found is not None
    assert found.hi_s is not None
    assert found.lo_s < 4.0 <= found.hi_s
    assert found.lo_s < found.middle_s < found.hi_s


def test_a_late_recovery_is_known_although_the_verdict_is_bad() -> None:
    found = told(Story(well_s=4.0, limit_s=2.0))
    assert found is not None
    assert not found.censored


@pytest.mark.parametrize(
    ("story", "beyond_s"),
    [
        (Story(well_s=None, outcome=Outcome.RESTORED), 10.0),
        (Story(well_s=10.5, outcome=Outcome.RESTORED), 10.0),
        (Story(well_s=None), 13.85),
        (Story(abort_s=3.0, outcome=Outcome.RESTORED), 2.85),
        (Story(well_s=None, broken_undo=True), 10.0),
    ],
    ids=["never well", "well only after our revert", "followed to the end", "aborted", "undo failed"],
)
def test_whatever_ended_the_following_censors_where_it_was_last_known_unwell(story: Story, beyond_s: float) -> None:
    found = told(story)
    assert found is not None
    assert found.censored
    assert found.lo_s == pytest.approx(beyond_s)
    assert found.middle_s == found.lo_s


@pytest.mark.parametrize(
    "story",
    [Story(hurt_s=None, outcome=Outcome.UNTOUCHED), Story(unwell_before=True), Story(refused="no")],
    ids=["no impact", "never injected", "refused"],
)
def test_without_an_impact_there_is_nothing_to_recover_from(story: Story) -> None:
    assert told(story) is None


def test_a_fault_that_cannot_be_taken_back_is_not_censored_by_its_revert() -> None:
    found = injection(Story(well_s=None, revert_s=2.0, outcome=Outcome.RESTORED))
    assert found.undo is not None
    waited = replace(found, undo=replace(found.undo, restores=False))
    known = recovery_time(waited, judge(waited))
    assert known is not None
    assert known.lo_s > 10.0
