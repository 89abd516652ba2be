"""When a connection of a relay is to be cut: just before its remote has moved a ref, or just after.

In git:// and http:// that is read from the bytes (``plain``). What is encrypted (https, ssh) can only be judged
by who speaks how much, and when both are quiet (``sealed``). Each cut says how it was decided (``BY_*``), so
that nobody takes a guess for a sight.
"""

from dataclasses import dataclass
from typing import Protocol

from daemon.core.proxying import Rule
from daemon.proxy.rules import RuleBook, Strike

BY_PACK = "pack"  # the pack had begun and went on in part
BY_COMMANDS = "commands"  # a push that only deletes: its commands were held back
BY_REPORT = "report"  # the remote's own word that a ref has moved
BY_BURST = "burst"  # encrypted: the client said much at once
BY_QUIET = "quiet"  # encrypted: the client said much, the remote little, then both were silent

QUIET_S = 1.0  # of both sides: nobody is about to say more


class CutError(Exception):
    """Cut this connection now; ``first`` goes to the remote before that."""

    def __init__(self, strike: Strike, how: str, *, first: bytes = b"") -> None:
        super().__init__(how)
        self.strike, self.how, self.first = strike, how, first


@dataclass(frozen=True, slots=True)
class Dice:
    """Asks the book for one lane."""

    book: RuleBook
    lane: str

    def standing(self, effect: str) -> Rule | None:
        """Return the first rule of that effect in force; counts nothing."""
        return next((r for r in self.book.standing(self.lane) if r.effect == effect), None)

    def hit(self, effect: str, call: str) -> Strike | None:
        """Decide on a push, once for each effect; it counts as hit once it is cut."""
        return self.book.hit(self.lane, call=call, applies=lambda rule: rule.effect == effect)

    def of(self, rule: Rule, call: str) -> Strike | None:
        """Decide under that rule alone; a connection counts as hit at once, a push once it is cut."""
        return self.book.hit(self.lane, call=call, applies=lambda one: one.injection == rule.injection)


class Reading(Protocol):
    """How one connection is read. Each verb returns what may go on in that direction and raises CutError.

    ``patience_s``: silence for so long means something (``quiet``); None: it does not.
    """

    @property
    def patience_s(self) -> float | None: ...
    def up(self, data: bytes) -> bytes: ...
    def down(self, data: bytes) -> bytes: ...
    def quiet(self, *, ended: bool) -> tuple[bytes, bytes]:
        """Return what is let go of, up and down, after a silence, or when one side has said all."""
        ...

    def give_up(self) -> tuple[bytes, bytes]:
        """Return all that is held back, up and down, and hold it no more."""
        ...


class Unread:
    """Lets everything pass."""

    @property
    def patience_s(self) -> float | None:
        return None

    def up(self, data: bytes) -> bytes:
        return data

    def down(self, data: bytes) -> bytes:
        return data

    def quiet(self, *, ended: bool) -> tuple[bytes, bytes]:  # noqa: ARG002
        return b"", b""

    def give_up(self) -> tuple[bytes, bytes]:
        return b"", b""


UNREAD: Reading = Unread()
