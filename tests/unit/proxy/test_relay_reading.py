"""What a relay reads on the wire: pushes are told and cut at the same place, wherever the bytes are split."""

from collections.abc import Callable
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from daemon.core.proxying import CUT_AFTER, CUT_BEFORE, Rule
from daemon.proxy.cuts import BY_BURST, BY_COMMANDS, BY_PACK, BY_QUIET, BY_REPORT, CutError, Dice
from daemon.proxy.plain import TAIL
from daemon.proxy.rules import Strike
from daemon.proxy.watch import Watch

OLD, NEW, NONE = b"1" * 40, b"2" * 40, b"0" * 40
PACK = b"PACK" + bytes(range(200)) + b"checksum-of-20-bytes"
FLUSH = b"0000"


def packet(content: bytes) -> bytes:
    return b"%04x" % (len(content) + 4) + content


def commands(*changes: tuple[bytes, bytes], options: bool = False) -> bytes:
    first = b"\0report-status side-band-64k push-options"
    lines = [
        packet(old + b" " + new + b" refs/heads/b%d" % n + (first if not n else b""))
        for n, (old, new) in enumerate(changes)
    ]
    return b"".join(lines) + FLUSH + (packet(b"ci.skip") + FLUSH if options else b"")


def report(*lines: bytes, band: bool = True) -> bytes:
    inner = b"".join(packet(line) for line in lines) + FLUSH
    return packet(b"\1" + inner) + FLUSH if band else inner


ASKED = packet(b"git-receive-pack /remote.git\0host=h\0")
OFFERED = packet(OLD + b" refs/heads/b0\0report-status") + FLUSH
DONE = report(b"unpack ok\n", b"ok refs/heads/b0\n")
REFUSED = report(b"unpack ok\n", b"ng refs/heads/b0 hook declined\n")
HEAD = b"POST /remote.git/git-receive-pack HTTP/1.1\r\nHost: h\r\n"
GET = b"GET /remote.git/info/refs?service=git-receive-pack HTTP/1.1\r\nHost: h\r\n\r\n"
RESULT = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-receive-pack-result\r\n"


def chunked(body: bytes, size: int = 37) -> bytes:
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


class Book:
    """The rules in force, in memory; all of them hit."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules, self.hits = rules, 0

    def standing(self, lane: str) -> tuple[Rule, ...]:
        return tuple(r for r in self.rules if r.lane == lane)

    def in_force(self, injection: str) -> bool:
        return any(r.injection == injection for r in self.rules)

    def hit(self, lane: str, *, call: str, applies: Callable[[Rule], bool]) -> Strike | None:
        assert call
        found = next((r for r in self.standing(lane) if applies(r)), None)
        self.hits += found is not None
        return Strike(rule=found, number=0) if found else None


class Line:
    """One connection as a relay reads it, under rules."""

    def __init__(self, *effects: str, **parameters: Any) -> None:
        common = {"fault": "git-transport", "lane": "origin", "seed": 1, "until_s": 9e9, "parameters": parameters}
        self.book = Book([Rule(injection=effect, effect=effect, **common) for effect in effects])  # type: ignore[arg-type]
        dice = Dice(self.book, "origin")  # type: ignore[arg-type]
        self.watch = Watch(dice, (f"push {n}" for n in count()).__next__)
        self.sent, self.told = b"", b""
        self.how = ""

    def play(self, *said: tuple[str, bytes], splits: Any = lambda data: [data]) -> "Line":
        """Say it piece by piece until it is cut; ``sent`` reached the remote, ``told`` the client."""
        try:
            for who, data in said:
                for piece in splits(data):
                    if who == "client":
                        up, down = self.watch.up(piece)
                        self.sent, self.told = self.sent + up, self.told + down
                    else:
                        self.told += self.watch.down(piece)
        except CutError as cut:
            self.how, self.sent = cut.how, self.sent + cut.first
        return self

    def undo(self) -> "Line":
        self.book.rules.clear()
        return self

    def silence(self) -> "Line":
        try:
            up, down = self.watch.quiet(ended=False)
            self.sent, self.told = self.sent + up, self.told + down
        except CutError as cut:
            self.how = cut.how
        return self


class Anywhere:
    """Splits bytes at places that hypothesis chooses."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def __call__(self, whole: bytes) -> list[bytes]:
        places = sorted(self._data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=12)))
        ends = [0, *places, len(whole)]
        return [whole[a:b] for a, b in pairwise(ends)]


GIT = ("client", ASKED), ("remote", OFFERED), ("client", commands((OLD, NEW)) + PACK)
LENGTH = b"Content-Length: %d\r\n\r\n"
BODY = commands((OLD, NEW)) + PACK
HTTP = {
    "length": HEAD + LENGTH % len(BODY) + BODY,
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY),
}
ANSWERS = {
    "length": RESULT + LENGTH % len(DONE) + DONE,
    "chunks": RESULT + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(DONE, 9),
    "close": RESULT + b"\r\n" + DONE,
}


def anywhere(test: Callable[..., None]) -> Callable[..., None]:
    """Play it with the bytes split anywhere."""
    return settings(max_examples=40, phases=[Phase.explicit, Phase.generate])(given(data=st.data())(test))


@pytest.mark.parametrize("after_bytes", [0, 10_000])
def test_a_push_whose_rule_is_taken_out_while_git_packs_goes_through_whole(after_bytes: int) -> None:
    line = Line(CUT_BEFORE, after_bytes=after_bytes).play(*GIT[:2], ("client", commands((OLD, NEW))))
    line.undo().play(("client", PACK), ("remote", DONE))
    assert (line.how, line.sent, line.told) == ("", ASKED + commands((OLD, NEW)) + PACK, OFFERED + DONE)


def test_what_is_held_back_of_a_pack_goes_on_when_the_rule_is_taken_out() -> None:
    line = Line(CUT_BEFORE, after_bytes=len(PACK) - 40).play(
        *GIT[:2], ("client", commands((OLD, NEW)) + PACK[:-20])
    )
    assert not line.sent.endswith(PACK[:-20])
    line.undo().play(("client", PACK[-20:]))
    assert line.sent == ASKED + commands((OLD, NEW)) + PACK


# --- git:// ------------------------------------------------------------------------------------------------


def test_the_end_of_a_pack_is_held_back_though_its_first_bytes_went_on_unknown() -> None:
    end = len(commands((OLD, NEW)))
    places = [0, end - 2, end + 1, end + 28, end + 42, end + 57, len(GIT[2][1])]
    line = Line(CUT_BEFORE, after_bytes=50)
    line.play(
        *GIT, splits=lambda whole: [whole[a:b] for a, b in pairwise(places)] if whole == GIT[2][1] else [whole]
    )
    assert line.how == BY_PACK
    assert len(line.sent) == len(ASKED) + end + 50


@anywhere
def test_git_cut_before(data: st.DataObject) -> None:
    line = Line(CUT_BEFORE, after_bytes=50).play(*GIT, splits=Anywhere(data))
    assert line.how == BY_PACK
    whole = ASKED + commands((OLD, NEW)) + PACK
    assert line.sent == whole[: len(line.sent)]
    assert len(whole) - len(PACK) <= len(line.sent) <= len(whole) - len(PACK) + 50


@anywhere
def test_git_cut_after(data: st.DataObject) -> None:
    line = Line(CUT_AFTER).play(*GIT, ("remote", DONE), splits=Anywhere(data))
    assert line.how == BY_REPORT
    assert line.sent == ASKED + commands((OLD, NEW)) + PACK
    assert line.told == OFFERED


@anywhere
def test_git_refused_by_the_remote_passes_whole(data: st.DataObject) -> None:
    line = Line(CUT_AFTER).play(*GIT, ("remote", REFUSED), splits=Anywhere(data))
    assert line.how == ""
    assert line.told == OFFERED + REFUSED


def test_progress_is_shown_before_the_report_is_held_back() -> None:
    progress = packet(b"\2Resolving deltas: 100%\n")
    line = Line(CUT_AFTER).play(*GIT, ("remote", progress), ("remote", DONE))
    assert (line.how, line.told) == (BY_REPORT, OFFERED + progress)


def test_a_remote_without_side_bands() -> None:
    bare = report(b"unpack ok\n", b"ok refs/heads/b0\n", band=False)
    assert Line(CUT_AFTER).play(*GIT, ("remote", bare)).how == BY_REPORT


def test_one_ref_of_two_that_moved_is_enough() -> None:
    both = ("client", commands((OLD, NEW), (OLD, NEW)) + PACK)
    half = report(b"unpack ok\n", b"ng refs/heads/b0 no\n", b"ok refs/heads/b1\n")
    assert Line(CUT_AFTER).play(*GIT[:2], both, ("remote", half)).how == BY_REPORT


def test_options_of_a_push_come_before_its_pack() -> None:
    said = ("client", commands((OLD, NEW), options=True) + PACK)
    assert Line(CUT_BEFORE, after_bytes=10).play(*GIT[:2], said).how == BY_PACK


def test_only_deletions_are_cut_before_their_commands_are_through() -> None:
    line = Line(CUT_BEFORE).play(*GIT[:2], ("client", commands((OLD, NONE))))
    assert (line.how, line.sent) == (BY_COMMANDS, ASKED)


def test_a_pack_shorter_than_what_was_to_pass_is_cut_in_the_silence_after_it() -> None:
    line = Line(CUT_BEFORE, after_bytes=10_000).play(*GIT)
    assert line.how == ""
    assert line.watch.patience_s is not None
    assert line.silence().how == BY_PACK
    assert line.sent == (ASKED + commands((OLD, NEW)) + PACK)[:-TAIL]


def test_what_was_held_back_goes_on_when_the_rule_has_ended_meanwhile() -> None:
    line = Line(CUT_BEFORE, after_bytes=10_000).play(*GIT)
    line.book.rules.clear()
    assert line.silence().how == ""
    assert line.sent == ASKED + commands((OLD, NEW)) + PACK


@pytest.mark.parametrize("effect", [CUT_BEFORE, CUT_AFTER])
def test_fetches_and_pushes_of_nothing_pass(effect: str) -> None:
    fetch = packet(b"git-upload-pack /remote.git\0host=h\0version=2\0")
    line = Line(effect).play(("client", fetch), ("remote", OFFERED), ("client", FLUSH), ("remote", PACK))
    assert (line.how, line.sent, line.told) == ("", fetch + FLUSH, OFFERED + PACK)
    line = Line(effect).play(*GIT[:2], ("client", FLUSH))
    assert (line.how, line.sent) == ("", ASKED + FLUSH)
    assert line.book.hits == 0


@anywhere
def test_what_is_no_git_at_all_passes_as_it_is(data: st.DataObject) -> None:
    noise = data.draw(st.binary(min_size=20, max_size=300))
    line = Line(CUT_AFTER)
    line.play(("client", ASKED + noise), ("remote", noise), splits=Anywhere(data))
    for _ in range(2):
        line.silence()
    assert line.sent == ASKED + noise
    assert line.told == noise


# --- http:// -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", HTTP)
@anywhere
def test_http_cut_before(body: str, data: st.DataObject) -> None:
    request = GET + HTTP[body]
    line = Line(CUT_BEFORE, after_bytes=50).play(("client", request), splits=Anywhere(data))
    assert line.how == BY_PACK
    assert line.sent == request[: len(line.sent)]
    assert PACK[-12:] not in line.sent
    assert len(request) - len(line.sent) >= 20


@pytest.mark.parametrize("body", HTTP)
@pytest.mark.parametrize("answer", ANSWERS)
@anywhere
def test_http_cut_after(body: str, answer: str, data: st.DataObject) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    said = ("client", HTTP[body]), ("remote", interim), ("remote", ANSWERS[answer])
    line = Line(CUT_AFTER).play(*said, splits=Anywhere(data))
    assert line.how == BY_REPORT
    assert line.sent == HTTP[body]
    assert interim.startswith(line.told), "nothing of the answer itself"


@anywhere
def test_http_other_requests_and_refusals_pass(data: st.DataObject) -> None:
    probe = HEAD + LENGTH % 4 + FLUSH
    login = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
    no = RESULT + LENGTH % len(REFUSED) + REFUSED
    said = ("client", GET), ("remote", login), ("client", probe), ("remote", login), ("client", HTTP["length"])
    line = Line(CUT_AFTER).play(*said, ("remote", no), splits=Anywhere(data))
    assert (line.how, line.told) == ("", login + login + no)


# --- what is encrypted -------------------------------------------------------------------------------------

HELLO = b"\x16\x03\x01" + b"h" * 400
SEALED = ("client", HELLO), ("remote", b"s" * 1400), ("client", b"g" * 250), ("remote", b"r" * 800)


def test_sealed_cut_before_by_the_length_of_a_turn() -> None:
    line = Line(CUT_BEFORE).play(*SEALED, ("client", b"p" * 600))
    assert (line.how, line.sent) == (BY_BURST, HELLO + b"g" * 250)
    short = Line(CUT_BEFORE).play(*SEALED, ("client", b"p" * 300))
    assert short.how == ""
    other = Line(CUT_BEFORE, burst=1000).play(*SEALED, ("client", b"p" * 600))
    assert other.how == "", "the rule says what a push is"


def test_sealed_cut_after_by_two_silences() -> None:
    line = Line(CUT_AFTER).play(*SEALED, ("client", b"p" * 600), ("remote", b"a" * 411))
    before = line.told
    assert before == b"s" * 1400 + b"r" * 800
    assert line.silence().how == ""
    assert len(line.told) - len(before) < 84, "no report is so short"
    assert line.silence().how == BY_QUIET


def test_sealed_a_report_is_one_in_whatever_pieces_it_is_read() -> None:
    pieces = [("remote", b"a" * size) for size in (84, 36, 88)]  # seen with OpenSSH on a busy machine
    line = Line(CUT_AFTER).play(*SEALED, ("client", b"p" * 600), *pieces)
    line.silence()
    assert line.silence().how == BY_QUIET


def test_sealed_windows_pass_and_what_the_client_goes_on_after_was_no_report() -> None:
    line = Line(CUT_AFTER).play(*SEALED, ("client", b"p" * 600), ("remote", b"w" * 36))
    assert line.told.endswith(b"w" * 36)
    line.play(("remote", b"w" * 108))
    assert not line.told.endswith(b"w" * 37)
    line.play(("client", b"p" * 600))
    assert line.told.endswith(b"w" * 144)
    assert line.how == ""


@pytest.mark.parametrize("windows", [36, 108], ids=["one", "several at once"])
def test_sealed_a_push_may_end_with_little_after_a_window(windows: int) -> None:
    line = Line(CUT_AFTER).play(*SEALED, ("client", b"p" * 600), ("remote", b"w" * windows))
    line.play(("client", b"p" * 80), ("remote", b"a" * 411))
    line.silence()
    assert line.silence().how == BY_QUIET


def test_sealed_what_follows_an_answer_is_a_turn_of_its_own() -> None:
    line = Line(CUT_AFTER).play(*SEALED, ("client", b"p" * 600), *[("remote", b"d" * 60_000)] * 2)
    line.play(("client", b"p" * 80), ("remote", b"a" * 411))
    assert line.told.endswith(b"a" * 411)


def test_sealed_a_long_answer_is_a_fetch_s() -> None:
    line = Line(CUT_AFTER).play(*SEALED, ("client", b"p" * 600), *[("remote", b"d" * 60_000)] * 3)
    for _ in range(2):
        line.silence()
    assert (line.how, line.told[-180_000:]) == ("", b"d" * 180_000)


def test_sealed_nothing_is_held_back_without_a_rule() -> None:
    line = Line().play(*SEALED, ("client", b"p" * 600), ("remote", b"a" * 411))
    assert line.told.endswith(b"a" * 411)
    assert line.watch.patience_s is None
