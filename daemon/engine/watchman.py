"""The daemon's side of its guardian: no fault is injected before the guardian has confirmed that it knows of it."""

import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Protocol

from daemon.core.errors import RefusedError
from daemon.core.events import Event, Injected, Planned, Reverted, RevertFailed, Settled
from daemon.core.model import Deadline, Undo
from daemon.engine import guardian
from daemon.ports import guardian as port
from daemon.ports.clock import boot_s

RULE = "guardian"
MARGIN_S = 2.0  # between the time a fault is to last and the deadline after which the guardian takes it back
ANSWER_S = 5.0


class Watchman(Protocol):
    """Who makes sure that a fault ends with the daemon, and in time."""

    def ready(self) -> None:
        """Make sure that somebody is on watch; raises RefusedError when nobody is."""
        ...

    def deadline(self, undo: Undo, duration_s: float, now_wall_s: float) -> Deadline:
        """Return when taking back a fault injected now must have begun."""
        ...

    def arm(self, injection: str) -> None:
        """Hand a planned fault over before it is injected; raises RefusedError when nobody took it."""
        ...

    def __call__(self, injection: str, event: Event) -> None:
        """Listen to what happens: what is taken back needs no watching."""
        ...

    def environment(self, values: Mapping[str, str]) -> None:
        """Let a reverter have these environment variables besides this process's own."""
        ...

    def close(self) -> None:
        """End in good order: what was tried and failed is left to the next start; idempotent."""
        ...


class OnWatch:
    """The watchman that has a guardian process. Thread-safe; starts a new one when it died."""

    def __init__(self, directory: Path, *, speaks_json: bool = False) -> None:
        self._post = guardian.Post(directory=directory, speaks_json=speaks_json)
        self._lock = Lock()
        self._planned: dict[str, str] = {}
        self._armed: dict[str, list[str]] = {}
        self._environment: dict[str, str] = {}
        self._wire = self._start()
        self.restarts = 0

    @property
    def pid(self) -> int:
        """Return the guardian's pid."""
        return self._wire.pid

    def environment(self, values: Mapping[str, str]) -> None:
        with self._lock:
            self._environment.update(values)
            for name, value in values.items():
                self._try(f"env {name} {value}")

    def ready(self) -> None:
        with self._lock:
            if self._wire.broken():
                self._replace()

    def deadline(self, undo: Undo, duration_s: float, now_wall_s: float) -> Deadline:
        lasts_s = duration_s + undo.takes_s + MARGIN_S
        return Deadline(boot_s() + lasts_s, now_wall_s + lasts_s)

    def arm(self, injection: str) -> None:
        with self._lock:
            order = self._planned.pop(injection)
            if self._wire.broken():
                self._replace()
            self._wire.forget_answers()
            try:
                self._wire.send(order)
                answered = self._wire.acknowledged(ANSWER_S)
            except OSError as error:
                self._wire.end()
                raise _nobody(str(error)) from error
            if not answered:
                self._wire.end()  # else it would one day answer for a fault that never was
                raise _nobody(f"it did not answer within {ANSWER_S:g} s")
            self._armed[injection] = [order]

    def __call__(self, injection: str, event: Event) -> None:
        with self._lock:
            match event:
                case Planned(undo=undo, deadline=due) if due is not None:
                    self._planned[injection] = f"arm {injection} {due.boot_s:.3f} {undo.wait_s:.3f}"
                case Injected() if injection in self._armed:
                    self._tell(injection, f"struck {injection}")
                case RevertFailed() if injection in self._armed:
                    self._tell(injection, f"hold {injection}")
                case Reverted() | Settled():
                    self._planned.pop(injection, None)
                    if self._armed.pop(injection, None):
                        self._try(f"disarm {injection}")
                case _:
                    pass

    def close(self) -> None:
        with self._lock:
            self._wire.dismiss()

    def _tell(self, injection: str, order: str) -> None:
        self._armed[injection].append(order)
        self._try(order)

    def _try(self, order: str) -> None:
        """Send what the guardian can do without: a fault is never the longer for it."""
        try:
            self._wire.send(order)
        except OSError:
            self._replace()

    def _replace(self) -> None:
        """Put a new guardian in the place of one that is gone or deaf, and tell it all that the old one knew."""
        self._wire.end()
        self.restarts += 1
        self._wire = self._start()
        known = (f"env {name} {value}" for name, value in self._environment.items())
        try:
            for order in (*known, *(order for orders in self._armed.values() for order in orders)):
                self._wire.send(order)
            answered = all(self._wire.acknowledged(ANSWER_S) for _ in self._armed)
        except OSError as error:
            raise _nobody(str(error)) from error
        if not answered:
            raise _nobody(f"a new one did not answer within {ANSWER_S:g} s")

    def _start(self) -> port.Wire:
        voice = "json" if self._post.speaks_json else "text"
        words = (*port.interpreter(guardian.__name__), os.fspath(self._post.directory), voice)
        try:
            return port.start(lambda den: guardian.Guardian(self._post, den).run(), words)
        except OSError as error:
            raise _nobody(error.strerror or str(error)) from error


class Nobody:
    """The watchman of commands that do not inject: refuses."""

    def ready(self) -> None:
        raise _nobody("none was started")

    def deadline(self, undo: Undo, duration_s: float, now_wall_s: float) -> Deadline:  # noqa: ARG002  nobody asks
        return Deadline(0.0, now_wall_s)

    def arm(self, injection: str) -> None:  # noqa: ARG002
        raise _nobody("none was started")

    def __call__(self, injection: str, event: Event) -> None:
        """Nothing is watched."""

    def environment(self, values: Mapping[str, str]) -> None:
        """Nobody reverts."""

    def close(self) -> None:
        """Nobody is to be dismissed."""


def _nobody(why: str) -> RefusedError:
    return RefusedError(
        f"not injecting: there is no guardian to take the fault back should this process end: {why}",
        rule=RULE,
        hint="see whether the system lets chaosd start processes, then try again",
    )
