"""Real pushes through a relay that cuts them, over every protocol git speaks."""

from pathlib import Path
from random import Random

import pytest

from daemon.core.proxying import CUT_AFTER, CUT_BEFORE
from daemon.proxy.cuts import BY_BURST, BY_COMMANDS, BY_PACK, BY_QUIET, BY_REPORT
from tests.integration.transport.wire import PLAIN, Yard, yard
from tests.waiting import wait_for

BIG = Random(1).randbytes(6_000_000)  # more than ssh lets be under way without a word of the other side
plain = pytest.mark.parametrize("place", PLAIN, indirect=True)


def decided(place: Yard, plain_way: str, sealed_way: str = "") -> bool:
    """Tell whether pushes were cut, and all in that way. Once, but for curl: it may send again what was reset."""
    hits = place.wire.hits
    assert set(hits.ways) == {plain_way if place.server.scheme in PLAIN else sealed_way}
    assert hits.calls == sum(hits.ways.values())
    return hits.calls == 1 or place.server.scheme.startswith("http")


def test_without_a_rule_all_passes(place: Yard, tmp_path: Path) -> None:
    place.commit("second", BIG)
    assert place.push()[0] == 0
    place.git("clone", "--quiet", place.server.url(place.wire.port), str(tmp_path / "other"), where=tmp_path)
    other = place.git("rev-parse", "HEAD", where=tmp_path / "other")
    assert other == place.tip() == place.git("rev-parse", "HEAD")
    place.git("fetch", where=tmp_path / "other")
    assert place.push() == (0, "Everything up-to-date\n")
    assert place.sound()


@pytest.mark.parametrize("content", [b"small", BIG], ids=["small", "big"])
def test_cut_before_leaves_the_remote_as_it_was(place: Yard, content: bytes) -> None:
    before = place.tip()
    after = place.commit("second", content)
    place.wire.put(CUT_BEFORE)
    code, said = place.push()
    assert code != 0, said
    assert place.tip() == before
    assert place.sound()
    assert decided(place, BY_PACK, BY_BURST)
    place.wire.drop()
    assert place.push()[0] == 0
    assert place.tip() == after
    assert place.sound()


@pytest.mark.parametrize("content", [b"small", BIG], ids=["small", "big"])
def test_cut_after_leaves_the_remote_ahead_of_what_the_client_was_told(place: Yard, content: bytes) -> None:
    after = place.commit("second", content)
    place.wire.put(CUT_AFTER)
    code, said = place.push()
    assert code != 0, said
    assert place.tip() == after
    assert place.sound()
    assert decided(place, BY_REPORT, BY_QUIET)
    place.wire.drop()
    assert place.push() == (0, "Everything up-to-date\n")


@plain
def test_fetches_pass_while_pushes_are_cut(place: Yard) -> None:
    for effect in (CUT_BEFORE, CUT_AFTER):
        place.wire.put(effect)
        place.git("fetch", "origin")
        place.git("ls-remote", "origin")
        assert place.push() == (0, "Everything up-to-date\n")
        assert place.wire.hits.matched == 0


@plain
def test_a_push_that_only_deletes_has_no_pack_and_is_cut_all_the_same(place: Yard) -> None:
    place.git("push", "--quiet", "origin", "main:old")
    kept = place.tip("old")
    place.wire.put(CUT_BEFORE)
    assert place.push("origin", ":old")[0] != 0
    assert place.tip("old") == kept != ""
    assert decided(place, BY_COMMANDS)
    place.wire.put(CUT_AFTER)
    assert place.push("origin", ":old")[0] != 0
    assert place.tip("old") == ""


@plain
def test_the_pack_is_let_through_as_far_as_asked(place: Yard) -> None:
    """More than there is of it: the cut comes when nothing more does, and the pack's end has not passed."""
    before = place.tip()
    place.commit("second", b"small")
    place.wire.put(CUT_BEFORE, after_bytes=1_000_000)
    assert place.push()[0] != 0
    assert place.tip() == before
    assert place.sound()
    place.commit("third", BIG)
    assert place.push()[0] != 0
    assert place.tip() == before
    assert set(place.wire.hits.ways) == {BY_PACK}


@plain
def test_a_push_that_the_remote_refuses_is_told_of_and_not_counted(place: Yard) -> None:
    hook = place.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho closed >&2\nexit 1\n")
    hook.chmod(0o755)
    place.commit("second")
    place.wire.put(CUT_AFTER)
    code, said = place.push()
    assert code != 0
    assert "remote: closed" in said
    assert "pre-receive hook declined" in said
    assert place.wire.hits.calls == 0


@plain
def test_hooks_of_the_remote_run_to_their_end_after_a_cut(place: Yard, tmp_path: Path) -> None:
    """The remote cannot tell that its client has been cut off."""
    done = tmp_path / "hook-was-done"
    hook = place.remote / "hooks" / "post-receive"
    hook.write_text(f"#!/bin/sh\necho one\nsleep 0.3\necho two\ntouch {done}\n")
    hook.chmod(0o755)
    place.commit("second")
    place.wire.put(CUT_AFTER)
    assert place.push()[0] != 0
    wait_for("the hook", done.exists, 20)


def test_a_share_of_the_pushes_is_cut_by_the_dice_of_the_seed(tmp_path: Path) -> None:
    with yard(tmp_path, "git") as place:
        place.wire.put(CUT_AFTER, percent=50, seed=3)
        codes = []
        for number in range(12):
            place.commit(f"file-{number}")
            codes.append(place.push()[0] != 0)
        hits = place.wire.hits
        assert (hits.matched, hits.calls) == (12, sum(codes))
        assert 2 <= sum(codes) <= 10
