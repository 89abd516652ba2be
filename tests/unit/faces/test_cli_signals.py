"""Signals: noted, or breaking off once, and never swallowed by who takes an error for an answer."""

import os
import signal
from contextlib import suppress

import pytest

from daemon.faces.cli.signals import SignalError, interruptible, noted


@pytest.fixture(autouse=True)
def _handlers_are_put_back() -> object:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_noted_signal_only_takes_note() -> None:
    with noted() as caught:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert caught.reason == "SIGTERM received"
    assert caught.exit_code(0) == 143


def test_without_a_signal_everything_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with noted() as caught:
        pass
    assert (caught.reason, caught.exit_code(3), signal.getsignal(signal.SIGINT)) == ("", 3, before)


def test_nohup_is_respected_and_a_background_shell_is_not() -> None:
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    with noted() as caught:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGINT)
    assert caught.numbers == [signal.SIGINT]


def test_the_first_signal_breaks_off_and_the_second_does_not_disturb_the_cleaning_up() -> None:
    cleaned = []

    def broken_off() -> None:
        with interruptible():
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                cleaned.append("all")

    with pytest.raises(SignalError) as broken:
        broken_off()
    assert (cleaned, broken.value.exit_code) == (["all"], 130)


def test_nobody_takes_it_for_an_answer() -> None:
    with pytest.raises(SignalError), interruptible(), suppress(Exception):
        os.kill(os.getpid(), signal.SIGINT)


def test_disarmed_it_waits_until_it_is_armed_again() -> None:
    with interruptible() as fuse:
        fuse.armed = False
        os.kill(os.getpid(), signal.SIGTERM)
        assert fuse.caught.numbers == [signal.SIGTERM]
        with pytest.raises(SignalError):
            fuse.arm()
