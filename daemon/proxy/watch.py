"""Reads one connection of a relay by the protocol that its first bytes tell."""

import re
from collections.abc import Callable

from daemon.proxy.cuts import QUIET_S, UNREAD, CutError, Dice, Reading
from daemon.proxy.gitwire import NotUnderstoodError
from daemon.proxy.plain import PlainGit, PlainHttp
from daemon.proxy.sealed import OTHER, SSH, TLS, Sealed

_KNOWN_AFTER = 8  # bytes
_GIT = re.compile(rb"[0-9a-f]{4}git-")
_HTTP = re.compile(rb"[A-Z]{3,7} /")
_TLS, _SSH = b"\x16\x03", b"SSH-"


class Watch:
    """What of the bytes may go on. Every verb raises CutError when the connection is to be cut.

    ``names`` gives each push a name of its own.
    """

    def __init__(self, dice: Dice, names: Callable[[], str]) -> None:
        self._dice, self._names = dice, names
        self._first = b""
        self._reading: Reading | None = None
        self._left = b""  # was on its way up when the reading was given up

    @property
    def patience_s(self) -> float | None:
        """After how long a silence ``quiet`` is to be asked; None: not at all."""
        return QUIET_S if self._left else self._reading.patience_s if self._reading else None

    def up(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what goes on to the remote of what the client said, and what goes back to the client now."""
        if self._reading is None:
            self._first += data
            if len(self._first) >= _KNOWN_AFTER:
                self._reading = self._choose(self._first)
                read, self._first = self._first, b""
                return self._up(self._reading, read, len(read) - len(data))
            return data, b""
        return self._up(self._reading, data, 0)

    def _up(self, reading: Reading, data: bytes, passed: int) -> tuple[bytes, bytes]:
        """Read on; ``passed`` bytes of it have gone on already."""
        # What it says now shows that what was held back of an encrypted answer was not the end.
        loose = reading.give_up()[1] if isinstance(reading, Sealed) else b""
        left, self._left = self._left, b""
        try:
            return left + reading.up(data)[passed:], loose
        except CutError as cut:
            cut.first = cut.first[passed:]
            raise
        except NotUnderstoodError:
            held, back = self._give_up(reading)
            return left + held + data[passed:], loose + back

    def down(self, data: bytes) -> bytes:
        """Return what goes on to the client of what the remote said."""
        if self._reading is None:
            return data
        try:
            return self._reading.down(data)
        except NotUnderstoodError:
            self._left, back = self._give_up(self._reading)
            return back + data

    def quiet(self, *, ended: bool) -> tuple[bytes, bytes]:
        """Return what goes on, up and down, now that nobody has said anything for a while, or one has said all."""
        left, self._left = self._left, b""
        up, down = self._reading.quiet(ended=ended) if self._reading else (b"", b"")
        return left + up, down

    def rest(self) -> bytes:
        """Return what of the remote's words is held back still, although it has said all."""
        return self._reading.give_up()[1] if self._reading else b""

    def _give_up(self, reading: Reading) -> tuple[bytes, bytes]:
        self._reading = UNREAD
        return reading.give_up()

    def _choose(self, first: bytes) -> Reading:
        if _GIT.match(first):
            return PlainGit(self._dice, self._names)
        if _HTTP.match(first):
            return PlainHttp(self._dice, self._names)
        manner = TLS if first.startswith(_TLS) else SSH if first.startswith(_SSH) else OTHER
        return Sealed(self._dice, self._names(), manner)
