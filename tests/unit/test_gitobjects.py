"""Git's formats, against what git itself wrote (ids and bytes below were made by git 2.39)."""

import struct
import zlib

import pytest

from daemon.core.gitobjects import (
    IDX_HEAD_BYTES,
    GitObject,
    Head,
    MalformedError,
    TreeEntry,
    commit_links,
    hash_of,
    idx_bucket,
    idx_position,
    index_problem,
    is_id,
    is_true,
    loose_path,
    loose_problem,
    object_id,
    packed_refs,
    parse_config,
    parse_head,
    parse_loose,
    reflog_tip,
    tree_entries,
    verify_loose,
)

HELLO = {
    "sha1": "ce013625030ba8dba906f756967f9e9ca394464a",
    "sha256": "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4",
}
EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
FILE = zlib.compress(b"blob 6\0hello\n")
algorithms = pytest.mark.parametrize("algorithm", ["sha1", "sha256"])


@algorithms
def test_ids_are_those_of_git(algorithm: str) -> None:
    assert object_id(algorithm, "blob", b"hello\n") == HELLO[algorithm]
    assert object_id(algorithm, "tree", b"") == EMPTY_TREE[algorithm]
    assert is_id(HELLO[algorithm], algorithm)
    assert not is_id(HELLO[algorithm][:-1], algorithm)
    assert not is_id(HELLO[algorithm].upper(), algorithm)


def test_a_loose_object_lies_below_two_digits() -> None:
    assert loose_path(HELLO["sha1"]) == "ce/013625030ba8dba906f756967f9e9ca394464a"


@algorithms
def test_a_sound_loose_object_is_read(algorithm: str) -> None:
    assert loose_problem(algorithm, HELLO[algorithm], FILE) is None
    assert verify_loose(algorithm, HELLO[algorithm], FILE) == GitObject("blob", b"hello\n")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut off"),
        (FILE[:-1], "cut off"),
        (FILE + b"x", "garbage"),
        (b"\0" * 20, "damaged zlib stream"),
        (zlib.compress(b"blob 6\0hellO\n"), "another id"),
        (zlib.compress(b"blob 7\0hello\n"), "another id"),
    ],
)
def test_a_damaged_loose_object_says_why(data: bytes, why: str) -> None:
    assert why in str(loose_problem("sha1", HELLO["sha1"], data))
    with pytest.raises(MalformedError, match=why):
        verify_loose("sha1", HELLO["sha1"], data)


@pytest.mark.parametrize(
    "plain", [b"blob 7\0hello\n", b"bulb 6\0hello\n", b"blob six\0hello\n", b"blob 6 hello\n", b""]
)
def test_a_wrong_header_is_malformed(plain: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_loose(zlib.compress(plain))


def test_a_stream_that_unpacks_to_more_than_memory_should_hold_is_hashed_in_parts() -> None:
    size = 40 << 20
    plain = b"blob %d\0" % size + bytes(size)
    assert loose_problem("sha1", hash_of("sha1", plain).hex(), zlib.compress(plain, 1)) is None


@algorithms
def test_a_tree_is_read_entry_by_entry(algorithm: str) -> None:
    blob, tree = bytes.fromhex(HELLO[algorithm]), bytes.fromhex(EMPTY_TREE[algorithm])
    payload = b"100644 a b\0" + blob + b"120000 link\0" + blob + b"40000 sub\0" + tree + b"160000 module\0" + blob
    entries = list(tree_entries(payload, algorithm))
    assert entries[0] == TreeEntry(0o100644, b"a b", HELLO[algorithm])
    assert [e.kind for e in entries] == ["blob", "blob", "tree", "commit"]
    for end in (1, 5, len(payload) - 1):
        with pytest.raises(MalformedError):
            list(tree_entries(payload[:end], algorithm))


def test_a_commit_names_its_tree_and_parents_in_its_head_only() -> None:
    a, b, tree = "a" * 40, "b" * 40, "c" * 40
    text = f"tree {tree}\nparent {a}\nparent {b}\nauthor X <x> 1 +0000\n\nparent {tree}\ntree {a}\n"
    assert commit_links(text.encode(), "sha1") == (tree, (a, b))
    with pytest.raises(MalformedError):
        commit_links(b"author X <x> 1 +0000\n\n", "sha1")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"ref: refs/heads/main\n", Head("refs/heads/main", None)),
        (b"ref:refs/heads/a/b", Head("refs/heads/a/b", None)),
        (b"a" * 40 + b"\n", Head(None, "a" * 40)),
        (b"A" * 40, Head(None, "a" * 40)),
        (b"a" * 40 + b" rest\n", Head(None, "a" * 40)),
    ],
)
def test_head_is_a_ref_or_an_id(data: bytes, expected: Head) -> None:
    assert parse_head(data, "sha1") == expected


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"a" * 39, b"a" * 41, b"ref: HEAD", b"ref: refs/../../etc", b"\xff" * 32, b"ref: \n", b"\0" * 41],
)
def test_anything_else_in_head_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_head(data, "sha1")


def test_packed_refs_are_found_and_peeled_lines_ignored() -> None:
    data = b"# pack-refs with: peeled fully-peeled sorted\n" + b"a" * 40 + b" refs/heads/m\n"
    data += b"b" * 40 + b" refs/tags/v1\n^" + b"c" * 40 + b"\nnonsense\n"
    assert packed_refs(data, "sha1") == {"refs/heads/m": "a" * 40, "refs/tags/v1": "b" * 40}


def test_the_tip_of_a_reflog_is_where_its_last_line_went() -> None:
    line = b"%s %s X <x> 1 +0000\tcommit: one\n"
    log = line % (b"0" * 40, b"a" * 40) + line % (b"a" * 40, b"b" * 40)
    assert reflog_tip(log, "sha1") == "b" * 40
    assert reflog_tip(log[10:], "sha1") == "b" * 40
    assert reflog_tip(b"", "sha1") is None
    assert reflog_tip(b"nonsense\n", "sha1") is None


def test_the_plain_settings_of_a_configuration_are_read() -> None:
    text = b"""[core]
\trepositoryformatversion = 1 ; really
\tbare = false
# comment
[Extensions] objectFormat = "sha256"
\tworktreeConfig
[remote "origin"]
\turl = ../bare = true
"""
    assert parse_config(text) == {
        "core.repositoryformatversion": "1",
        "core.bare": "false",
        "extensions.objectformat": "sha256",
        "extensions.worktreeconfig": "true",
    }
    assert [is_true(word) for word in ("yes", "TRUE", "1", "off", "", None)] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


@algorithms
def test_an_index_is_sound_when_its_checksum_is(algorithm: str) -> None:
    body = b"DIRC" + struct.pack(">II", 2, 0)
    sound = body + hash_of(algorithm, body)
    assert index_problem(sound, algorithm) is None
    assert index_problem(body + bytes(len(sound) - len(body)), algorithm) is None  # index.skipHash
    assert "cut off" in str(index_problem(sound[:-1], algorithm))
    assert "cut off" in str(index_problem(b"", algorithm))
    assert "checksum" in str(index_problem(sound[:11] + b"\1" + sound[12:], algorithm))
    assert "DIRC" in str(index_problem(b"X" + sound[1:], algorithm))


def test_a_pack_index_says_where_an_id_would_be() -> None:
    ids = sorted(bytes([first]) + bytes([n] * 19) for first, n in ((0, 1), (7, 1), (7, 2), (255, 9)))
    fan = [sum(i[0] <= first for i in ids) for first in range(256)]
    head = b"\xfftOc" + struct.pack(">I256I", 2, *fan)
    assert len(head) == IDX_HEAD_BYTES
    assert idx_bucket(head, ids[0].hex()) == (0, 1, 4)
    assert idx_bucket(head, ids[2].hex()) == (1, 3, 4)
    assert idx_bucket(head, "08" + "0" * 38) == (3, 3, 4)
    assert idx_position(b"".join(ids[1:3]), ids[2].hex()) == 1
    assert idx_position(b"".join(ids[1:3]), ids[0].hex()) is None
    assert idx_position(b"", ids[0].hex()) is None

    assert idx_bucket(b"version 1 index" + head, ids[0].hex()) is None
    assert idx_bucket(head[:-1], ids[0].hex()) is None


def test_the_end_of_one_id_and_the_beginning_of_the_next_are_not_an_id() -> None:
    one = bytes(20)
    across = b"\2" * 10 + b"\1" * 10
    ids = one[:10] + b"\2" * 10 + b"\1" * 10 + one[:10] + across
    assert ids.find(across) == 10
    assert idx_position(ids, across.hex()) == 2
    assert idx_position(ids[:40], across.hex()) is None
