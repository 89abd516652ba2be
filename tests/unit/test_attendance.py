"""Signals, retries and the watchdog's food, on a fake clock."""

import signal
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from daemon import wiring
from daemon.attendance import RETRY_S, Retries, attend
from daemon.core.errors import ConfigError
from daemon.core.events import Planned, Proposed
from daemon.ports.journal import Journal
from daemon.ports.lease import WAIT_S as LEASE_S
from tests.fakes import FakeClock
from tests.integration.test_journal import PLAN, UNDO


@dataclass
class Script:
    """Signals one by one; every wait turns the clock by all it may take."""

    clock: FakeClock
    numbers: list[int | None]
    waited: list[float] = field(default_factory=list)

    def wait(self, timeout_s: float) -> int | None:
        self.waited.append(timeout_s)
        self.clock.advance(timeout_s)
        return self.numbers.pop(0)


@dataclass
class Told:
    watchdog_s: float | None = 20.0
    fed: int = 0

    def alive(self) -> None:
        self.fed += 1


@dataclass
class Daemon:
    calls: list[str] = field(default_factory=list)
    parts: tuple[str, ...] = ()
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.retries = Retries(lambda waited_s: waited_s, lambda: 60.0, self.clock)

    def halt(self, reason: str) -> None:
        self.calls.append(f"halt: {reason}")

    def reload(self) -> Any:
        self.calls.append("reload")
        raise ConfigError("not reloaded")

    def tell(self) -> None:
        pass

    def ailing(self) -> tuple[str, ...]:
        return self.parts

    def stuck(self, parts: tuple[str, ...]) -> None:
        self.calls.append(f"stuck: {parts}")


def attended(
    daemon: Daemon, told: Told, *numbers: int | None, terminals: tuple[bool, bool] = (False, False)
) -> tuple[int, Script]:
    script = Script(daemon.clock, list(numbers))
    began, now = terminals
    found = attend(daemon, script, told, in_terminal=began, has_terminal=lambda: now)  # type: ignore[arg-type]
    return found, script


def test_the_watchdog_is_fed_several_times_in_its_interval_while_all_parts_move() -> None:
    told = Told()
    found, script = attended(Daemon(), told, None, None, None, None, signal.SIGTERM)
    assert found == signal.SIGTERM
    assert told.fed == 4
    assert max(script.waited) <= 5.0


def test_a_part_that_hangs_starves_the_watchdog_and_is_named() -> None:
    told, daemon = Told(), Daemon(parts=("the scheduler does not move",))
    attended(daemon, told, None, None, signal.SIGTERM)
    assert told.fed == 0
    assert daemon.calls == ["stuck: ('the scheduler does not move',)"] * 2


def test_nobody_is_fed_who_does_not_wait_for_it() -> None:
    told = Told(watchdog_s=None)
    attended(Daemon(parts=("x",)), told, None, signal.SIGINT)
    assert told.fed == 0


def test_a_refused_reload_and_a_halt_end_nothing() -> None:
    daemon = Daemon()
    found, _ = attended(daemon, Told(), signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM)
    assert found == signal.SIGTERM
    assert daemon.calls == ["reload", "halt: SIGUSR1 received"]


@pytest.mark.parametrize(("there", "ends"), [((True, False), True), ((True, True), False), ((False, False), False)])
def test_a_hang_up_ends_it_only_when_its_terminal_is_gone(there: tuple[bool, bool], ends: bool) -> None:
    daemon = Daemon()
    found, _ = attended(daemon, Told(), signal.SIGHUP, signal.SIGTERM, terminals=there)
    assert found == (signal.SIGHUP if ends else signal.SIGTERM)
    assert (daemon.calls == []) is ends


def test_an_undo_is_tried_again_in_a_thread_of_its_own_and_may_take_long_but_not_for_ever() -> None:
    clock, over, begun, waited = FakeClock(), threading.Event(), threading.Event(), list[float]()
    most = [7200.0]

    def retry(pause_s: float) -> float:
        waited.append(pause_s)
        begun.set()
        over.wait(10)
        return pause_s * 2

    retries = Retries(retry, lambda: most[0], clock)
    assert retries.poll() == RETRY_S
    clock.advance(RETRY_S)
    retries.poll()
    assert begun.wait(10)
    most[0] = 60.0  # what is outstanding meanwhile does not cut short what has begun
    clock.advance(7199)
    retries.poll()
    assert retries.ailing() == ()
    clock.advance(2)
    assert "undoing has taken 7201 s" in retries.ailing()[0]
    assert waited == [RETRY_S], "one at a time"
    over.set()
    assert retries._thread is not None
    retries._thread.join(10)
    assert retries.poll() == 2 * RETRY_S, "the pause counts from the end of the try"
    assert retries.ailing() == ()


def test_a_try_may_take_as_long_as_the_undo_records_say(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db", clock_s=lambda: 1.0)
    idle_s = wiring.retry_most_s(journal)
    undo = replace(UNDO, wait_s=7200.0, takes_s=30.0)
    journal.append(PLAN.injection, Proposed(plan=PLAN), Planned(at=PLAN.planned_at, undo=undo, boot="b"))
    assert wiring.retry_most_s(journal) == idle_s + 7230
    assert wiring.retry_most_s(journal) == wiring.patience_s(journal) + LEASE_S
    journal.close()
