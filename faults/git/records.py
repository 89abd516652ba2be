"""The undo record of git faults: what each file was, what is done to it, and where traces could be left."""

import base64
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from daemon.core.errors import RefusedError
from daemon.core.model import Json
from daemon.core.seams import FileStat

_STAT_FIELDS = ("mode", "mtime_ns", "uid", "gid", "inode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a file's content is changed. ``action``: ``truncate``, ``flip``, ``write`` or ``unlink``."""

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
    ``immutable``: the name is the hash of the content, so the good bytes may be put back whenever they are gone.
    """

    path: str
    before: Snapshot | None
    like: FileStat
    recipe: Recipe
    temporary: str
    guarded: bool = False
    immutable: bool = False

    @property
    def lock(self) -> str:
        return f"{self.path}.lock"

    @property
    def rehearsal(self) -> str:
        """A second temporary name: there it is tried whether a deleted file could be put back."""
        return f"{self.temporary}-r"

    @property
    def after(self) -> bytes | None:
        return self.recipe.apply(self.before.content if self.before else b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A directory as it was before: its mtime is given back once it holds the same names again."""

    path: str
    mtime_ns: int
    names: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All of one injection.

    ``place`` says where the clone stood (``place.note``).
    ``made`` lists directories to be made first, outermost first. ``sentinel`` is a file that exists while a
    revert removes a file we created, in another directory than that one.
    """

    injection: str
    git_dir: str
    inode: int
    edits: tuple[FileEdit, ...]
    directories: tuple[Directory, ...]
    sentinel: str
    made: tuple[str, ...] = ()
    made_like: FileStat | None = None
    place: Mapping[str, Json] | None = None

    @property
    def sentinel_temporary(self) -> str:
        return f"{self.sentinel}-t" if self.sentinel else ""

    @property
    def mark(self) -> bytes:
        """The content of every lock file we create: git never reads it, and we know it again."""
        return f"chaosd {self.injection}\n".encode()

    @property
    def touched(self) -> tuple[str, ...]:
        """Every path that injecting or reverting may change."""
        edits = (path for edit in self.edits for path in (edit.path, edit.temporary))
        directories = (directory.path for directory in self.directories)
        return (*edits, *directories, *self.made, *((self.sentinel,) if self.sentinel else ()))

    def dump(self) -> dict[str, Json]:
        """Return JSON-ready data."""
        return {
            "injection": self.injection,
            "git_dir": self.git_dir,
            "inode": self.inode,
            "edits": [_dump_edit(edit) for edit in self.edits],
            "directories": [asdict(directory) for directory in self.directories],
            "sentinel": self.sentinel,
            "made": list(self.made),
            "made_like": None if self.made_like is None else _dump_stat(self.made_like),
            "place": None if self.place is None else dict(self.place),
        }

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        like = data["made_like"]
        record = cls(
            injection=data["injection"],
            git_dir=data["git_dir"],
            inode=data["inode"],
            edits=tuple(_load_edit(edit) for edit in data["edits"]),
            directories=tuple(Directory(**directory) for directory in data["directories"]),
            sentinel=data["sentinel"],
            made=tuple(data["made"]),
            made_like=None if like is None else _load_stat(like, kind="directory", size=0),
            place=data.get("place"),  # absent in records of older versions
        )
        for path in record.touched:
            if not _below(path, record.git_dir):
                raise RefusedError(
                    f"not touched: the undo record of {record.injection} names {path}, outside of {record.git_dir}",
                    rule="allow-list",
                    hint="the journal was written by somebody else; look at it before anything is taken back",
                )
        return record


def _below(path: str, git_dir: str) -> bool:
    return path == git_dir or (path.startswith(f"{git_dir}/") and ".." not in path.split("/"))


def digest(content: bytes) -> str:
    """Return what stands for a content in the proof."""
    return hashlib.sha256(content).hexdigest()


def digest_names(names: tuple[str, ...]) -> str:
    """Return what stands for the sorted names in a directory."""
    return digest("\0".join(names).encode("utf-8", "surrogateescape"))


def _dump_edit(edit: FileEdit) -> dict[str, Json]:
    before: dict[str, Json] | None = None
    if edit.before is not None:
        content = edit.before.content
        before = _dump_stat(edit.before.stat)
        before |= {"size": len(content), "sha256": digest(content), "content": _pack(content)}
    recipe: dict[str, Json] = {f.name: getattr(edit.recipe, f.name) for f in fields(Recipe)}
    return {
        "path": edit.path,
        "before": before,
        "like": _dump_stat(edit.like),
        "recipe": recipe | {"content": _pack(edit.recipe.content)},
        "temporary": edit.temporary,
        "guarded": edit.guarded,
        "immutable": edit.immutable,
    }


def _load_edit(data: Mapping[str, Any]) -> FileEdit:
    before = None
    if data["before"] is not None:
        content = _unpack(data["before"]["content"])
        before = Snapshot(stat=_load_stat(data["before"], kind="file", size=len(content)), content=content)
    return FileEdit(
        path=data["path"],
        before=before,
        like=_load_stat(data["like"], kind="file", size=0),
        recipe=Recipe(**{**data["recipe"], "content": _unpack(data["recipe"]["content"])}),
        temporary=data["temporary"],
        guarded=data["guarded"],
        immutable=data["immutable"],
    )


def _dump_stat(stat: FileStat) -> dict[str, Json]:
    return {name: getattr(stat, name) for name in _STAT_FIELDS}


def _load_stat(data: Mapping[str, Any], *, kind: str, size: int) -> FileStat:
    return FileStat(kind=kind, size=size, links=1, **{name: data[name] for name in _STAT_FIELDS})


def _pack(content: bytes) -> str:
    # Level 1: loose objects are compressed already, and an index of 200,000 files should not cost a second.
    return base64.b64encode(zlib.compress(content, 1)).decode()


def _unpack(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
