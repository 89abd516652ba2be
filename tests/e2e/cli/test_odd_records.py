"""A journal of an earlier version may hold any time: whoever reads it shows the odd record, and the others."""

from dataclasses import replace

import pytest

from daemon.core.events import Aborted, Injected, Planned, Proposed, Reverted
from daemon.core.model import Deadline, Instant, Outcome, Reversion
from daemon.ports.clock import SystemClock
from daemon.ports.journal import Journal
from daemon.ports.state import StateDirectory
from tests.e2e.cli.conftest import Cli
from tests.integration.test_journal import PLAN, UNDO

FAR_S = 8.64e17  # --for 10000000000000d


@pytest.fixture
def chaosd_with_a_past(chaosd: Cli) -> Cli:
    """A state directory with an ordinary injection and odd ones: under way, and taken back."""
    now = SystemClock().instant()
    odd = replace(PLAN, injection="odd", planned_at=now, duration_s=FAR_S)
    over = replace(odd, injection="over", planned_at=Instant(1.0, FAR_S))
    plain = replace(PLAN, injection="plain", planned_at=now)
    planned = Planned(at=now, undo=UNDO, boot="b", deadline=Deadline(FAR_S, FAR_S))
    struck = Injected(started=now, finished=now)
    back = Reverted(started=now, finished=now, reversion=Reversion(outcome=Outcome.RESTORED, proof={}))
    with StateDirectory(chaosd.state) as state:
        journal = Journal(state.journal, clock_s=lambda: now.wall_s)
        journal.append("odd", Proposed(plan=odd), planned, struck)
        journal.append("over", Proposed(plan=over), planned, struck, Aborted(at=now, reason="stop"), back)
        journal.append("plain", Proposed(plan=plain), replace(planned, deadline=None), struck, back)
        journal.close()
    return chaosd


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["history"], 0, ["odd", "over", "plain"]),
        (["show", "odd"], 0, ["odd  f/m on t"]),
        (["show", "over"], 0, ["asked    9999-12-30T00:00:00.000Z by me"]),
        (["status"], 0, ["odd  injected", "undone from 9999-12-30T00:00:00.000Z"]),
        (["monitor"], 0, ["odd", "over", "plain"]),
        (["report"], 1, ["odd", "over", "plain"]),
        (["report", "--format", "html"], 1, ["odd", "over", "plain"]),
    ],
)
def test_an_odd_record_is_shown_and_hides_nothing(
    chaosd_with_a_past: Cli, words: list[str], code: int, said: list[str]
) -> None:
    ran = chaosd_with_a_past(*words)
    assert (ran.code, ran.err) == (code, "")
    assert [word for word in said if word not in ran.out] == []
