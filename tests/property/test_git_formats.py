"""Whatever bytes lie where git's should: the formats say malformed, never anything else; records survive JSON."""

import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.gitobjects import (
    MalformedError,
    commit_links,
    idx_bucket,
    index_problem,
    loose_problem,
    object_id,
    packed_refs,
    parse_config,
    parse_head,
    parse_loose,
    reflog_tip,
    tree_entries,
)
from daemon.core.seams import FileStat
from faults.git.kinds import FileEdit, Move, Recipe, Snapshot
from faults.git.packing import dump_edit, load_edit
from faults.git.records import Directory, Record

READERS: dict[str, Callable[[bytes], object]] = {
    "commit": lambda data: commit_links(data, "sha1"),
    "config": parse_config,
    "head": lambda data: parse_head(data, "sha1"),
    "idx": lambda data: idx_bucket(data, "a" * 40),
    "index": lambda data: index_problem(data, "sha256"),
    "loose": parse_loose,
    "packed-refs": lambda data: packed_refs(data, "sha256"),
    "reflog": lambda data: reflog_tip(data, "sha1"),
    "tree": lambda data: list(tree_entries(data, "sha1")),
}


@pytest.mark.parametrize("reader", READERS)
@given(
    data=st.binary(max_size=200) | st.text(max_size=80).map(str.encode) | st.binary(max_size=80).map(zlib.compress)
)
def test_garbage_is_malformed_or_read_but_never_a_crash(reader: str, data: bytes) -> None:
    with suppress(MalformedError):
        READERS[reader](data)


@given(payload=st.binary(max_size=300), algorithm=st.sampled_from(["sha1", "sha256"]), data=st.data())
def test_no_change_of_a_loose_object_goes_unnoticed(payload: bytes, algorithm: str, data: st.DataObject) -> None:
    file = zlib.compress(b"blob %d\0" % len(payload) + payload)
    identity = object_id(algorithm, "blob", payload)
    assert loose_problem(algorithm, identity, file) is None
    size = data.draw(st.integers(0, len(file) - 1))
    assert loose_problem(algorithm, identity, file[:size])


stats = st.builds(
    FileStat,
    kind=st.just("file"),
    size=st.just(0),
    mode=st.integers(0, 0o7777),
    mtime_ns=st.integers(0, 1 << 62),
    uid=st.integers(0, 1 << 31),
    gid=st.integers(0, 1 << 31),
    inode=st.integers(1, 1 << 62),
    links=st.just(1),
)
recipes = st.builds(
    Recipe,
    action=st.sampled_from(["truncate", "flip", "write", "unlink"]),
    size=st.integers(0, 50),
    offset=st.integers(0, 9),
    bit=st.integers(0, 7),
    content=st.binary(max_size=50),
)


@st.composite
def edits(draw: st.DrawFn) -> FileEdit:
    content = draw(st.none() | st.binary(min_size=10, max_size=100))
    stat = draw(stats)
    size = len(content or b"")
    before = None
    if content is not None:
        before = Snapshot(
            stat=FileStat(**{name: getattr(stat, name) for name in FileStat.__slots__} | {"size": size}),
            content=content,
        )
    name = draw(st.text(min_size=1, max_size=20).filter(lambda name: ".." not in name.split("/")))
    path = f"/r/.git/{name}"
    recipe = draw(recipes if before else recipes.filter(lambda r: r.action == "write"))
    return FileEdit(
        path=path,
        before=before,
        like=draw(stats),
        recipe=recipe,
        temporary=f"{path}-t",
        guarded=draw(st.booleans()),
        immutable=draw(st.booleans()),
        merge=draw(st.sampled_from(["", "index"])),
        algorithm=draw(st.sampled_from(["", "sha256"])),
    )


@given(edits=st.lists(edits(), min_size=1, max_size=3).map(tuple), names=st.text(max_size=9))
def test_a_record_survives_json(edits: tuple[FileEdit, ...], names: str) -> None:
    record = Record(
        injection="i-1",
        git_dir="/r/.git",
        inode=7,
        edits=edits,
        directories=(Directory(path="/r/.git", mtime_ns=1 << 61, names=names),),
        sentinel="/r/.git/s",
        made=("/r/.git/refs/heads/x",),
        made_like=FileStat(kind="directory", size=0, mode=0o755, mtime_ns=5, uid=1, gid=2, inode=3, links=1),
    )
    again = Record.load(json.loads(json.dumps(record.dump())))
    assert again == record
    assert [edit.after for edit in again.edits] == [edit.after for edit in record.edits]


@given(content=st.binary(min_size=10, max_size=100), offset=st.integers(0, 9), bit=st.integers(0, 7))
def test_a_flip_changes_one_bit_and_flipping_again_takes_it_back(content: bytes, offset: int, bit: int) -> None:
    recipe = Recipe(action="flip", offset=offset, bit=bit)
    flipped = recipe.apply(content)
    assert flipped is not None
    assert sum((a ^ b).bit_count() for a, b in zip(content, flipped, strict=True)) == 1
    assert recipe.apply(flipped) == content


@given(stat=stats)
def test_a_record_of_before_a_field_was_added_is_still_read(stat: FileStat) -> None:
    move = Move(path="/r/.git/refs", kept="/r/.git/.kept", stat=stat, joins="refs")
    data = dump_edit(move)
    assert load_edit(data) == move
    del data["joins"]
    assert load_edit(data) == replace(move, joins="")
