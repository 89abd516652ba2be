"""Pushes that can be read: git:// and http://. What decides is what the two sides say (``gitwire``)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from daemon.core.proxying import CUT_AFTER, CUT_BEFORE
from daemon.proxy.cuts import BY_COMMANDS, BY_PACK, BY_REPORT, QUIET_S, CutError, Dice
from daemon.proxy.gitwire import RECEIVE, Head, Mark, Messages, Packets, Phase, PushReader, Report, ReportReader
from daemon.proxy.rules import Strike

TAIL = 32  # bytes of a pack held back at least: its checksum, and what HTTP may put behind it
HELD_MOST = 1 << 20  # of a report; a remote that says more is believed to say something else


@dataclass(slots=True)
class _Push:
    """One push that can be read: what of it is held back, and who is hit."""

    dice: Dice
    name: str
    reader: PushReader = field(default_factory=PushReader)
    report: ReportReader | None = None
    strike: Strike | None = None
    held_up: bytes = b""
    held_down: bytes = b""
    _asked: bool = False
    _wanted: bool | None = None

    @property
    def asks(self) -> bool:
        """Whether all commands are through, so that what comes from the remote next is its answer."""
        return self.reader.begun and self.reader.phase is not Phase.COMMANDS

    def up(self, data: bytes, *, ended: bool = False) -> bytes:
        """Return what of the bytes just read may go on."""
        if not self.asks:
            return data
        if not self._asked:
            self._asked, self.strike = True, self.dice.hit(CUT_BEFORE, self.name)
        if self.strike is not None and not self.dice.book.in_force(self.strike.rule.injection):
            self.strike = None  # git counts and packs for a while: the rule was taken out meanwhile
        if self.strike is None or self.reader.phase is Phase.BETWEEN:
            held, self.held_up = self.held_up, b""
            return held + data
        if self.reader.phase is Phase.WITHOUT_PACK:
            raise CutError(self.strike, BY_COMMANDS)
        return self._pack(self.strike, self.held_up + data, ended=ended)

    def _pack(self, strike: Strike, known: bytes, *, ended: bool) -> bytes:
        """Let go on what may; never the last bytes of a pack, which nobody knows to be the last."""
        over = self.reader.seen - int(strike.parameters.get("after_bytes", 0))
        if over >= TAIL:
            raise CutError(strike, BY_PACK, first=known[: max(0, len(known) - over)])
        if ended:
            raise CutError(strike, BY_PACK)
        held = min(TAIL, self.reader.seen, len(known))  # of a pack's first bytes some may have gone on unknown
        self.held_up = known[len(known) - held :]
        return known[: len(known) - held]

    @property
    def wanted(self) -> bool:
        """Whether a rule wants the answer read; asked when it begins, and then it stays so."""
        if self._wanted is None:
            self._wanted = self.dice.standing(CUT_AFTER) is not None
            self.report = ReportReader() if self._wanted else None
        return self._wanted

    def wait(self, data: bytes, *, more: bool) -> bytes:
        """Hold bytes back while it cannot be told yet what they begin."""
        self.held_down += data
        if more and len(self.held_down) <= HELD_MOST:
            return b""
        let, self.held_down = self.held_down, b""
        return let

    def down(self, data: bytes, report: ReportReader) -> bytes:
        """Return what of the answer may go on: nothing of the report before it is known what it says."""
        self.held_down += data
        if report.report is Report.OPEN and not report.holds:
            return self.wait(b"", more=False)
        if report.report is Report.UPDATED:
            strike = self.dice.hit(CUT_AFTER, self.name)
            if strike is not None:
                raise CutError(strike, BY_REPORT)
        elif report.report is Report.OPEN and len(self.held_down) <= HELD_MOST:
            return b""
        self.report = None
        return self.wait(b"", more=False)

    def quiet(self) -> bytes:
        """Cut a push whose pack was shorter than what was to pass of it."""
        if self.strike is not None and self.dice.book.in_force(self.strike.rule.injection):
            raise CutError(self.strike, BY_PACK)
        self.strike = None
        let, self.held_up = self.held_up, b""
        return let

    def give_up(self) -> tuple[bytes, bytes]:
        let = self.held_up, self.held_down
        self.held_up = self.held_down = b""
        return let


class PlainGit:
    """git://, from the request in its first packet on."""

    def __init__(self, dice: Dice, names: Callable[[], str]) -> None:
        self._push = _Push(dice, names())
        self._request: Packets | None = Packets()
        self._pushes = False

    @property
    def patience_s(self) -> float | None:
        return QUIET_S if self._push.held_up else None

    def up(self, data: bytes) -> bytes:
        payload = data
        if self._request is not None:
            request = next(self._request.feed(data), b"")
            if not request:
                return data
            self._pushes = request.startswith(RECEIVE)
            payload, self._request = self._request.take_rest(), None
        if not self._pushes:
            return data
        self._push.reader.feed(payload)
        return self._push.up(data)

    def down(self, data: bytes) -> bytes:
        if not self._push.asks or not self._push.wanted or self._push.report is None:
            return data
        self._push.report.feed(data)
        return self._push.down(data, self._push.report)

    def quiet(self, *, ended: bool) -> tuple[bytes, bytes]:  # noqa: ARG002  silence and the end say the same here
        return self._push.quiet(), b""

    def give_up(self) -> tuple[bytes, bytes]:
        return self._push.give_up()


class PlainHttp:
    """http://: requests one after the other, of which one may be a push."""

    def __init__(self, dice: Dice, names: Callable[[], str]) -> None:
        self._dice, self._names = dice, names
        self._requests, self._answers = Messages(), Messages(until_close=True)
        self._push: _Push | None = None

    @property
    def patience_s(self) -> float | None:
        return QUIET_S if self._push and self._push.held_up else None

    def up(self, data: bytes) -> bytes:
        ended = False
        for part in self._requests.feed(data):
            if isinstance(part, Head):
                self._push = _Push(self._dice, self._names()) if part.pushes else None
            elif self._push is not None:
                ended = part is Mark.END
                if isinstance(part, bytes):
                    self._push.reader.feed(part)
        return data if self._push is None else self._push.up(data, ended=ended)

    def down(self, data: bytes) -> bytes:
        push = self._push if self._push and self._push.asks and self._push.wanted else None
        for part in self._answers.feed(data):
            report = push.report if push else None
            if isinstance(part, Head):
                if report is not None and part.reports and not part.interim:
                    report.begun = True  # hold its head, too: it alone is a success to a client
            elif report is not None and report.begun:
                self._read(report, part)
        if push is None or push.report is None:
            return data
        if push.report.begun:
            return push.down(data, push.report)
        return push.wait(data, more=self._answers.waiting)

    def _read(self, report: ReportReader, part: bytes | Mark) -> None:
        if isinstance(part, bytes):
            report.feed(part)
        elif report.report is Report.OPEN:  # over without a word on any ref
            report.report = Report.REFUSED

    def quiet(self, *, ended: bool) -> tuple[bytes, bytes]:  # noqa: ARG002  silence and the end say the same here
        return (self._push.quiet() if self._push else b""), b""

    def give_up(self) -> tuple[bytes, bytes]:
        return self._push.give_up() if self._push else (b"", b"")
