"""The undo record of git faults: what each file was, what is done to it, and where traces could be left."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from daemon.core.errors import RefusedError
from daemon.core.model import Json
from daemon.core.seams import FileStat
from faults.git import packing
from faults.git.kinds import Edit, FileEdit, Hold, Make, Move, Patch


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
    revert removes a file we created, in another directory than that one. ``roots`` are the directories besides
    ``git_dir`` in which the edits may lie: work tree, common directory. ``anchor`` is the path of the edit that
    stands for all: when the worker has changed that file, everything is left alone. ``noted_ns``: when all this was
    noted, before anything was touched; 0 where an older version did not say.
    """

    injection: str
    git_dir: str
    inode: int
    edits: tuple[Edit, ...]
    directories: tuple[Directory, ...]
    sentinel: str
    made: tuple[str, ...] = ()
    made_like: FileStat | None = None
    place: Mapping[str, Json] | None = None
    roots: tuple[str, ...] = ()
    anchor: str = ""
    noted_ns: int = 0

    @property
    def sentinel_temporary(self) -> str:
        return f"{self.sentinel}-t" if self.sentinel else ""

    @property
    def mark(self) -> bytes:
        """The content of every lock file we create: git never reads it, and we know it again."""
        return f"chaosd {self.injection}\n".encode()

    @property
    def files(self) -> tuple[FileEdit, ...]:
        return tuple(edit for edit in self.edits if isinstance(edit, FileEdit))

    @property
    def ballast(self) -> tuple[str, ...]:
        """The temporary names under which a file that fills the disk may be there."""
        return tuple(e.temporary for e in self.edits if isinstance(e, Make) and e.what == "ballast")

    @property
    def temporaries(self) -> tuple[str, ...]:
        """The paths at which a death in the middle can leave something of ours."""
        found = [path for edit in self.files for path in (edit.temporary, edit.rehearsal, edit.lock_temporary)]
        return (
            *found,
            *(edit.temporary for edit in self.edits if isinstance(edit, Make | Patch) and edit.temporary),
        )

    @property
    def touched(self) -> tuple[str, ...]:
        """Every path that injecting or reverting may change."""
        edits = (edit.path for edit in self.edits if not isinstance(edit, Hold))
        kept = (edit.kept for edit in self.edits if isinstance(edit, Move))
        directories = (directory.path for directory in self.directories)
        sentinel = (self.sentinel,) if self.sentinel else ()
        return (*edits, *kept, *self.temporaries, *directories, *self.made, *sentinel)

    def dump(self) -> dict[str, Json]:
        """Return JSON-ready data."""
        return {
            "injection": self.injection,
            "git_dir": self.git_dir,
            "inode": self.inode,
            "edits": [packing.dump_edit(edit) for edit in self.edits],
            "directories": [asdict(directory) for directory in self.directories],
            "sentinel": self.sentinel,
            "made": list(self.made),
            "made_like": None if self.made_like is None else packing.dump_stat(self.made_like),
            "place": None if self.place is None else dict(self.place),
            "roots": list(self.roots),
            "anchor": self.anchor,
            "noted_ns": self.noted_ns,
        }

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        like = data["made_like"]
        record = cls(
            injection=data["injection"],
            git_dir=data["git_dir"],
            inode=data["inode"],
            edits=tuple(packing.load_edit(edit) for edit in data["edits"]),
            directories=tuple(Directory(**directory) for directory in data["directories"]),
            sentinel=data["sentinel"],
            made=tuple(data["made"]),
            made_like=None if like is None else packing.load_stat(like, kind="directory", size=0),
            # absent in records of older versions
            place=data.get("place"),
            roots=tuple(data.get("roots", ())),
            anchor=data.get("anchor", ""),
            noted_ns=data.get("noted_ns", 0),
        )
        for path in record.touched:
            if not any(_below(path, root) for root in (record.git_dir, *record.roots)):
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
