"""What the worker wrote while a fault was there stays, what we took away comes back, and only once."""

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.core.seams import FileStat
from faults.git.kinds import FileEdit, Recipe, Snapshot
from faults.git.merging import lacking, without
from faults.git.merging_config import parts
from faults.git.merging_refs import clashing, read

STAT = FileStat(kind="file", size=0, mode=0o644, mtime_ns=1, uid=0, gid=0, inode=1, links=1)


def edit(merge: str, before: bytes, after: bytes | None, name: str = "x") -> FileEdit:
    recipe = Recipe(action="unlink") if after is None else Recipe(action="write", content=after)
    snapshot = Snapshot(stat=STAT, content=before)
    return FileEdit(path=f"/r/.git/{name}", before=snapshot, like=STAT, recipe=recipe, merge=merge)


# --- logs ------------------------------------------------------------------------------------------------

lines = st.binary(min_size=1, max_size=6).map(lambda text: text.replace(b"\n", b"") + b"\n")
logs = st.lists(lines, max_size=4).map(b"".join)


@given(before=logs, after=st.none() | logs, added=logs.filter(bool), cut=st.integers(0, 20) | st.none())
def test_lines_added_to_a_log_stay_behind_those_that_come_back(
    before: bytes, after: bytes | None, added: bytes, cut: int | None
) -> None:
    after = after if cut is None else before[:cut]
    one = edit("log", before, after)
    now = (after or b"") + added
    assume(now != before and not now.startswith(before))
    merged = without(one, now)
    assert merged == before + added
    assume(not (after and len(after) >= len(before) and merged.startswith(after)))  # the worker wrote it again
    assert without(one, merged) is None, "a second undo adds nothing"


def test_a_log_that_was_put_back_by_hand_is_left_alone() -> None:
    assert without(edit("log", b"a\nb\n", None), b"a\nb\nc\n") is None


# --- packed-refs -----------------------------------------------------------------------------------------

TRAITS = (b"peeled", b"fully-peeled")
names = st.sampled_from(
    [b"refs/heads/a", b"refs/heads/a/b", b"refs/heads/c", b"refs/tags/v1", b"refs/tags/w", b"refs/x"]
)
ids = st.sampled_from([b"1" * 40, b"2" * 40, b"3" * 40])
refs = st.dictionaries(names, st.tuples(ids, st.none() | ids), max_size=5)
traits = st.sampled_from([(), TRAITS[:1], TRAITS])


def packed(found: dict[bytes, tuple[bytes, bytes | None]], said: tuple[bytes, ...]) -> bytes:
    def line(name: bytes) -> bytes:
        identity, peeled = found[name]
        return identity + b" " + name + b"\n" + (b"^" + peeled + b"\n" if peeled else b"")

    return b" ".join([b"# pack-refs with:", *said, b"sorted", b"\n"]) + b"".join(
        line(name) for name in sorted(found)
    )


@given(
    old=refs,
    new=refs,
    loose=st.frozensets(names, max_size=2),
    said=st.tuples(traits, traits),
    kept=st.none() | refs,
)
def test_refs_that_were_taken_away_come_back_beside_those_that_git_packed_since(
    old: dict[bytes, Any],
    new: dict[bytes, Any],
    loose: frozenset[bytes],
    said: tuple[tuple[bytes, ...], tuple[bytes, ...]],
    kept: dict[bytes, Any] | None,
) -> None:
    (had, has), left = said, {name: old[name] for name in kept or () if name in old}
    one = edit("packed-refs", packed(old, had), None if kept is None else packed(left, had), "packed-refs")
    now = packed(new, has)
    taken = old.keys() - left.keys() - new.keys() - loose
    back = taken - clashing(taken, loose | new.keys())
    merged = without(one, now, loose)
    assert (merged is None) == (not back)
    if merged is None:
        return
    written, lines = read(merged)
    assert list(lines) == sorted(lines)
    assert merged == packed({**new, **{name: old[name] for name in back}}, tuple(written[:-1]))
    promised = set(written) - {b"sorted"}
    assert promised == (set(had) & set(has) if new else set(had))
    assert without(one, merged, loose) is None
    assert bool(lacking(one, now, loose)) == bool(
        clashing(old.keys() - left.keys() - new.keys(), loose | new.keys())
    )


def test_refs_out_of_order_are_put_in_order_and_of_two_lines_the_newer_one_counts() -> None:
    a, b = (b"%s refs/heads/%s\n" % (b"1" * 40, name) for name in (b"a", b"b"))
    a, newer = a + b"^" + b"3" * 40 + b"\n", b"2" * 40 + b" refs/heads/a\n"
    head = b"# pack-refs with: peeled fully-peeled sorted \n"
    one = edit("packed-refs", head + a + b, head + b + a, "packed-refs")
    assert without(one, head + newer + b + a) == head + newer + b
    assert without(one, head + newer + b) is None


@given(rubbish=st.binary(min_size=1, max_size=30))
def test_a_packed_refs_that_git_could_not_read_is_left_alone(rubbish: bytes) -> None:
    old, new = (b"1" * 40 + b" refs/heads/%s\n" % name for name in (b"a", b"b"))
    one = edit("packed-refs", old, None, "packed-refs")
    assert without(one, new) == b"# pack-refs with: sorted \n" + old + new
    assert without(one, new + rubbish) is None


# --- configuration ---------------------------------------------------------------------------------------

headings = st.sampled_from([b"[core]", b"[Core] ", b'[remote "origin"]', b'[remote "a\\"]b"] # x', b"[a.b]"])
values = st.sampled_from([b" = 1", b"=2 ; why", b"", b' = "a ; b\\" # c" # d', b" = one \\\n two", b" = C:\\\\x"])
settings = st.tuples(headings, st.sampled_from([b"url", b"fetch", b"x-1"]), values)
configs = st.lists(settings, max_size=5)


def written(found: list[tuple[bytes, bytes, bytes]]) -> bytes:
    return b"# a comment \\\n" + b"".join(b"%s\n\t%s%s\n" % one for one in found) if found else b""


def said(data: bytes) -> list[tuple[bytes, bytes]]:
    return [part.setting for part in parts(data) if part.key]


@given(old=configs, left=st.none() | st.lists(st.integers(0, 4)), ours=configs, new=configs)
def test_settings_that_were_taken_away_come_back_and_what_the_worker_set_wins(
    old: list[Any], left: list[int] | None, ours: list[Any], new: list[Any]
) -> None:
    kept = [old[n] for n in left or () if n < len(old)] + ours
    one = edit("config", written(old), None if left is None else written(kept), "config")
    before, after = said(written(old)), said(written(kept)) if left is not None else []
    now = (one.after or b"") + written(new)
    merged = without(one, now)
    if merged is None:
        merged = now
    result, worker = said(merged), {key for key, _ in said(now) if (key, _) not in after}
    for key in worker:
        wanted = [v for k, v in said(now) if k == key and not ((k, v) in after and (k, v) not in before)]
        assert [v for k, v in result if k == key] == wanted, "the worker's value wins"
    for setting in before:
        assert setting in result or setting[0] in worker
    assert not [one for one in result if one in after and one not in before], "ours is gone"
    assert without(one, merged) is None


@given(found=configs)
def test_a_configuration_is_read_to_the_last_byte(found: list[Any]) -> None:
    assert b"".join(part.text for part in parts(written(found))) == written(found)
    assert len(said(written(found))) == len(found)


def test_keys_are_compared_as_git_compares_them() -> None:
    text = b'[CORE] Bare = true\n[remote "O"]\n\tURL=x\n[remote "o"]\n\turl = y # z\n[A.B]\nkey\n'
    assert said(text) == [
        (b"core.bare", b"true"),
        (b"remote.O.url", b"x"),
        (b"remote.o.url", b"y"),
        (b"a.b.key", b"\0"),
    ]


@given(rubbish=st.sampled_from([b"[[[\n", b"= 3\n", b'[a]\nb = "c\n', b"\0\0", b"[a\n", b"x = 1\n"]))
def test_a_configuration_that_git_could_not_read_is_left_alone(rubbish: bytes) -> None:
    assert without(edit("config", b"[a]\n\tb = 1\n", None, "config"), rubbish) is None
