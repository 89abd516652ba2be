"""What one git mode is: a line of a table and a small function that turns a look at the clone into file edits."""

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.gitclone import Clone, outside
from daemon.core.model import EMPTY, Json, Mode, Order, Undo
from daemon.core.seams import Files, FileStat, World
from faults.git import place
from faults.git.records import Directory, FileEdit, Recipe, Record, Snapshot, digest_names
from faults.git.victim import choose_clone

_SAVED_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All a mode's function may use: the clone, dice, the fault's parameters, and how to look at files."""

    files: Files
    clone: Clone
    dice: Random
    parameters: Any
    injection: str
    now_ns: int

    @property
    def mark(self) -> bytes:
        return f"chaosd {self.injection}\n".encode()

    def stat(self, path: str) -> FileStat | None:
        """Return a file's stat, or None; raises when it leads out of the clone or is no plain file."""
        real = self.files.resolve(path)
        if not real.startswith(f"{self.clone.root}/"):
            raise outside(path, self.clone.root)
        found = self.files.lstat(path)
        if found is not None and found.kind != "file":
            raise TargetAbsentError(f"nothing was touched: {path} is a {found.kind}, not a plain file")
        return found

    def snapshot(self, path: str) -> Snapshot:
        """Return a file with its content; raises TargetAbsentError when it is absent or too large to be saved."""
        found = self.stat(path)
        if found is None:
            raise TargetAbsentError(f"nothing was touched: {path} does not exist")
        if found.size > _SAVED_BYTES_MAX:
            raise TargetAbsentError(
                f"nothing was touched: {path} has {found.size} bytes, more than an undo record may save",
                hint="choose another mode or another clone",
            )
        return Snapshot(stat=found, content=self.files.read(path, straight=True))

    def fresh(self, path: str) -> FileStat:
        """Return the stat a new file gets: mode and owner of ``path``, made now."""
        found = self.stat(path)
        if found is None:
            raise TargetAbsentError(f"nothing was touched: {path} does not exist")
        return replace(found, mtime_ns=self.now_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One file's change as a mode's function says it; the rest of the record follows from it."""

    path: str
    recipe: Recipe
    before: Snapshot | None
    like: FileStat
    guarded: bool = False
    immutable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What a mode's function decided: the changes, and a sentence and details for people."""

    changes: tuple[Change, ...]
    action: str
    victim: Mapping[str, Json] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the catalogue.

    ``fails``: what then fails, and how. ``fsck``: does ``git fsck`` see it. ``repair``: how a worker can heal it.
    """

    name: str
    summary: str
    fails: str
    repair: str
    fsck: bool
    scheme: Callable[[Look], Scheme]
    silent: bool = False


def modes(entries: tuple[Entry, ...]) -> tuple[Mode, ...]:
    """Return the table as the vocabulary knows it."""
    return tuple(Mode(entry.name, entry.summary, entry.silent) for entry in entries)


def prepare(fault: str, entry: Entry, parameters: Any, order: Order, world: World) -> Undo:
    """Choose clone and victim with the order's dice and write down the undo record; touches nothing."""
    clone = choose_clone(order, world.files)
    look = Look(
        files=world.files,
        clone=clone,
        dice=order.dice,
        parameters=parameters,
        injection=order.injection,
        now_ns=int(world.clock.instant().wall_s * 1e9),
    )
    scheme = entry.scheme(look)
    record = _record(look, scheme.changes, world)
    first = scheme.changes[0]
    victim: dict[str, Json] = {"repository": clone.root, "path": clone.shown(first.path), **scheme.victim}
    actions = (f"{scheme.action} in {clone.root}", f"then: {entry.fails}")
    return Undo(fault=fault, mode=entry.name, victim=victim, actions=actions, data=record.dump())


def _record(look: Look, changes: tuple[Change, ...], world: World) -> Record:
    made = tuple(path for change in changes for path in _missing(look, change.path))
    sentinel = _sentinel(look, changes)
    parents = dict.fromkeys(posixpath.dirname(path) for path in (*made, *(c.path for c in changes), *sentinel))
    existing = {path: stat for path in parents if (stat := look.files.lstat(path)) is not None}
    edits = tuple(_edit(look, change, number) for number, change in enumerate(changes))
    return Record(
        injection=look.injection,
        git_dir=look.clone.git_dir,
        inode=look.clone.inode,
        edits=edits,
        directories=tuple(
            Directory(path=path, mtime_ns=stat.mtime_ns, names=digest_names(look.files.names(path)))
            for path, stat in existing.items()
        ),
        sentinel=sentinel[0] if sentinel else "",
        made=made,
        place=place.note(look.clone.git_dir, world),
        made_like=replace(next(iter(existing.values())), mtime_ns=look.now_ns) if made else None,
    )


def _edit(look: Look, change: Change, number: int) -> FileEdit:
    edit = FileEdit(
        path=change.path,
        before=change.before,
        like=change.like,
        recipe=change.recipe,
        temporary=_temporary(look, change.path, number),
        guarded=change.guarded,
        immutable=change.immutable,
    )
    if edit.guarded and look.stat(edit.lock) is not None:
        raise RefusedError(
            f"not injecting: {look.clone.shown(edit.lock)} is already there in {look.clone.root}",
            rule="locked",
            hint="git is at work here, or died: see whether a git process still runs",
        )
    return edit


def _sentinel(look: Look, changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Name a file in another directory than those of the files created; none is needed when none is."""
    created = {posixpath.dirname(change.path) for change in changes if change.before is None}
    if not created:
        return ()
    directory = look.clone.git_dir if look.clone.git_dir not in created else look.clone.path("refs")
    return (_temporary(look, posixpath.join(directory, "x"), "s"),)


def _missing(look: Look, path: str) -> tuple[str, ...]:
    """Return the directories above a path that do not exist, outermost first."""
    missing: list[str] = []
    while look.files.lstat(path := posixpath.dirname(path)) is None:
        if path == look.clone.git_dir:
            raise TargetAbsentError(f"nothing was touched: {path} is gone all of a sudden")
        missing.insert(0, path)
    return tuple(missing)


def _temporary(look: Look, path: str, number: int | str) -> str:
    """Name a temporary file so that git does not see it: not as a ref, and not as a damaged object."""
    directory = posixpath.dirname(path)
    word = "tmp_obj_chaosd" if directory.startswith(look.clone.path("objects")) else ".chaosd"
    return posixpath.join(directory, f"{word}-{re.sub(r'[^A-Za-z0-9-]', '-', look.injection)}-{number}")
