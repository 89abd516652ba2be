"""What git and HTTP say on the wire, as far as a push can be told by it. Pure.

Readers are fed with bytes as they come, split anywhere, and keep no more than one packet or one head. A push is
pkt-lines of commands up to a flush, then a pack unless it only deletes; the remote answers with a report, in a
side band where both sides can.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

LENGTH = 4  # of a packet's length, in hexadecimal, itself included
HEAD_MOST = 64 * 1024  # of an HTTP request or answer; whoever says more is not understood
END = b"\r\n\r\n"
PACK = b"PACK"
RECEIVE = b"git-receive-pack"
_COMMAND = re.compile(rb"([0-9a-f]{40,64}) ([0-9a-f]{40,64}) ")


class NotUnderstoodError(Exception):
    """The bytes are not what they were taken for: they pass unread from here on."""


class Packets:
    """Cuts a stream into pkt-lines. The two special ones without content, flush and its kin, are None."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Yield the content of each packet that is whole now; raises NotUnderstoodError."""
        self._rest += data
        while len(self._rest) >= LENGTH:
            try:
                length = int(self._rest[:LENGTH], 16)
            except ValueError as error:
                raise NotUnderstoodError from error
            size = max(length, LENGTH)
            if len(self._rest) < size:
                return
            content = bytes(self._rest[LENGTH:size])
            del self._rest[:size]
            yield content if length >= LENGTH else None

    @property
    def waiting(self) -> bool:
        """Whether a packet has begun and is not whole."""
        return bool(self._rest)

    def take_rest(self) -> bytes:
        """Return what is not read yet, and forget it: something else than packets follows."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest


# --- the client's side -------------------------------------------------------------------------------------


class Phase(Enum):
    """How far a push is, seen from the client's bytes."""

    COMMANDS = "commands"
    BETWEEN = "between"  # commands are through; a pack or options of the push follow
    PACK = "pack"
    WITHOUT_PACK = "without pack"  # the commands are through and nothing follows
    NOTHING = "nothing"  # everything was up to date: no command at all


@dataclass(slots=True)
class PushReader:
    """Follows one push. ``seen`` counts the bytes of its pack so far."""

    phase: Phase = Phase.COMMANDS
    seen: int = 0
    _packets: Packets = field(default_factory=Packets)
    _commands: int = 0
    _sends: bool = False

    @property
    def begun(self) -> bool:
        """Whether a command was heard: the remote is asked for a change."""
        return self._commands > 0

    def feed(self, data: bytes) -> None:
        """Read on; raises NotUnderstoodError."""
        if self.phase is Phase.PACK:
            self.seen += len(data)
            return
        if self.phase is Phase.COMMANDS:
            for packet in self._packets.feed(data):
                if packet is None:
                    self._commands_end()
                    data = self._packets.take_rest()
                    break
                self._command(packet)
            else:
                return
        if self.phase is Phase.BETWEEN:
            self._between(data)

    def _command(self, packet: bytes) -> None:
        # Commands of a signed push stand in its certificate, a packet for each line: they look the same there.
        found = _COMMAND.match(packet)
        if found:
            self._commands += 1
            self._sends = self._sends or found[2].strip(b"0") != b""

    def _commands_end(self) -> None:
        if not self._commands:
            self.phase = Phase.NOTHING
        else:
            self.phase = Phase.BETWEEN if self._sends else Phase.WITHOUT_PACK

    def _between(self, data: bytes) -> None:
        ahead = self._packets.take_rest() + data
        if len(ahead) < len(PACK):
            list(self._packets.feed(ahead))  # too short for a packet: kept
        elif ahead.startswith(PACK):
            self.phase, self.seen = Phase.PACK, len(ahead)
        else:
            for packet in self._packets.feed(ahead):
                if packet is None:  # the end of the push's options
                    self._between(b"")
                    return


# --- the remote's side -------------------------------------------------------------------------------------


class Report(Enum):
    """What the remote has said of a push."""

    OPEN = "open"  # nothing that decides yet
    UPDATED = "updated"  # at least one ref has moved
    REFUSED = "refused"  # it is over, and none has


@dataclass(slots=True)
class ReportReader:
    """Finds the remote's report, in a side band or bare. ``begun``: some of it was heard."""

    report: Report = Report.OPEN
    begun: bool = False
    _outer: Packets = field(default_factory=Packets)
    _inner: Packets = field(default_factory=Packets)

    @property
    def holds(self) -> bool:
        """Whether what was read so far has some of the report in it, or may have."""
        return self.begun or self._outer.waiting

    def feed(self, data: bytes) -> None:
        """Read on; raises NotUnderstoodError."""
        for packet in self._outer.feed(data):
            if packet is None:
                self._line(None)
            elif packet[:1] == b"\1":
                self.begun = True
                for line in self._inner.feed(packet[1:]):
                    self._line(line)
            elif packet[:1] not in (b"\2", b"\3"):  # progress and last words of a remote that gives up
                self.begun = True
                self._line(packet)

    def _line(self, line: bytes | None) -> None:
        if self.report is not Report.OPEN:
            return
        if line is None:
            self.report = Report.REFUSED
        elif line.startswith(b"ok "):
            self.report = Report.UPDATED


# --- HTTP ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the fields (names in lower case) of a request or an answer."""

    first: bytes
    fields: dict[bytes, bytes]

    @property
    def pushes(self) -> bool:
        """Whether it is the request that carries a push."""
        method, _, rest = self.first.partition(b" ")
        path = rest.split(b" ")[0].partition(b"?")[0]
        return method == b"POST" and path.endswith(b"/" + RECEIVE)

    @property
    def interim(self) -> bool:
        """Whether it is an answer after which the real one follows, as 100 Continue."""
        return self.first.split(b" ", 2)[1:2] == [b"100"]

    @property
    def reports(self) -> bool:
        """Whether it is the answer to a push that git has read."""
        return self.fields.get(b"content-type", b"").startswith(b"application/x-git-receive-pack-result")


def read_head(raw: bytes) -> Head:
    """Read a head without its empty line; raises NotUnderstoodError."""
    first, *lines = raw.split(b"\r\n")
    fields = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise NotUnderstoodError
        fields[name.strip().lower()] = value.strip()
    return Head(first, fields)


class Mark(Enum):
    """What stands between messages."""

    END = "end"  # of a body


class Messages:
    """Cuts one direction of an HTTP/1 connection into heads and the pieces of their bodies.

    ``until_close``: a body without a length goes on to the end (of an answer); a request without one has none.
    """

    def __init__(self, *, until_close: bool = False) -> None:
        self._until_close = until_close
        self._rest = b""
        self._left: float = 0  # bytes of the body or chunk that are still to come
        self._chunked = False
        self._inside = False

    @property
    def waiting(self) -> bool:
        """Whether a head has begun and is not whole."""
        return bool(self._rest) and not self._inside

    def feed(self, data: bytes) -> Iterator[Head | bytes | Mark]:
        """Yield heads, pieces of bodies, and the end of each body; raises NotUnderstoodError."""
        self._rest += data
        while (found := self._body() if self._inside else self._head()) is not None:
            yield found

    def _head(self) -> Head | None:
        raw, end, rest = self._rest.partition(END)
        if not end:
            if len(raw) > HEAD_MOST:
                raise NotUnderstoodError
            return None
        head, self._rest = read_head(raw), rest
        self._inside = not head.interim
        self._chunked = head.fields.get(b"transfer-encoding", b"").lower() == b"chunked"
        try:
            length = int(head.fields.get(b"content-length", b"-1"))
        except ValueError as error:
            raise NotUnderstoodError from error
        unknown = float("inf") if self._until_close else 0
        self._left = 0 if self._chunked else length if length >= 0 else unknown
        return head

    def _body(self) -> bytes | Mark | None:
        if self._left:
            if not self._rest:
                return None
            size = int(min(self._left, len(self._rest)))
            piece, self._rest = self._rest[:size], self._rest[size:]
            self._left -= size
            return piece
        if self._chunked:
            return self._chunk()
        self._inside = False
        return Mark.END

    def _chunk(self) -> bytes | Mark | None:
        """Read the line that says how long the next chunk is; the end of the chunk before may stand before it."""
        line, end, rest = self._rest.removeprefix(b"\r\n").partition(b"\r\n")
        if not end:
            if len(line) > HEAD_MOST:
                raise NotUnderstoodError
            return None
        try:
            self._left = int(line.partition(b";")[0], 16)
        except ValueError as error:
            raise NotUnderstoodError from error
        if self._left:
            self._rest = rest
            return b""
        if not rest.startswith(b"\r\n"):  # git sends no trailers
            if len(rest) >= len(b"\r\n"):
                raise NotUnderstoodError
            return None
        self._rest, self._inside, self._chunked = rest[2:], False, False
        return Mark.END
