"""Delivers one thing after the other to one destination, on a thread of its own: bounded in number, time and tries.

Whoever hands something over returns at once: nothing that is told may delay what it tells of, least of all an undo.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)
from tenacity.nap import sleep_using_event

T = TypeVar("T")
RETRY_AFTER_MAX_S = 60.0


class Outcome(StrEnum):
    """What became of one thing."""

    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"


class UndeliveredError(Exception):
    """Was not taken, and why, without a secret; ``again``: another try may help, not before ``after_s``."""

    def __init__(self, why: str, *, again: bool, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.again = again
        self.after_s = min(after_s, RETRY_AFTER_MAX_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patient it is: ``tries`` in all, random pauses of up to ``first_s``, doubling up to ``longest_s``."""

    tries: int = 6
    first_s: float = 1.0
    longest_s: float = 60.0
    waiting: int = 100


class Courier(Generic[T]):
    """Calls ``deliver``, which raises UndeliveredError, for each thing in turn; ``told`` learns how each ended.

    ``start`` once; ``take`` from any thread; then ``end`` and ``wait``.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[T], None],
        *,
        told: Callable[[str, Outcome, T, str], None],
        pace: Pace | None = None,
    ) -> None:
        self.name = name
        self._deliver = deliver
        self._told = told
        self._pace = pace or Pace()
        self._waiting: deque[T] = deque()
        self._door = threading.Condition()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"courier {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Tell whether its thread runs."""
        return self._thread.is_alive()

    def take(self, thing: T) -> None:
        """Accept one thing, or drop it when as many wait as may; never waits."""
        with self._door:
            room = len(self._waiting) < self._pace.waiting and not self._ending.is_set()
            if room:
                self._waiting.append(thing)
                self._door.notify()
        if not room:
            self._told(self.name, Outcome.DROPPED, thing, "too many are waiting")

    def end(self) -> None:
        """Take nothing more, pause no more: what waits has one try each."""
        with self._door:
            self._ending.set()
            self._door.notify()

    def wait(self, within_s: float) -> bool:
        """Wait for what is left after ``end``, then drop it; tell whether all was tried."""
        self._thread.join(within_s)
        with self._door:
            left = tuple(self._waiting)
            self._waiting.clear()
        for thing in left:
            self._told(self.name, Outcome.DROPPED, thing, "chaosd ended")
        return not self.alive

    def _work(self) -> None:
        while True:
            with self._door:
                while not self._waiting and not self._ending.is_set():
                    self._door.wait()
                if not self._waiting:
                    return
                thing = self._waiting.popleft()
            self._try(thing)

    def _try(self, thing: T) -> None:
        patience = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, UndeliveredError) and error.again),
            stop=stop_any(stop_after_attempt(self._pace.tries), stop_when_event_set(self._ending)),
            wait=self._pause_s,
            sleep=sleep_using_event(self._ending),
            reraise=True,
        )
        try:
            patience(self._deliver, thing)
        except UndeliveredError as error:
            self._told(self.name, Outcome.FAILED, thing, str(error))
        except Exception as error:  # noqa: BLE001  the next one must be told all the same
            self._told(self.name, Outcome.FAILED, thing, type(error).__name__)  # its text may hold a token
        else:
            self._told(self.name, Outcome.DELIVERED, thing, "")

    def _pause_s(self, state: RetryCallState) -> float:
        """Return a random pause of up to the doubled last one (full jitter), or what the destination asked for."""
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.after_s if isinstance(error, UndeliveredError) else 0.0
        drawn_s = wait_random_exponential(multiplier=self._pace.first_s, max=self._pace.longest_s)(state)
        return max(asked_s, drawn_s)
