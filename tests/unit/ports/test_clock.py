"""The real clock and the fake one keep the same contract."""

import threading
from datetime import timedelta

import pytest

from daemon.core.seams import Clock
from daemon.ports.clock import SystemClock
from tests.fakes import FakeClock, Switch


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()])
def test_waiting_takes_the_time_asked_and_tells_the_flag(clock: Clock) -> None:
    before = clock.instant().mono_s
    assert clock.wait(None, 0.02) is False
    assert clock.wait(threading.Event(), 0.02) is False
    passed = clock.instant().mono_s - before
    assert passed >= 0.039
    done = threading.Event()
    done.set()
    assert clock.wait(done, 60) is True
    assert clock.instant().mono_s - before < passed + 30
    assert clock.wait(None, -1) is False


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()])
def test_now_is_utc_and_agrees_with_the_instant(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)
    assert abs(clock.now().timestamp() - clock.instant().wall_s) < 5


def test_a_flag_set_meanwhile_ends_the_fake_wait_at_that_moment() -> None:
    clock, flag = FakeClock(), Switch()
    clock.at(3, flag.set)
    clock.at(5, lambda: pytest.fail("too late"))
    assert clock.wait(flag, 10) is True
    assert clock.elapsed_s == 3
