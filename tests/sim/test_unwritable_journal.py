"""The journal stops taking records at every step of an injection: what was begun is undone, and never a pass."""

from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import JournalDamagedError, JournalError, JournalFullError, UnrecordedError
from daemon.core.events import Observed, Planned, Proposed, State, Verdict
from daemon.engine import reverter
from daemon.engine.injector import UNSEEN
from daemon.ports.keep import Keep
from tests.engine_kit import Kit, Lamp, request

GOOD = {Verdict.RECOVERED, Verdict.NO_IMPACT}


class Unwritable:
    """A journal that takes nothing from the n-th record on, for ``times`` records."""

    def __init__(self, journal: Any, fails_at: int, times: int = 10**6, *, looks_only: bool = False) -> None:
        self._journal, self._fails_at, self._times = journal, fails_at, times
        self._looks_only = looks_only
        self.appends = 0

    def append(self, injection: str, *happened: Any) -> None:
        if not self._looks_only or all(isinstance(e, Observed) for e in happened):
            self.appends += 1
            if self._fails_at <= self.appends < self._fails_at + self._times:
                raise JournalFullError("writing failed: no space")
        self._journal.append(injection, *happened)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


def kit(directory: Path, fails_at: int, times: int = 10**6, *, looks_only: bool = False) -> Kit:
    directory.mkdir()
    made = Kit(directory)
    made.store.keep = Keep(directory)
    made.journal._journal = Unwritable(made.store, fails_at, times, looks_only=looks_only)
    return made


def appends_of_one_run(directory: Path) -> int:
    made = kit(directory, 10**6)
    made.control.run(request())
    return int(made.journal._journal.appends)


def recovered(directory: Path, lamp: Lamp) -> Kit:
    later = Kit(directory, lamp=Lamp())
    assert later.lamp is not None
    later.lamp.light = lamp.light
    later.store.keep = Keep(directory)
    later.world.clock.advance(100)
    later.control.recover()
    return later


@pytest.mark.parametrize("times", [1, 10**6])
def test_wherever_the_journal_fills_up_the_lamp_is_on_and_the_run_is_no_pass(tmp_path: Path, times: int) -> None:
    total = appends_of_one_run(tmp_path / "count")
    assert total > 10
    for fails_at in range(1, total + 1):
        broken = kit(tmp_path / f"{times}-{fails_at}", fails_at, times)
        lamp: Any = broken.lamp
        try:
            found = broken.control.run(request())
        except JournalError:
            found = None
        assert lamp.light == "good", f"dark after record {fails_at} of {total} could not be written"
        assert found is None or found.judgement is None or found.judgement.verdict not in GOOD or times == 1
        broken.store.close()
        later = recovered(broken.directory, lamp)
        assert later.lamp is not None
        assert later.lamp.light == "good"
        assert later.journal.outstanding() == ()
        assert later.journal.running() == ()
        assert Keep(broken.directory).names() == ()
        for one in later.store.recent():
            assert one.judgement is not None
            if one.judgement.verdict in GOOD:
                assert found is not None, "a run that broke off became a pass"
        later.store.close()


def test_lost_looks_end_the_experiment_and_are_never_a_pass(tmp_path: Path) -> None:
    for fails_at in range(1, 30):
        broken = kit(tmp_path / str(fails_at), fails_at, 1, looks_only=True)
        found = broken.control.run(request())
        if broken.journal._journal.appends < fails_at:
            break
        assert found.judgement is not None
        assert found.judgement.verdict in {Verdict.ABORTED, Verdict.INCONCLUSIVE}
        assert found.aborted is not None
        assert found.aborted.reason == UNSEEN
    else:
        raise AssertionError("one run has fewer looks than this; the harness does not see its end")


def test_an_undo_that_cannot_be_recorded_is_said_with_exit_4(tmp_path: Path) -> None:
    broken = kit(tmp_path / "a", 10**6)
    failing: Any = broken.journal._journal
    right = broken.store.append

    def stop_at_the_intent(injection: str, *happened: Any) -> None:
        right(injection, *happened)
        if isinstance(happened[0], Planned):
            failing._fails_at = 0

    broken.store.append = stop_at_the_intent  # type: ignore[method-assign]
    with pytest.raises(UnrecordedError, match="could not be journalled") as caught:
        broken.control.run(request())
    assert caught.value.exit_code == 4
    assert "reverted" in caught.value.message
    # Else the guardian, which knows of a fault and of no undo, would keep at it for as long as the disk is full.
    assert [event for _, event in broken.watchman.heard].count("Reverted") == 1
    assert broken.lamp is not None
    assert broken.lamp.light == "good"


def test_a_journal_damaged_meanwhile_does_not_block_the_undo(tmp_path: Path) -> None:
    broken = kit(tmp_path / "a", 10**6)
    right = broken.store.injection

    def damaged(injection: str) -> Any:
        if broken.lamp is not None and broken.lamp.light != "good":
            raise JournalDamagedError("a page is gone")
        return right(injection)

    broken.store.injection = damaged  # type: ignore[method-assign]
    found = broken.control.run(request())
    assert broken.lamp is not None
    assert broken.lamp.light == "good"
    assert found.state is State.REVERTED


def test_one_undo_that_cannot_be_recorded_keeps_no_other_from_being_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kit(tmp_path / "a", 10**6)
    undo = first.injector.preview(request())
    # Two injections in force, as after a crash.
    for name in ("one", "two"):
        proposed = first.injector._plan(request(), first.target, name)
        first.store.append(name, Proposed(plan=proposed))
        first.store.append(name, Planned(at=proposed.planned_at, undo=undo, boot="b"))
    first.journal._journal._fails_at = 0
    seen: list[str] = []
    attempt = reverter.Reverter._attempt

    def watched(self: Any, injection: Any) -> Any:
        seen.append(injection.plan.injection)
        return attempt(self, injection)

    monkeypatch.setattr(reverter.Reverter, "_attempt", watched)
    with pytest.raises(UnrecordedError):
        first.control.recover()
    assert seen == ["two", "one"]
