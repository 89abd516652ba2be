"""The control desk and the stop conditions."""

import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import (
    BusyError,
    ConfigError,
    JournalError,
    RefusedError,
    UnreachableError,
    UnrecordedError,
    UsageError,
)
from daemon.core.events import Aborted, Event, Injection, Judged, Planned, Proposed, State, Verdict
from daemon.core.guard import Unanswered
from daemon.core.model import Instant, Reversion, Undo
from daemon.engine import reverter
from daemon.engine.control import Regime
from daemon.engine.injector import Injector
from daemon.ports.state import StateDirectory
from tests import engine_kit
from tests.engine_kit import Kit, request

WAIT_S = 60


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def test_reverting_a_running_injection_aborts_it_and_returns_its_end(kit: Kit) -> None:
    kit.world.clock.at(1, lambda: threading.Thread(target=kit.control.revert, args=("inj-0", "by hand")).start())
    # Time stands still until the switch is thrown, so that the thread above cannot come too late.
    run_over = threading.Event()
    kit.world.clock.at(1.1, lambda: _await_stop(kit, run_over))
    found = kit.control.run(request(duration_s=60))
    assert found.judgement is not None
    assert found.judgement.verdict is Verdict.ABORTED
    assert "by hand" in found.judgement.reasons[0]
    assert kit.lamp.light == "good"


def _await_stop(kit: Kit, over: threading.Event) -> None:
    for _ in range(2000):
        if kit.control._runs[0].stop.is_set():
            return
        over.wait(0.005)
    raise AssertionError("the switch was never thrown")


def test_a_closed_desk_begins_nothing_new(kit: Kit) -> None:
    assert kit.control.close("SIGTERM received", 1) is True
    with pytest.raises(BusyError, match="SIGTERM"):
        kit.control.run(request())


def test_recovering_is_refused_while_something_runs(kit: Kit) -> None:
    kit.control._enter(request())
    with pytest.raises(BusyError):
        kit.control.recover()
    kit.control.retry_failed()


def test_an_error_of_a_started_run_reaches_whoever_asks_for_its_outcome(kit: Kit) -> None:
    run = kit.control.start(request(broken="prepare"))
    with pytest.raises(UnreachableError):
        run.outcome()


@pytest.mark.parametrize("what", [{"target": "nobody"}, {"fault": "none"}, {"parameters": {"broken": "all"}}])
def test_what_there_is_not_is_refused_before_it_begins(kit: Kit, what: dict[str, Any]) -> None:
    with pytest.raises((UsageError, ConfigError)):
        kit.control.start(replace(request(), **what))
    assert kit.control.under_way == frozenset()


def test_what_could_not_be_undone_is_tried_again_and_judged_anew(kit: Kit) -> None:

    found = kit.control.run(request(broken="revert"))
    assert found.state is State.REVERT_FAILED
    undo = found.undo
    assert undo is not None
    healed = engine_kit.Darken.revert.__func__  # type: ignore[attr-defined]

    def works_now(_cls: object, record: object, world: object) -> object:
        record.data["broken"] = ""  # type: ignore[attr-defined]
        return healed(engine_kit.Darken, record, world)

    class Mended(engine_kit.Darken):
        revert = classmethod(works_now)  # type: ignore[assignment]

    kit.reverter._faults = {engine_kit.Darken.name: Mended}
    kit.control.retry_failed()
    again = kit.journal.injection(found.plan.injection)
    assert again.state is State.REVERTED
    assert again.judgement.verdict is not Verdict.UNDO_FAILED
    assert kit.lamp.light == "good"


def test_a_run_killed_between_undo_and_verdict_is_closed_by_the_next_start(kit: Kit) -> None:
    found = kit.control.run(request(duration_s=0))
    rows = "DELETE FROM event WHERE kind = 'judged'"
    kit.store._db.execute(rows)
    kit.store.append(found.plan.injection, Aborted(at=Instant(1, 1), reason="halted"))
    assert kit.journal.running() != ()
    kit.control.recover()
    assert kit.journal.running() == ()


@pytest.fixture
def slow(kit: Kit) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Taking back the lamp waits: (it has begun, it may go on)."""
    begun, on = threading.Event(), threading.Event()
    quick = engine_kit.Darken.revert.__func__  # type: ignore[attr-defined]

    class Slow(engine_kit.Darken):
        @classmethod
        def revert(cls, undo: Undo, world: Any) -> Reversion:
            begun.set()
            assert on.wait(WAIT_S)
            found: Reversion = quick(engine_kit.Darken, undo, world)
            return found

    kit.reverter._faults = {engine_kit.Darken.name: Slow}
    yield begun, on
    on.set()


def leave(kit: Kit, name: str, target: str = "elsewhere") -> None:
    """Journal an injection that a crash left active."""
    plan = replace(kit.control.run(request(duration_s=0)).plan, injection=name, target=target)
    undo = Undo(
        fault=plan.fault, mode="dark", victim={}, actions=(), data={"was": "good", "will": "d", "broken": ""}
    )
    kit.store.append(name, Proposed(plan=plan), Planned(at=Instant(1, 1), undo=undo, boot="boot-1"))


def aside(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_halt_comes_through_while_recovering_takes_its_time_and_nothing_begins_before_it(
    kit: Kit, slow: tuple[threading.Event, threading.Event]
) -> None:
    begun, on = slow
    on.set()
    leave(kit, "left")
    begun.clear()
    on.clear()
    recovering = aside(kit.control.recover)
    assert begun.wait(WAIT_S)
    ends: list[Injection] = []
    waiting = aside(lambda: ends.append(kit.control.run(request())))
    halting = aside(lambda: kit.control.halt("lunch"))
    halting.join(WAIT_S)
    assert not halting.is_alive(), "the halt waits for the undo"
    assert kit.control.halted == "lunch"
    assert ends == []
    on.set()
    recovering.join(WAIT_S)
    waiting.join(WAIT_S)
    assert [end.refused.rule for end in ends if end.refused] == ["halted"]


def test_closing_waits_for_an_undo_under_way_but_not_for_ever(
    kit: Kit, slow: tuple[threading.Event, threading.Event]
) -> None:
    begun, on = slow
    on.set()
    leave(kit, "left")
    begun.clear()
    on.clear()
    recovering = aside(kit.control.recover)
    assert begun.wait(WAIT_S)
    assert kit.control.close("SIGTERM received", 0.01) is False
    on.set()
    assert kit.control.close("SIGTERM received", WAIT_S) is True
    recovering.join(WAIT_S)


def test_a_failed_undo_is_tried_again_while_others_run_and_those_are_left_alone(kit: Kit) -> None:
    leave(kit, "failed")
    leave(kit, "running")
    kit.control._enter(request())
    kit.control._runs[0].injection = "running"
    assert kit.control.retry_failed() == 1
    assert [i.plan.injection for i in kit.journal.outstanding()] == ["running"]


def test_an_undo_that_cannot_be_recorded_holds_up_no_other_when_it_is_tried_again(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(kit, "first")
    leave(kit, "second")
    tried: list[str] = []
    once = kit.reverter._revert

    def counted(found: Injection) -> Injection:
        tried.append(found.plan.injection)
        return once(found)

    def full(*_: object) -> None:
        raise JournalError("disk full")

    monkeypatch.setattr(kit.reverter, "_revert", counted)
    kit.journal.append = full
    with pytest.raises(UnrecordedError, match="disk full"):
        kit.control.retry_failed()
    assert sorted(tried) == ["first", "second"]


def test_a_run_whose_end_was_not_recorded_does_not_run_for_ever(kit: Kit) -> None:
    taken = kit.journal.append

    def all_but_the_verdict(injection: str, *happened: Event) -> None:
        if any(isinstance(one, Judged) for one in happened):
            raise JournalError("disk full")
        taken(injection, *happened)

    kit.journal.append = all_but_the_verdict
    with pytest.raises(JournalError):
        kit.control.run(request())
    kit.journal.append = taken
    assert len(kit.journal.running()) == 1
    assert kit.control.retry_failed() == 0
    assert kit.journal.running() == ()


def test_trying_again_tries_each_once(kit: Kit) -> None:
    """A failed undo may have waited for minutes: a second time at once would only do harm."""
    found = kit.control.run(request(broken="revert"))
    assert found.failures == reverter.ATTEMPTS
    assert kit.control.retry_failed() == 1
    again = kit.journal.injection(found.plan.injection)
    assert again.failures == 2 * reverter.ATTEMPTS


def test_an_undo_that_takes_its_time_holds_up_no_other(
    kit: Kit, slow: tuple[threading.Event, threading.Event]
) -> None:
    begun, on = slow
    on.set()
    leave(kit, "slow")
    leave(kit, "quick")
    begun.clear()
    on.clear()
    reverting = aside(lambda: kit.reverter.revert("slow"))
    assert begun.wait(WAIT_S)
    kit.reverter._faults = {engine_kit.Darken.name: engine_kit.Darken}
    done: list[Injection] = []
    other = aside(lambda: done.append(kit.reverter.revert("quick")))
    other.join(WAIT_S)
    assert [found.outstanding for found in done] == [False]
    on.set()
    reverting.join(WAIT_S)
    assert kit.journal.outstanding() == ()


class Outsiders:
    """A halt file and a lever, turned by hand."""

    def __init__(self) -> None:
        self.file: str | None = None
        self.lever: Any = None

    def halted(self) -> str | None:
        return self.file

    def levers(self) -> dict[str, Any]:
        return {"lever": self.lever}


def test_resuming_needs_a_reason_that_is_kept(kit: Kit) -> None:
    kit.control.halt("lunch")
    with pytest.raises(UsageError, match="a reason is needed"):
        kit.control.resume("  ")
    assert kit.control.halted == "lunch"
    kit.control.resume("fed")
    assert kit.control.halted is None
    assert kit.store.noted("resumed") == "fed"


def test_nobody_resumes_what_others_hold(kit: Kit) -> None:
    others = Outsiders()
    kit.control.adopt(Regime(kit.injector, others))  # type: ignore[arg-type]
    kit.control.halt("lunch")
    for attribute, said, rule in (
        ("file", "auditors, in the halt file /x", "halted"),
        ("lever", "engaged: incident", "lever"),
        ("lever", Unanswered("no route"), "lever"),
    ):
        setattr(others, attribute, said)
        with pytest.raises(RefusedError) as refused:
            kit.control.resume("fed")
        assert refused.value.rule == rule
        setattr(others, attribute, None)
        assert kit.control.halted == "lunch"
    others.file = "auditors"
    kit.control._journal.note("halt", None)
    assert kit.control.halted == "auditors"


def test_a_halt_that_cannot_be_kept_stops_what_runs_all_the_same(kit: Kit) -> None:
    def full(_name: str, _body: object) -> None:
        raise JournalError("disk full")

    def halt() -> None:
        kit.journal.note = full
        with pytest.raises(JournalError):
            kit.control.halt("enough")

    kit.world.clock.at(1, halt)
    found = kit.control.run(request(duration_s=60))
    assert found.judgement is not None
    assert found.judgement.verdict is Verdict.ABORTED
    assert kit.lamp is not None
    assert kit.lamp.light == "good"
    kit.journal.note = kit.store.note  # there is room again
    assert kit.control.halted == "enough"
    with pytest.raises(RefusedError, match="enough") as refused:
        kit.control.run(request())
    assert refused.value.rule == "halted"
    kit.control.resume("there is room")
    assert kit.control.run(request()).judgement is not None


def test_a_halt_that_the_journal_does_not_take_is_written_to_the_halt_file(kit: Kit, tmp_path: Path) -> None:
    def full(_name: str, _body: object) -> None:
        raise JournalError("disk full")

    state = StateDirectory(tmp_path)
    kit.control._halt_by_file = state.halt
    kit.journal.note = full
    kit.control.halt("enough")
    kit.control.halt("more than enough")
    assert (tmp_path / "HALT").read_text() == "enough"
    assert stat.S_IMODE((tmp_path / "HALT").stat().st_mode) == 0o600


def test_what_is_under_way_ends_under_its_own_regime_and_the_next_runs_under_the_new(kit: Kit) -> None:
    strict = Injector(replace(kit.parts, settings=replace(kit.settings, targets={})))
    kit.world.clock.at(1, lambda: kit.control.adopt(Regime(strict)))
    assert kit.control.run(request()).judgement is not None
    with pytest.raises(UsageError, match="unknown target"):
        kit.control.run(request())
    assert strict._admission is kit.injector._admission, "the guard admits one at a time, whatever its rules"
