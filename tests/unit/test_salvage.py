"""A rescue out of a damaged journal asks systemd for the time that it may take, wherever it happens."""

from dataclasses import replace
from pathlib import Path

import pytest

from daemon import salvage, wiring
from daemon.core.events import Planned, Proposed
from daemon.engine import reverter
from daemon.ports.state import StateDirectory
from daemon.ports.supervisor import Supervisor
from tests.integration.test_journal import PLAN, UNDO

WAIT_S = 7200.0


class Asked(Supervisor):
    def __init__(self) -> None:
        super().__init__({})
        self.seconds: list[float] = []

    def extend(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def damaged(tmp_path: Path) -> StateDirectory:
    """One fault is active, by the copy of its undo record alone: nothing can be read of the journal."""
    state = StateDirectory(tmp_path / "state").make()
    journal = wiring.open_journal(state)
    undo = replace(UNDO, wait_s=WAIT_S)
    journal.append(PLAN.injection, Proposed(plan=PLAN), Planned(at=PLAN.planned_at, undo=undo, boot="b"))
    journal.close()
    state.journal.write_bytes(b"garbage" * 1000)
    return state


@pytest.mark.parametrize("starting", [True, False])
def test_time_is_asked_for_before_the_undo_begins(
    damaged: StateDirectory, starting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reverter, "PAUSE_S", 0.0)
    settings, asked = wiring.ad_hoc("/"), Asked()
    with damaged:
        if starting:
            found = salvage.prepare(settings, damaged, asked)
        else:
            found = salvage.recover(settings, damaged, supervisor=asked)
    assert [i.plan.injection for i in found.found.injections] == [PLAN.injection]
    assert max(asked.seconds) == WAIT_S + wiring.UNDO_S
