"""Signals wake whoever waits for them, also when another thread took them."""

import os
import signal
import threading

import pytest

from daemon.ports.signals import Signals


@pytest.fixture(autouse=True)
def handler() -> object:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_is_returned_in_its_turn_and_waiting_is_bounded() -> None:
    with Signals((signal.SIGUSR1,)) as signals:
        assert signals.wait(0) is None
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signals.wait(10) == signal.SIGUSR1
        assert signals.wait(0) is None


def test_a_signal_that_another_thread_takes_wakes_the_main_thread() -> None:
    asleep, over = threading.Event(), threading.Event()

    def take_it() -> None:
        asleep.wait(10)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        over.wait(20)

    thread = threading.Thread(target=take_it)
    with Signals((signal.SIGUSR1,)) as signals:
        thread.start()
        asleep.set()
        assert signals.wait(10) == signal.SIGUSR1
    over.set()
    thread.join()
