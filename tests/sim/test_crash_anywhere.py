"""The daemon dies at every step of an injection; whoever comes next must find nothing left broken."""

from pathlib import Path

import pytest

from daemon.core.events import State, Verdict
from daemon.engine import injector
from daemon.engine.reverter import Recovered
from tests.engine_kit import Deadly, Kit, Lamp, request
from tests.fakes import Death


def moments_of_one_run(directory: Path) -> int:
    kit = Kit(directory)
    kit.control.run(request())
    return kit.deadly.moments


def die_then_recover(directory: Path, dies_at: int) -> tuple[Kit, bool]:
    """Run until the n-th moment, then let a new engine on the same journal and lamp recover."""
    kit = Kit(directory, deadly=Deadly(dies_at=dies_at))
    died = False
    try:
        kit.control.run(request())
    except Death:
        died = True
    kit.store.close()
    survivor = Kit(directory, lamp=Lamp())
    survivor.lamp.light = kit.lamp.light
    survivor.world.clock.advance(100)
    survivor.control.recover()
    return survivor, died


def test_wherever_the_daemon_dies_recover_leaves_the_lamp_on(tmp_path: Path) -> None:
    counted = tmp_path / "count"
    counted.mkdir()
    total = moments_of_one_run(counted)
    assert total > 20, "an injection has more steps than this; the harness does not see them"
    for dies_at in range(1, total + 1):
        directory = tmp_path / str(dies_at)
        directory.mkdir()
        survivor, died = die_then_recover(directory, dies_at)
        assert died, f"nobody died at moment {dies_at} of {total}"
        assert survivor.lamp.light == "good", f"still dark after dying at moment {dies_at}"
        assert survivor.journal.outstanding() == ()
        assert survivor.journal.running() == ()
        assert survivor.control.recover() == Recovered(), "recover is idempotent"
        survivor.store.close()


def test_an_interrupted_experiment_is_never_judged_recovered(tmp_path: Path) -> None:
    for dies_at in (5, 15, 25):
        directory = tmp_path / str(dies_at)
        directory.mkdir()
        survivor, _ = die_then_recover(directory, dies_at)
        for found in survivor.store.recent():
            assert found.judgement is not None
            assert found.judgement.verdict in {Verdict.ABORTED, Verdict.INCONCLUSIVE}
        survivor.store.close()


def test_the_harness_catches_an_intent_written_after_the_injection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The natural mistake: first strike, then note it down. If this stays green, the test above tests nothing."""
    right_way = injector.Injector._record
    held: list[object] = []

    def late(self: injector.Injector, proposed: object, *happened: object) -> None:
        if any(type(e).__name__ == "Planned" for e in happened):
            held.extend(happened)
            return
        if any(type(e).__name__ == "Injected" for e in happened):
            happened, held[:] = (*held, *happened), []
        right_way(self, proposed, *happened)  # type: ignore[arg-type]

    monkeypatch.setattr(injector.Injector, "_record", late)
    dark = 0
    for dies_at in range(1, 20):
        held.clear()
        directory = tmp_path / str(dies_at)
        directory.mkdir()
        survivor, _ = die_then_recover(directory, dies_at)
        dark += survivor.lamp.light != "good"
        survivor.store.close()
    assert dark, "the late intent was not caught"


def test_a_revert_that_fails_is_tried_again_and_blocks_everything_until_it_worked(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    found = kit.control.run(request(broken="revert"))
    assert found.state is State.REVERT_FAILED
    assert found.judgement is not None
    assert found.judgement.verdict is Verdict.UNDO_FAILED
    assert found.failures == 3
    again = kit.control.run(request())
    assert again.judgement is not None
    assert again.judgement.verdict is Verdict.REFUSED
    assert again.refused is not None
    assert again.refused.rule == "unresolved-undo"
