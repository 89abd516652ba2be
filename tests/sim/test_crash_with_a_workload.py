"""The daemon dies at every step of an experiment with a workload; the next leaves light and empty queues."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.core.events import Verdict
from daemon.core.verdict import GOOD
from daemon.engine import player
from tests.engine_kit import Deadly, Lamp
from tests.fakes import Death
from tests.workload_kit import URL, WorkKit, asked


def live_and_die(directory: Path, dies_at: int) -> WorkKit:
    directory.mkdir()
    kit = WorkKit(directory, deadly=Deadly(dies_at=dies_at))
    try:
        kit.control.run(asked(strike_s=0.6, gap=0.5))
    except Death:
        assert dies_at
    return kit


def recovered(dead: WorkKit) -> WorkKit:
    """Return a new engine on the same journal, lamp and queues, after its recovery."""
    dead.store.close()
    survivor = WorkKit(dead.directory, lamp=Lamp(), sqs=dead.plain_sqs)
    survivor.lamp.light = dead.lamp.light
    survivor.turns.advance(dead.turns.elapsed_s + 100)
    survivor.control.recover()
    return survivor


def moments(directory: Path) -> int:
    return live_and_die(directory, 0).deadly.moments


def test_wherever_it_dies_recover_leaves_light_and_no_message_of_ours(tmp_path: Path) -> None:
    total = moments(tmp_path / "count")
    assert total > 60, "an experiment with a workload has more steps than this; the harness does not see them"
    left_behind = 0
    for dies_at in range(1, total + 1):
        dead = live_and_die(tmp_path / str(dies_at), dies_at)
        assert dead.deadly.dead, f"nobody died at moment {dies_at} of {total}"
        left_behind += bool(dead.plain_sqs.messages(URL))
        if dead.plain_sqs.messages(URL):
            assert dead.store.open_run_ids(), f"messages nobody knows of after dying at moment {dies_at}"
        survivor = recovered(dead)
        where = f"after dying at moment {dies_at}"
        assert survivor.lamp.light == "good", f"still dark {where}"
        assert survivor.plain_sqs.messages(URL) == (), f"messages left {where}"
        assert not survivor.store.open_run_ids(), where
        assert survivor.journal.outstanding() == ()
        for found in survivor.store.recent():
            assert found.judgement is not None
            if dies_at < total - 1:
                assert found.judgement.verdict not in GOOD, where
                assert found.judgement.verdict is not Verdict.VIOLATED, where
        assert survivor.control.recover().runs == (), "recover is idempotent"
        survivor.store.close()
    assert left_behind > 3, "no death left a message: this test tests nothing"


def test_the_harness_catches_a_run_opened_after_its_first_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The natural mistake: first send, then note it down. If this stays green, the test above tests nothing."""
    right_way: Callable[..., Any] = player.Workload.play
    opened = player.Player._opened
    held: list[Any] = []
    monkeypatch.setattr(player.Player, "_opened", lambda self, part, bill: held.append((self, part, bill)))

    def late(self: Any, bill: Any, *others: Any) -> Any:
        course = right_way(self, bill, *others)
        it, part, _ = held[-1]
        it.recorder.record_run(bill.run, opened(it, part, bill))
        return course

    monkeypatch.setattr(player.Workload, "play", late)
    real = WorkKit.__post_init__

    def lenient(self: WorkKit) -> None:
        real(self)
        record = self.recorder.record_run
        self.recorder.record_run = lambda run, *e: record(run, *(x for x in e if x)) if any(e) else None  # type: ignore[method-assign]

    monkeypatch.setattr(WorkKit, "__post_init__", lenient)
    forgotten = 0
    for dies_at in range(1, 20):
        held.clear()
        dead = live_and_die(tmp_path / str(dies_at), dies_at)
        survivor = recovered(dead)
        forgotten += bool(survivor.plain_sqs.messages(URL))
        survivor.store.close()
    assert forgotten, "the late note was not caught"
