"""Waiting for real processes: bounded, and a failure says for what."""

import threading
import time  # noqa: TID251 - bounds the waits for real processes
from collections.abc import Callable
from typing import Any


def wait_for(what: str, condition: Callable[[], Any], timeout_s: float = 60.0, pause_s: float = 0.02) -> Any:
    """Wait until ``condition`` returns something true and return that; raises AssertionError when it does not."""
    deadline_s, pause = time.monotonic() + timeout_s, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {what}"
        pause.wait(pause_s)
    return found
