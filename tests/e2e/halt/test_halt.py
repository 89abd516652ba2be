"""A halt in each phase of an experiment, and by each way to say it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.core.errors import RefusedError, UsageError
from tests.e2e.git.tree import changed, look, make_repository
from tests.e2e.halt.phases import (
    PHASES,
    WAIT_S,
    Life,
    by_file,
    by_file_in_state,
    by_signal,
    halt_in,
    halted_still,
    life,
)

pytestmark = pytest.mark.timeout(5 * WAIT_S)
SOON_S = 10.0  # a bound for a busy machine; `python -m tests.e2e.halt` prints the figures


@pytest.mark.parametrize("phase", PHASES)
def test_a_halt_in_any_phase_undoes_and_lasts(tmp_path: Path, phase: str) -> None:
    found = halt_in(tmp_path, phase)
    assert found.undone_s < SOON_S
    assert found.verdict == ("inconclusive" if phase == "steady-before" else "aborted")


@pytest.mark.parametrize("how", [by_signal, by_file, by_file_in_state])
def test_a_halt_by_signal_or_file_is_the_same(tmp_path: Path, how: Callable[[Life, Path], None]) -> None:
    found = halt_in(tmp_path, "observing", how)
    assert found.undone_s < SOON_S
    assert found.verdict == "aborted"


def test_resuming_needs_a_reason_and_the_file_gone(tmp_path: Path) -> None:
    make_repository(tmp_path / "clone")
    (tmp_path / "closed").touch()
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "HALT").write_text("auditors")
    with life(tmp_path, "observing") as running:
        halted_still(running)
        with pytest.raises(UsageError, match="a reason is needed"):
            running.client.call("POST", "/api/v1/resume", {})
        with pytest.raises(RefusedError, match="auditors, in the halt file") as refused:
            running.client.call("POST", "/api/v1/resume", {"because": "gone"})
        assert refused.value.rule == "halted"
        (tmp_path / "state" / "HALT").unlink()
        running.client.call("POST", "/api/v1/resume", {"because": "gone"})
        assert running.client.call("GET", "/api/v1/status")["daemon"]["halted"] is None


def test_a_stop_condition_ends_what_runs_and_lets_nothing_begin_while_it_holds(tmp_path: Path) -> None:
    before = look(make_repository(tmp_path / "clone"))
    with life(tmp_path, "observing") as running:
        running.until(lambda: running.events("fault.injected"), "fault")
        (tmp_path / "angry").touch()
        running.until(lambda: running.events("experiment.judged"), "verdict")
        assert changed(before, look(tmp_path / "clone")) == []
        (judged,) = running.events("experiment.judged")[:1]
        assert judged["verdict"] == "aborted"
        assert "stop condition users is failing" in judged["reasons"][0]
        running.until(lambda: running.events("experiment.refused"), "refusal")
        assert running.events("experiment.refused")[0]["rule"] == "stop-condition"
        (tmp_path / "angry").unlink()
        running.until(lambda: len(running.events("fault.injected")) >= 2, "next fault")
