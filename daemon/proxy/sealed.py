"""Pushes that cannot be read: https and ssh. What decides is who speaks how much, and silence; that may be wrong.

The client speaks in turns. In its greeting (handshake, login) no git is spoken. A turn after that which is long
enough is taken for a push: what the remote answers is held back while a cut waits for the right moment. What is
shorter than any report is a window of ssh or HTTP/2, and passes. The client goes on speaking: that was no answer
to a push but windows, and it passes; the turn goes on, for the end of a push may be short. The answer is longer
than any report: a fetch's, and passes. Both are silent: so little
goes on that no report is whole in it, but a window is, and a client that waited for one speaks. Silence after
that is the end of a push. A remote that is silent for longer before its report is cut off too early: silence is
longer the more was pushed.
"""

from dataclasses import dataclass

from daemon.core.proxying import CUT_AFTER, CUT_BEFORE, Rule
from daemon.proxy.cuts import BY_BURST, BY_QUIET, QUIET_S, CutError, Dice
from daemon.proxy.rules import Strike

# A window takes 36 to 52 bytes. The shortest report takes 84, and 36 and 88 that end it may be read apart from it.
ANSWER_LEAST, ANSWER_MOST = 53, 64 * 1024
WINDOW_MOST = 64
UNPACKS = 4e6  # bytes a second: so fast a remote reads a pack at least


@dataclass(frozen=True, slots=True)
class Manner:
    """How a protocol speaks: the client's turns in the greeting, and bytes in one turn that are taken for a push.

    Measured with OpenSSH 9.2 (Ed25519 keys), curl with TLS 1.3 and git 2.39 (docs/transport-faults.md); a rule may
    say otherwise (``greeting``, ``burst``).
    """

    greeting: int
    burst: int

    def under(self, rule: Rule) -> "Manner":
        greeting, burst = (int(rule.parameters.get(name, 0)) for name in ("greeting", "burst"))
        return Manner(greeting or self.greeting, burst or self.burst)


SSH, TLS, OTHER = Manner(7, 420), Manner(1, 440), Manner(0, 420)


class Sealed:
    """One encrypted connection."""

    def __init__(self, dice: Dice, name: str, manner: Manner) -> None:
        self._dice, self._name, self._manner = dice, name, manner
        self._turns, self._volume, self._quiet_s = 0, 0, QUIET_S
        self._said = 0  # by the client in this turn
        self._answering = True  # the remote spoke last, or nobody has yet
        self._answered = True  # it said more than windows, and the client has got it
        self._fates: dict[str, Strike | None] = {}
        self._held = b""
        self._tried = False  # whether a part of it has gone on, for the case that it was a window
        self._long = False  # this answer was too long for a push

    @property
    def patience_s(self) -> float | None:
        if not (self._held or self._tried):
            return None
        return (self._quiet_s + self._volume / UNPACKS) / 2  # two silences decide

    def up(self, data: bytes) -> bytes:
        if self._answering:
            self._answering, self._long, self._tried = False, False, False
            if self._answered or not self._pushing(CUT_AFTER):
                self._turns += 1
                self._said = 0
            self._answered = False
        self._said += len(data)
        self._volume += len(data)
        rule = self._pushing(CUT_BEFORE)
        strike = self._decide(rule) if rule else None
        if strike is not None:
            raise CutError(strike, BY_BURST)
        return data

    def down(self, data: bytes) -> bytes:
        self._answering = True
        if self._long or not self._pushing(CUT_AFTER) or (not self._held and len(data) < ANSWER_LEAST):
            let = self.give_up()[1] + data if self._held else data
            self._answered = self._answered or len(let) >= ANSWER_LEAST
            return let
        self._held += data
        if len(self._held) <= ANSWER_MOST:
            return b""
        self._answered = self._long = True
        return self.give_up()[1]

    def quiet(self, *, ended: bool) -> tuple[bytes, bytes]:
        if self._held and not self._tried and not ended:
            self._tried = True
            let, self._held = self._held[:WINDOW_MOST], self._held[WINDOW_MOST:]
            return b"", let
        rule = self._dice.standing(CUT_AFTER) if self._held or self._tried else None
        strike = self._decide(rule) if rule else None
        if strike is not None:
            raise CutError(strike, BY_QUIET)
        self._answered = self._answered or bool(self._held or self._tried)
        return self.give_up()

    def give_up(self) -> tuple[bytes, bytes]:
        let, self._held, self._tried = self._held, b"", False
        return b"", let

    def _pushing(self, effect: str) -> Rule | None:
        """Return the rule of that effect under which this turn of the client's is taken for a push."""
        rule = self._dice.standing(effect)
        if rule is None:
            return None
        manner = self._manner.under(rule)
        self._quiet_s = float(rule.parameters.get("quiet_s", QUIET_S))
        return rule if self._turns > manner.greeting and self._said >= manner.burst else None

    def _decide(self, rule: Rule) -> Strike | None:
        """Ask once for the whole connection: which of its turns are pushes nobody knows."""
        if rule.injection not in self._fates:
            self._fates[rule.injection] = self._dice.of(rule, self._name)
        return self._fates[rule.injection]
