"""The guardian: a process of its own that takes faults back when the daemon is gone, or hangs past a deadline.

It knows only what it was told: which faults are active, and when each must begin to be taken back. All it does
itself is wait; a fresh interpreter (``daemon.faces.rescue``) reverts, under the lease every reverter holds.

docs/decisions/012-guardian.md says why.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from math import inf
from pathlib import Path
from typing import Protocol

from daemon.ports import lease
from daemon.ports.clock import boot_s
from daemon.ports.guardian import interpreter, settled

GRACE_S = 0.5  # past the deadline
HUNG_S = 60.0  # how long a daemon that is late, but not stopped, may still be at it
LIFE_S = 2.0
LOOK_S = 0.1
ATTEMPTS = 12
PAUSE_S, PAUSE_MOST_S = 0.5, 300.0  # 18 minutes in all: an outage of what must be asked may be part of the fault
NOT_RECORDED = 75  # the reverter's exit code when the world is whole and the journal does not take the event
NOT_STARTED = 71
RESCUE = "daemon.faces.rescue"
ENDED, HUNG = "ended", "hung"


class Act(Enum):
    """What is to be done about one fault now."""

    NOTHING = auto()
    REVERT = auto()
    KILL = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One fault the guardian answers for. ``due_s`` is on the boot clock; ``patience_s`` a revert's own time.

    ``struck``: injecting has returned, so the daemon will do nothing more to the victim but take it back.
    """

    injection: str
    due_s: float
    patience_s: float
    struck: bool = False


@dataclass(slots=True)
class Book:
    """What the guardian was told so far. Pure: orders in, charges out."""

    charges: dict[str, Charge] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def take(self, order: str) -> bool:
        """Take one order into account; True when it wants an answer. One that makes no sense is passed over."""
        word, *rest = order.split(" ", 3)
        match word, rest:
            case "arm", [injection, due_s, patience_s]:
                self.charges[injection] = Charge(
                    injection=injection, due_s=float(due_s), patience_s=float(patience_s)
                )
                return True
            case "struck", [injection] if injection in self.charges:
                self.charges[injection] = replace(self.charges[injection], struck=True)
            case "hold", [injection] if injection in self.charges:
                self.charges[injection] = replace(self.charges[injection], due_s=inf)
            case "disarm", [injection]:
                self.charges.pop(injection, None)
            case "env", [name, value]:
                self.environment[name] = value
            case "bye", []:
                # It tried, failed, said so and ends in good order: whoever starts it next goes on.
                self.charges = {k: c for k, c in self.charges.items() if c.due_s != inf}
            case _:
                pass
        return False

    def next_s(self) -> float:
        """Return when the next charge is due, on the boot clock."""
        return min((c.due_s + GRACE_S for c in self.charges.values()), default=inf)


def decide(charge: Charge, *, now_s: float, stopped: bool, lease_free: bool) -> Act:
    """Say what to do about a fault while the daemon lives.

    One that may still be injecting, or is in the middle of reverting, must not wake up beside a second reverter: it
    is killed first, at once when it is stopped, after ``HUNG_S`` and the revert's own time when it only is late.
    """
    late_s = now_s - charge.due_s
    if late_s < GRACE_S:
        return Act.NOTHING
    if charge.struck and lease_free:
        return Act.REVERT
    if stopped or late_s >= HUNG_S + charge.patience_s:
        return Act.KILL
    return Act.NOTHING


class Hands(Protocol):
    """What the guardian can do; ``ports.guardian.Den`` is the real one."""

    def lines(self, within_s: float | None) -> list[str] | None: ...
    def acknowledge(self) -> None: ...
    def stopped(self) -> bool: ...
    def kill(self) -> None: ...
    def pause(self, seconds: float) -> None: ...
    def spawn(self, words: Sequence[str], environment: Mapping[str, str]) -> int: ...
    def ended(self, pid: int) -> int | None: ...
    def end(self, pid: int) -> None: ...
    def say(self, text: str) -> None: ...
    def let_readers_go(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where a guardian stands. ``speaks_json``: what it says goes to a log that programs read."""

    directory: Path
    speaks_json: bool
    now_s: Callable[[], float] = boot_s
    lease_free: Callable[[Path, str], bool] = lease.free


@dataclass(slots=True)
class _Try:
    pid: int
    injections: tuple[str, ...]
    until_s: float


class Guardian:
    """The guardian's life: ``run`` returns its exit code, 4 when it had to give something up."""

    def __init__(self, post: Post, hands: Hands) -> None:
        self._post, self._hands = post, hands
        self._book = Book()
        self._try: _Try | None = None
        self._failures = 0
        self._not_before_s = -inf
        self._daemon_lives = True
        self._gave_up = False

    def run(self) -> int:
        """Wait for orders and deadlines until the daemon is gone and nothing is left to take back."""
        while self._daemon_lives or self._book.charges:
            self._listen()
            self._look_after_reverter()
            if self._try is None and self._post.now_s() >= self._not_before_s:
                self._act()
        return 4 if self._gave_up else 0

    def _listen(self) -> None:
        if not self._daemon_lives:
            self._hands.pause(LOOK_S if self._try else max(0.0, self._not_before_s - self._post.now_s()))
            return
        found = self._hands.lines(self._idle_s())
        if found is None:
            self._daemon_lives, self._not_before_s = False, -inf
            return
        for order in found:
            if self._book.take(order):
                self._hands.acknowledge()
            elif order.startswith("struck "):
                # A sign of life: a daemon whose injecting took long is about to take it back itself.
                self._not_before_s = max(self._not_before_s, self._post.now_s() + LIFE_S)

    def _idle_s(self) -> float | None:
        """Return how long only an order can change anything; None for ever."""
        if self._try is not None:
            return LOOK_S
        wake_s = max(self._book.next_s(), self._not_before_s)
        return None if wake_s == inf else max(LOOK_S, wake_s - self._post.now_s())

    def _act(self) -> None:
        if not self._daemon_lives:
            if self._book.charges:
                self._revert(tuple(reversed(self._book.charges)), ENDED)
            return
        stopped = None
        for charge in tuple(self._book.charges.values()):
            if self._post.now_s() - charge.due_s < GRACE_S:
                continue
            stopped = self._hands.stopped() if stopped is None else stopped
            free = self._post.lease_free(self._post.directory, charge.injection)
            match decide(charge, now_s=self._post.now_s(), stopped=stopped, lease_free=free):
                case Act.REVERT:
                    self._revert((charge.injection,), HUNG)
                    return
                case Act.KILL:
                    self._kill(charge.injection)
                    return
                case Act.NOTHING:
                    pass

    def _revert(self, injections: tuple[str, ...], why: str) -> None:
        voice = "json" if self._post.speaks_json else "text"
        words = (*interpreter(RESCUE), str(self._post.directory), why, voice, *injections)
        patience_s = sum(self._book.charges[i].patience_s for i in injections)
        until_s = self._post.now_s() + HUNG_S + patience_s
        try:
            pid = self._hands.spawn(words, self._book.environment)
        except OSError as error:  # no room for a process now: whoever watches must not fall with it
            self._say("guardian.no_reverter", f"no reverter could be started: {error.strerror}", *injections)
            self._failed(_Try(0, injections, until_s), NOT_STARTED)
            return
        self._try = _Try(pid, injections, until_s)

    def _kill(self, injection: str) -> None:
        self._say(
            "guardian.killed_daemon",
            "the daemon hangs past the deadline: killed, so that it can be undone",
            injection,
        )
        self._hands.kill()
        self._not_before_s = self._post.now_s() + HUNG_S  # its end shows at the end of the orders, at once

    def _look_after_reverter(self) -> None:
        current = self._try
        if current is None:
            return
        code = self._hands.ended(current.pid)
        if code is None and self._post.now_s() >= current.until_s:
            self._hands.end(current.pid)
            code = -9
        if code is None:
            return
        self._try = None
        if code == 0:
            self._failures = 0
            for injection in current.injections:
                self._book.charges.pop(injection, None)
            return
        self._failed(current, code)

    def _failed(self, tried: _Try, code: int) -> None:
        self._failures += 1
        first = tried.injections[0]
        last = self._failures >= ATTEMPTS
        if code == NOT_RECORDED and self._daemon_lives and (last or self._hands.stopped()):
            self._kill(first)  # only its death makes it let go of the journal
            return
        if not last:
            if not self._daemon_lives and self._failures == 1:
                text = "not finished yet: goes on trying in the background"
                self._say("guardian.keeps_trying", text, *tried.injections)
                self._hands.let_readers_go()
            pause_s = min(PAUSE_MOST_S, PAUSE_S * 2**self._failures)
            self._not_before_s = self._post.now_s() + pause_s
            return
        self._say(
            "guardian.gave_up", f"not taken back after {ATTEMPTS} attempts; run `chaosd recover`", *tried.injections
        )
        self._gave_up, self._failures = True, 0
        for injection in tried.injections:
            if self._daemon_lives:
                self._book.take(f"hold {injection}")
            else:
                self._book.charges.pop(injection, None)

    def _say(self, event: str, text: str, *injections: str) -> None:
        if self._post.speaks_json:
            facts = {"event": event, "level": "error", "injections": injections, "detail": text}
            self._hands.say(json.dumps(facts))
        else:
            self._hands.say(f"chaosd: guardian: {', '.join(injections)}: {text}")


def main(words: Sequence[str]) -> int:
    """Be a guardian in an interpreter of its own: DIRECTORY VOICE, then the two ends and the daemon's pid."""
    directory, voice, orders, answers, parent = words
    den = settled(int(orders), int(answers), int(parent))
    return Guardian(Post(directory=Path(directory), speaks_json=voice == "json"), den).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
