"""Damage to the bytes of the index."""

from collections.abc import Callable

from daemon.core import gitindex
from daemon.core.gitobjects import ID_BYTES
from faults.git.entry import Scheme
from faults.git.kinds import Recipe
from faults.git.sight import Look
from faults.git.staging import (
    row,
)

_INDEX_BYTES_MAX = 31


def _bytes(recipe: Callable[[Look, bytes], Recipe | bytes], action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        path = look.clone.path("index")
        return Scheme(
            edits=(look.rewrite(path, recipe(look, look.snapshot(path).content), guarded=True),), action=action
        )

    return scheme


def _truncate(look: Look, content: bytes) -> Recipe:
    return Recipe(action="truncate", size=look.dice.randrange(1, min(_INDEX_BYTES_MAX, len(content)) + 1))


def _half(_look: Look, content: bytes) -> Recipe:
    return Recipe(action="truncate", size=len(content) // 2)


def _delete(_look: Look, _content: bytes) -> Recipe:
    return Recipe(action="unlink")


def _zeros(_look: Look, content: bytes) -> bytes:
    return bytes(len(content))


def _signature(look: Look, _content: bytes) -> Recipe:
    return Recipe(action="flip", offset=look.dice.randrange(4), bit=look.dice.randrange(7))


def _checksum(look: Look, content: bytes) -> Recipe:
    return Recipe(action="flip", offset=len(content) - 1 - look.dice.randrange(20), bit=look.dice.randrange(8))


def _count(look: Look, content: bytes) -> bytes:
    body = content[: -ID_BYTES[look.clone.algorithm]]
    count = int.from_bytes(body[8:12], "big") + 1
    return gitindex.signed(look.clone.algorithm, body[:8] + count.to_bytes(4, "big") + body[12:])


def _unknown_extension(look: Look, content: bytes) -> bytes:
    body = content[: -ID_BYTES[look.clone.algorithm]]
    return gitindex.signed(look.clone.algorithm, body + b"zzzz" + (4).to_bytes(4, "big") + b"data")


def _unreadable(look: Look) -> Scheme:
    return Scheme(edits=look.chmod(look.clone.path("index"), 0), action="take all rights to .git/index away")


def _directory(look: Look) -> Scheme:
    edits = look.directory_instead(look.clone.path("index"))
    return Scheme(edits=edits, action="put a directory in the place of .git/index")


_DIES = "status, add, commit, checkout and stash die with"


ENTRIES = (
    row(
        "index-truncate",
        "cut the index off within its header",
        f"{_DIES} 'index file smaller than expected'",
        _bytes(_truncate, "leave only a few bytes of .git/index"),
        says="index file smaller than expected",
        fsck=True,
    ),
    row(
        "index-half",
        "cut the index off in the middle",
        "fsck says 'index file corrupt'; status and add die, or read a part of the files as deleted",
        _bytes(_half, "cut .git/index off in the middle"),
        fsck=True,
        tells="fsck",
    ),
    row(
        "index-missing",
        "delete the index",
        "nothing: status calls every file deleted and untracked, commit deletes what is not added",
        _bytes(_delete, "delete .git/index"),
        repair="git reset",
        silent=True,
        often="common",
    ),
    row(
        "index-zeros",
        "fill the index with zeros, as a file system does after a crash",
        f"{_DIES} 'bad signature 0x00000000'",
        _bytes(_zeros, "fill .git/index with zeros"),
        says="bad signature",
        fsck=True,
        often="common",
    ),
    row(
        "index-signature",
        "flip one bit of the index's signature",
        f"{_DIES} 'bad signature'",
        _bytes(_signature, "flip one bit of the signature of .git/index"),
        says="bad signature",
        fsck=True,
    ),
    row(
        "index-checksum",
        "flip one bit of the index's checksum",
        "only fsck: 'bad index file sha1 signature'; any command that writes the index heals it",
        _bytes(_checksum, "flip one bit of the checksum of .git/index"),
        tells="fsck",
        says="index",
        fsck=True,
        often="seen",
    ),
    row(
        "index-count",
        "let the index's header name one entry too many",
        "commit and stash fail: an entry is read from what lies behind the last one",
        _bytes(_count, "add one to the number of entries in .git/index"),
        tells="write-tree",
        fsck=True,
    ),
    row(
        "index-extension",
        "add an extension that git does not know and may not ignore",
        f"{_DIES} 'index uses zzzz extension, which we do not understand'",
        _bytes(_unknown_extension, "add an unknown extension to .git/index"),
        says="extension",
        fsck=True,
    ),
    row(
        "index-unreadable",
        "take all rights to the index away; a worker that is root does not notice",
        f"{_DIES} 'index file open failed: Permission denied'",
        _unreadable,
        says="index file open failed",
        repair="chmod 644 the file",
        seen="permission-lost",
        rights=True,
        fsck=True,
    ),
    row(
        "index-directory",
        "put a directory in the place of the index",
        f"{_DIES} 'cannot read ... Is a directory' or 'unable to map index file'",
        _directory,
        repair="rm -r .git/index && git reset",
        fsck=True,
    ),
)
