"""What one git mode is: a line of a table and a small function that turns a look at the clone into edits."""

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.gitobjects import MalformedError, printable
from daemon.core.model import EMPTY, Json, Mode, Order, Undo
from daemon.core.seams import World
from faults.git import packed_since, place
from faults.git.kinds import Dress, Edit, FileEdit, Hold, Make, Move, Patch, creates
from faults.git.records import Directory, Record, digest_names
from faults.git.sight import Look
from faults.git.victim import choose_clone, open_remote


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What a mode's function decided: the edits, and a sentence and details for people.

    ``anchor`` is the path of the edit that stands for all of them (``Record.anchor``).
    """

    edits: tuple[Edit, ...]
    action: str
    victim: Mapping[str, Json] = field(default_factory=lambda: EMPTY)
    anchor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the catalogue.

    ``fails``: what then fails, and how. ``fsck``: does ``git fsck`` see it. ``repair``: how a worker can heal it.
    ``silent``: commands succeed with wrong content. ``harmless``: nothing goes wrong, which a probe should know.
    ``tells``: a git command in which it shows, ``{...}`` standing for the victim's words, and ``says``, part of
    what it then says. ``seen``: the finding by which git-health or git-integrity names it.
    ``often``: how common it is in real life (``daily``, ``common``, ``seen``, ``rare``).
    ``remote``: what is struck is the repository that is the clone's origin. ``rights``: root does not notice.
    """

    name: str
    summary: str
    fails: str
    repair: str
    scheme: Callable[[Look], Scheme]
    tells: str
    seen: str
    says: str = ""
    often: str = "rare"
    fsck: bool = False
    silent: bool = False
    harmless: bool = False
    remote: bool = False
    rights: bool = False


def modes(entries: tuple[Entry, ...]) -> tuple[Mode, ...]:
    """Return the table as the vocabulary knows it."""
    return tuple(
        Mode(
            entry.name,
            entry.summary,
            entry.silent,
            {
                "fails": entry.fails,
                "repair": entry.repair,
                "fsck": "yes" if entry.fsck else "no",
                "seen": entry.seen,
                "often": entry.often,
            },
        )
        for entry in entries
    )


def prepare(fault: str, entry: Entry, parameters: Any, order: Order, world: World) -> Undo:
    """Choose clone and victim with the order's dice and write down the undo record; touches nothing."""
    worker = choose_clone(order, world.files)
    look = Look(
        world=world,
        clone=open_remote(order, worker, world.files) if entry.remote else worker,
        worker=worker,
        dice=order.dice,
        parameters=parameters,
        injection=order.injection,
        now_ns=int(world.clock.instant().wall_s * 1e9),
    )
    try:
        scheme = entry.scheme(look)
    except MalformedError as error:
        raise TargetAbsentError(
            f"nothing was touched: what should be struck is damaged already, or not to be read here: {error}",
            hint="`git fsck` tells; mend it first, or name something else",
        ) from None
    scheme = replace(scheme, action=printable(scheme.action), victim=_shown(scheme.victim))
    _expect_no_fetch(look, scheme)
    record = _record(look, scheme, world)
    first = look.clone.shown(scheme.edits[0].path)
    victim: dict[str, Json] = {"repository": worker.root, "path": first, **scheme.victim}
    if entry.remote:
        victim["remote"] = look.clone.root
    actions = (f"{scheme.action} in {look.clone.root}", f"then: {entry.fails}")
    return Undo(fault=fault, mode=entry.name, victim=victim, actions=actions, data=record.dump())


def _shown(victim: Mapping[str, Json]) -> dict[str, Json]:
    """Return what is told and journalled: names that are not UTF-8 could not be."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in victim.items()}


def _expect_no_fetch(look: Look, scheme: Scheme) -> None:
    """Refuse to damage objects of a partial clone.

    git fetches anew what the remote has; for what it has not, the fetch asks for the object itself, and git starts
    itself again and again until the machine has no process left (seen with git 2.39: 4,000 in a minute).
    """
    objects = look.clone.path("objects") + "/"
    struck = (edit for edit in scheme.edits if edit.path.startswith(objects) and not edit.path.endswith(".lock"))
    if look.clone.partial and any(_damages(edit) for edit in struck):
        raise look.refused(
            "in a partial clone git fetches a damaged object anew, or starts itself without end",
            "partial-clone",
            "use a whole clone, or a mode that strikes index, refs, HEAD or configuration",
        )


def _damages(edit: Edit) -> bool:
    """Tell whether an edit below ``objects`` takes something away; an object that is sound and new does not."""
    match edit:
        case FileEdit():
            return edit.before is not None or not edit.immutable
        case Dress():
            return edit.before.kind == "file"
        case _:
            return isinstance(edit, Patch | Move)


def _record(look: Look, scheme: Scheme, world: World) -> Record:
    edits = tuple(_named(look, edit, number) for number, edit in enumerate(scheme.edits))
    paths = [edit.path for edit in edits if not isinstance(edit, Hold)]
    changing = [edit.path for edit in edits if _changes_directory(edit)]
    locks = [edit.lock for edit in edits if isinstance(edit, FileEdit) and edit.guarded]
    moved = [edit for edit in edits if isinstance(edit, Move)]
    kept = [edit.kept for edit in moved]
    made = tuple(dict.fromkeys(path for edit in edits for path in _missing(look, edit, paths)))
    sentinel = _sentinel(look, edits, made)
    parents = dict.fromkeys(posixpath.dirname(path) for path in (*made, *changing, *kept, *locks, *sentinel))
    existing = {path: stat for path in parents if (stat := look.files.lstat(path)) is not None}
    folders = {path: stat for path, stat in existing.items() if stat.kind == "directory"}
    clone, home, inode = look.clone, *_home(look, (*paths, *kept))
    ends = (posixpath.dirname(path) for edit in moved for path in (edit.path, edit.kept))
    roots = {clone.root, clone.common, clone.git_dir, *ends} - {home}
    return Record(
        injection=look.injection,
        git_dir=home,
        inode=inode,
        edits=edits,
        directories=tuple(
            Directory(path=path, mtime_ns=stat.mtime_ns, names=digest_names(look.files.names(path)))
            for path, stat in folders.items()
        ),
        sentinel=sentinel[0] if sentinel else "",
        made=made,
        place=place.note(home, world),
        made_like=replace(next(iter(folders.values())), mtime_ns=look.now_ns) if made else None,
        roots=tuple(sorted(roots)),
        anchor=scheme.anchor,
        noted_ns=look.now_ns,
    )


def _home(look: Look, paths: Sequence[str]) -> tuple[str, int]:
    """Return the directory whose end is the end of what is changed, and its inode.

    A linked work tree may be removed while what it shares with the others is still damaged.
    """
    clone = look.clone
    inside = (f"{clone.git_dir}/", f"{clone.root}/")
    if all(f"{path}/".startswith(inside) for path in paths):
        return clone.git_dir, clone.inode
    found = look.files.lstat(clone.common)
    if found is None:
        raise TargetAbsentError(f"nothing was touched: {clone.common} went away while it was looked at")
    return clone.common, found.inode


def _named(look: Look, edit: Edit, number: int) -> Edit:
    """Give an edit its temporary name; raises RefusedError when git holds its lock."""
    if isinstance(edit, FileEdit) and edit.guarded and look.node(edit.lock) is not None:
        raise RefusedError(
            f"not injecting: {look.clone.shown(edit.lock)} is already there in {look.clone.root}",
            rule="locked",
            hint="git is at work here, or died: see whether a git process still runs",
        )
    if isinstance(edit, FileEdit) and edit.before is None:
        edit = replace(edit, shadowed=packed_since.shadowed(look.clone.common, edit.path, look.world))
    if isinstance(edit, FileEdit | Make | Patch):
        return replace(edit, temporary=_temporary(look, edit.path, number))
    return edit


def _changes_directory(edit: Edit) -> bool:
    """Tell whether making the edit gives the directory it lies in a new time."""
    in_place = isinstance(edit, Dress) or (isinstance(edit, Patch) and not edit.source)
    return not in_place and not isinstance(edit, Hold)


def _sentinel(look: Look, edits: tuple[Edit, ...], made: tuple[str, ...]) -> tuple[str, ...]:
    """Name a file in another directory than those of what is created; none is needed when nothing is."""
    created = {posixpath.dirname(path) for path in (*made, *(edit.path for edit in edits if creates(edit)))}
    if not created:
        return ()
    gone = {edit.path for edit in edits if isinstance(edit, Move)}
    clone = look.clone
    choice = (clone.git_dir, *(clone.path(name) for name in ("refs", "objects", "info", "hooks", "logs")))
    there = [path for path in choice if not any(f"{path}/".startswith(f"{away}/") for away in gone)]
    free = [path for path in there if path not in created and look.files.lstat(path) is not None]
    return (_temporary(look, posixpath.join(free[0], "x"), "s"),) if free else ()


def _missing(look: Look, edit: Edit, paths: list[str]) -> tuple[str, ...]:
    """Return the directories above a path that do not exist and that no edit makes, outermost first."""
    missing: list[str] = []
    path = edit.path
    if isinstance(edit, Hold):
        return ()
    while look.files.lstat(path := posixpath.dirname(path)) is None and path not in paths:
        if path == look.clone.git_dir:
            raise TargetAbsentError(f"nothing was touched: {path} is gone all of a sudden")
        missing.insert(0, path)
    return tuple(missing)


def _temporary(look: Look, path: str, number: int | str) -> str:
    """Name a temporary file so that git does not see it: not as a ref, and not as a damaged object."""
    directory = posixpath.dirname(path)
    word = "tmp_obj_chaosd" if directory.startswith(look.clone.path("objects")) else ".chaosd"
    return posixpath.join(directory, f"{word}-{re.sub(r'[^A-Za-z0-9-]', '-', look.injection)}-{number}")
