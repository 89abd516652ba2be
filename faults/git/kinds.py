"""What one edit of a git fault can be. Each is plain data: enough to make it, and to take it back by comparing."""

import posixpath
from dataclasses import dataclass

from daemon.core.seams import FileStat, Piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a file's content is changed. ``action``: ``truncate``, ``flip``, ``write``, ``splice`` or ``unlink``.

    ``splice`` replaces ``size`` bytes at ``offset`` by ``content``.
    """

    action: str
    size: int = 0
    offset: int = 0
    bit: int = 0
    content: bytes = b""

    def apply(self, content: bytes) -> bytes | None:
        """Return the content afterwards; None when the file is to be gone."""
        match self.action:
            case "truncate":
                return content[: self.size]
            case "flip":
                flipped = content[self.offset] ^ (1 << self.bit)
                return content[: self.offset] + bytes((flipped,)) + content[self.offset + 1 :]
            case "splice":
                return content[: self.offset] + self.content + content[self.offset + self.size :]
            case "write":
                return self.content
            case "unlink":
                return None
            case _:
                raise ValueError(f"unknown action {self.action!r} in an undo record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a file was: its stat and its whole content."""

    stat: FileStat
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdit:
    """One file's change.

    ``before`` None means absent; ``like`` is the stat the changed file gets. ``guarded``: hold git's own lock
    of this file while comparing and replacing, so that nothing git writes at that moment is lost.
    ``lock_path`` names that lock when it is another than ``PATH.lock``.
    ``immutable``: the name is the hash of the content, so the good bytes may be put back whenever they are gone.
    ``merge``: how our change is taken out of a file that the worker has changed since: ``log`` (lines are only
    added at its end), ``text`` (our lines are still there, once), ``index``, ``packed-refs``, ``config``; empty:
    it is then left alone.
    ``shadowed``: of a ref without a file, what a file would hold that says the same as its line in packed-refs.
    ``algorithm`` is the hash of the ids in an index: a checksum that we left wrong does not tell it.
    """

    path: str
    before: Snapshot | None
    like: FileStat
    recipe: Recipe
    temporary: str = ""
    guarded: bool = False
    immutable: bool = False
    merge: str = ""
    lock_path: str = ""
    algorithm: str = ""
    shadowed: bytes = b""

    @property
    def lock(self) -> str:
        return self.lock_path or f"{self.path}.lock"

    @property
    def lock_temporary(self) -> str:
        """The temporary name of the lock, beside it."""
        if not self.lock_path:
            return self.temporary
        return f"{posixpath.dirname(self.lock)}/{posixpath.basename(self.temporary)}-l"

    @property
    def rehearsal(self) -> str:
        """A second temporary name: there it is tried whether a deleted file could be put back."""
        return f"{self.temporary}-r"

    @property
    def after(self) -> bytes | None:
        return self.recipe.apply(self.before.content if self.before else b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A file or directory of any size gets another name, ``kept``, and its old name back.

    ``joins`` (``refs``, ``logs``, ``objects``): when git has made the directory anew,
    what it holds is put back beside that.
    """

    path: str
    kept: str
    stat: FileStat
    joins: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """Something that is no plain file is made: ``directory``, or what ``Files.make_special`` knows."""

    path: str
    what: str
    like: FileStat
    temporary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dress:
    """Mode and owner of a file or directory change; its content stays."""

    path: str
    before: FileStat
    after: FileStat


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A few bytes of a large file change, in place; with a ``source``, in a copy of it that is made at ``path``."""

    path: str
    before: FileStat
    pieces: tuple[Piece, ...]
    source: str = ""
    temporary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A process of ours holds something, at most ``seconds`` long. ``path`` is what the record calls it."""

    path: str
    mark: str
    what: str
    arguments: tuple[str, ...]
    seconds: float


Edit = FileEdit | Move | Make | Dress | Patch | Hold


def creates(edit: Edit) -> bool:
    """Tell whether an edit makes something at a path at which nothing was."""
    made = isinstance(edit, FileEdit) and edit.before is None
    return made or isinstance(edit, Make) or (isinstance(edit, Patch) and bool(edit.source))
