"""What a clone's checked-out commit reaches by way of loose objects, and whether a pack holds them as well."""

import posixpath
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from daemon.core.gitclone import Clone
from daemon.core.gitobjects import (
    ID_BYTES,
    IDX_HEAD_BYTES,
    SUBMODULE,
    MalformedError,
    commit_links,
    idx_bucket,
    idx_position,
    object_id,
    tree_entries,
    verify_loose,
)
from daemon.core.seams import Files, FileStat

_ALTERNATES_MAX = 8
_VISITS_MAX = 20_000
NAMES_MAX = 100_000  # a name that is shared costs 8 bytes, one of its own about 250
_DIRECTORIES_MAX = 1_000


class Named(NamedTuple):  # thousands are made: half the cost of a frozen dataclass
    """An object and what names it: a file's path, a directory, or a commit's distance from the tip."""

    id: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Loose:
    """An object that lies in a file of its own."""

    named: Named
    stat: FileStat


@dataclass(frozen=True, slots=True)
class Walk:
    """What is reachable from a tip by way of loose objects.

    ``elsewhere`` is named by them but not loose (packed, borrowed, or missing). ``damaged`` could not be read on.
    """

    loose: tuple[Loose, ...]
    elsewhere: tuple[Named, ...]
    damaged: tuple[tuple[Loose, str], ...]


class Names:
    """Remembers what objects name, by id, which never goes stale.

    Holds at most ``most`` names; beyond that, what was asked for longest ago is forgotten. A commit changes few of
    a directory's entries: those it has in common with the version seen before are held once.
    """

    def __init__(self, most: int = NAMES_MAX) -> None:
        self._most = most
        self._held = 0
        self._of: OrderedDict[str, tuple[Named, ...]] = OrderedDict()
        self._last: dict[str, tuple[Named, ...]] = {}

    def __len__(self) -> int:
        """Return how many names are held, counting each object as one more."""
        return self._held

    def get(self, identity: str) -> tuple[Named, ...] | None:
        """Return what an object names, None when it is not remembered."""
        found = self._of.get(identity)
        if found is not None:
            self._of.move_to_end(identity)
        return found

    def put(self, identity: str, place: str, named: Iterable[Named]) -> tuple[Named, ...]:
        """Remember and return what an object, not remembered yet, names; ``place`` is the directory it is."""
        alike = {one: one for one in self._last.get(place, ())}
        kept = tuple(alike.get(one, one) for one in named)
        if len(self._last) >= _DIRECTORIES_MAX:
            self._last.clear()
        self._last[place] = self._of[identity] = kept
        self._held += 1 + len(kept)
        while self._held > self._most:
            self._drop()
        return kept

    def limit(self, objects: int) -> None:
        """Forget all but so many objects, those asked for last."""
        while len(self._of) > objects:
            self._drop()

    def _drop(self) -> None:
        _, oldest = self._of.popitem(last=False)
        self._held -= 1 + len(oldest)


def packed(files: Files, clone: Clone, identity: str) -> bool:
    """Tell whether a pack holds this object, alternates included: git then never asks for the loose file."""
    return any(_in_idx(files, clone, path, identity) for path in _pack_indexes(files, clone))


def _pack_indexes(files: Files, clone: Clone) -> Iterator[str]:
    stores, seen = deque([clone.path("objects")]), 0
    while stores and seen < _ALTERNATES_MAX:
        store = stores.popleft()
        seen += 1
        pack = posixpath.join(store, "pack")
        yield from (posixpath.join(pack, name) for name in files.names(pack) if name.endswith(".idx"))
        more = posixpath.join(store, "info", "alternates")
        if files.lstat(more):
            lines = files.read(more).decode("utf-8", "surrogateescape").splitlines()
            stores.extend(
                posixpath.normpath(posixpath.join(store, line)) for line in lines if line[:1] not in ("", "#")
            )


def _in_idx(files: Files, clone: Clone, path: str, identity: str) -> bool:
    size = ID_BYTES[clone.algorithm]
    bucket = idx_bucket(files.read(path, limit=IDX_HEAD_BYTES), identity)
    if bucket is None:
        return False
    first, end, _ = bucket
    ids = files.read(path, offset=IDX_HEAD_BYTES + first * size, limit=(end - first) * size)
    return idx_position(ids, identity) is not None


def walk_loose(files: Files, clone: Clone, start: str, *, lookups: int, known: Names | None = None) -> Walk:
    """Walk from a commit to what it reaches, nearest first, following loose objects only.

    Costs at most ``lookups`` looks at files, however large the repository. ``known`` saves reading objects again.
    """
    known = Names() if known is None else known
    prefixes = frozenset(files.names(clone.path("objects")))
    shallow = border(files, clone)
    todo = deque([Named(start, "commit", "HEAD")])
    seen = {start, object_id(clone.algorithm, "tree", b"")}  # the empty tree need not exist as a file
    loose, elsewhere, damaged = [], [], []
    visits = 0
    while todo and lookups > 0 and visits < _VISITS_MAX:
        named, visits = todo.popleft(), visits + 1
        looked = named.id[:2] in prefixes
        lookups -= looked
        stat = files.lstat(clone.object_path(named.id)) if looked else None
        if stat is None:
            elsewhere.append(named)
            continue
        loose.append(found := Loose(named, stat))
        try:
            children = _children(files, clone, named, known)
        except MalformedError as error:
            damaged.append((found, str(error)))
            continue
        below = named.name.rstrip("/") if named.kind == "tree" else named.name
        for child in children:
            if child.id not in seen and not (child.kind == "commit" and named.id in shallow):
                seen.add(child.id)
                todo.append(Named(child.id, child.kind, _name(below, child)))
    return Walk(tuple(loose), tuple(elsewhere), tuple(damaged))


def border(files: Files, clone: Clone) -> frozenset[str]:
    """Return the commits whose parents were left out on purpose."""
    path = clone.path("shallow")
    return frozenset(files.read(path).decode("ascii", "replace").split()) if files.lstat(path) else frozenset()


def _children(files: Files, clone: Clone, named: Named, known: Names) -> tuple[Named, ...]:
    """Return what an object names; raises MalformedError, and TargetAbsentError when it vanished meanwhile."""
    if named.kind == "blob":
        return ()
    found = known.get(named.id)
    if found is None:
        place = named.name if named.kind == "tree" else ""
        found = known.put(named.id, place, _parse(clone, named, files.read(clone.object_path(named.id))))
    return found


def _parse(clone: Clone, named: Named, data: bytes) -> tuple[Named, ...]:
    found = verify_loose(clone.algorithm, named.id, data)
    if found.kind != named.kind:
        raise MalformedError(f"it is a {found.kind}, a {named.kind} was expected")
    if named.kind == "commit":
        tree, parents = commit_links(found.payload, clone.algorithm)
        return (Named(tree, "tree", "/"), *(Named(parent, "commit", "") for parent in parents))
    return tuple(
        Named(entry.id, entry.kind, entry.name)
        for entry in tree_entries(found.payload, clone.algorithm)
        if entry.mode != SUBMODULE
    )


def _name(above: str, child: Named) -> str:
    """Name a child for people. By which way a merge was crossed does not matter to them."""
    if child.kind == "commit":
        return f"HEAD~{int(above.partition('~')[2] or 0) + 1}"
    return child.name if child.name == "/" else posixpath.join(above, child.name)
