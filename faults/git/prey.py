"""Which object is struck: reachable from the checked-out commit, chosen by dice, without git, never enumerated."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from daemon.core import gitpacks
from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import (
    SUBMODULE,
    MalformedError,
    commit_links,
    is_id,
    loose_problem,
    parse_loose,
    tree_entries,
)
from daemon.core.gitpacks import Place
from daemon.core.gitwalk import Loose, Named, border, packed, walk_loose
from daemon.core.seams import Files
from faults.git.kinds import Snapshot
from faults.git.sight import Look

KINDS = ("any", "commit", "tree", "blob")
_LOOKUPS = 512  # the objects nearest to the tip: what the worker's next command will read
_PACKED_LOOKUPS = 160  # reading one means resolving its deltas
_DESCENTS = 24  # before all that is near is looked at
_BACK = 4  # commits
_FAR_ENOUGH = 0.5  # how often a way ends at a directory
_OBJECT_BYTES_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class Packed:
    """An object that lies in a pack and in no loose file."""

    named: Named
    place: Place


def loose_object(
    look: Look, only: str = "any", fits: Callable[[bytes], bool] | None = None
) -> tuple[Loose, Snapshot]:
    """Choose a loose object by dice; passes over what git would not read and what is damaged already."""
    kind = _kind(look, only)
    candidates = _reachable(look, kind)
    while candidates:
        found = candidates.pop(look.dice.randrange(len(candidates)))
        if packed(
            look.files, look.clone, found.named.id
        ):  # a packed copy comes first: the damage would be invisible
            continue
        before = look.snapshot(look.clone.object_path(found.named.id))
        if loose_problem(look.clone.algorithm, found.named.id, before.content) is not None:
            continue
        if fits is None or fits(before.content):
            return found, before
    raise _no_loose_object(look.clone, kind)


def packed_object(look: Look, only: str = "any", fits: Callable[[Packed], bool] | None = None) -> Packed:
    """Choose a packed object by dice; raises TargetAbsentError when none near the tip fits."""
    kind = _kind(look, only)
    tried = set()
    for named in _candidates(look, kind):
        if named.id in tried or kind not in ("any", named.kind):
            continue
        tried.add(named.id)
        place = gitpacks.locate(look.files, look.clone, named.id)
        if place is None or look.files.lstat(look.clone.object_path(named.id)) is not None:
            continue
        one = Packed(named, place)
        if (fits is None or fits(one)) and _size_fits(look, one):
            return one
    raise TargetAbsentError(
        f"nothing was touched: no packed object that fits is near HEAD in {look.clone.root}",
        hint="`git repack -d` packs what is loose; or choose a loose-object mode",
    )


def _candidates(look: Look, kind: str) -> Iterator[Named]:
    """Yield the object that was asked for, or objects by dice: some ways down from the tip, then all near it."""
    wanted = str(_parameter(look, "object", "any"))
    if wanted not in KINDS:
        yield from _asked_for(look, wanted)
        return
    descents = _Descents(look)
    for _ in range(_DESCENTS):
        found = descents.one(kind)
        if found is not None:
            yield found
    near = [*walk(look, look.tip())]
    look.dice.shuffle(near)
    yield from near


def _asked_for(look: Look, identity: str) -> Iterator[Named]:
    found = gitpacks.read_object(look.files, look.clone, identity)
    if found is None:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no object {identity}")
    yield Named(identity, found.kind, identity)


class _Descents:
    """Ways from the tip to one object, by dice: each costs a few objects read, however large the repository."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._known: dict[str, tuple[Named, ...]] = {}
        self._ends = border(look.files, look.clone)

    def one(self, kind: str) -> Named | None:
        """Return where a way led; None when it led nowhere."""
        wanted = self._look.dice.choice(KINDS[1:]) if kind == "any" else kind
        try:
            commit = self._back()
            return commit if wanted == "commit" else self._down(commit, wanted)
        except MalformedError:
            return None

    def _back(self) -> Named:
        at = Named(self._look.tip(), "commit", "HEAD")
        for _ in range(
            self._look.dice.randrange(min(int(str(_parameter(self._look, "depth", 0))) or _BACK, _PACKED_LOOKUPS))
        ):
            at = self._look.dice.choice(self._below(at, "commit") or [at])
        return at

    def _down(self, commit: Named, wanted: str) -> Named | None:
        at, below = None, self._below(commit, "tree")
        while below:
            at = self._look.dice.choice(below)
            if at.kind == "blob" or (wanted == "tree" and self._look.dice.random() < _FAR_ENOUGH):
                break
            below = self._below(at, *dict.fromkeys(("tree", wanted)))
        return at

    def _below(self, named: Named, *kinds: str) -> list[Named]:
        if named.id not in self._known:
            self._known[named.id] = tuple(_children(self._look, named, self._ends))
        return [_below(named, child) for child in self._known[named.id] if child.kind in kinds]


def walk(look: Look, start: str, lookups: int = _PACKED_LOOKUPS, *, history: bool = True) -> Iterator[Named]:
    """Yield what a commit reaches, nearest first; costs at most ``lookups`` objects read.

    Without ``history`` only what is checked out with it.
    """
    todo, seen = deque([(Named(start, "commit", "HEAD"), 0)]), {start}
    ends = border(look.files, look.clone)
    most = int(str(_parameter(look, "depth", 0))) or lookups
    while todo and lookups > 0:
        named, depth = todo.popleft()
        lookups -= 1
        yield named
        if named.kind == "blob":
            continue
        try:
            children = list(_children(look, named, ends))
        except MalformedError:
            continue
        for child in children:
            deeper = depth + (child.kind == "commit")
            if child.kind == "commit" and not history:
                continue
            if child.id not in seen and deeper < most:
                seen.add(child.id)
                todo.append((_below(named, child), deeper))


def _below(named: Named, child: Named) -> Named:
    """Name what a tree names by its whole path."""
    above = named.name.strip("/") if named.kind == "tree" else ""
    return child._replace(name=f"{above}/{child.name}") if above else child


def _children(look: Look, named: Named, ends: frozenset[str]) -> Iterator[Named]:
    """Yield what an object names, by its name there; of the commits where a shallow clone ends, no parents.

    A name is a part of a path, not ``TreeEntry.name``: what is not UTF-8 in it comes back when a file is opened.
    """
    found = gitpacks.read_object(look.files, look.clone, named.id)
    if found is None or found.kind != named.kind:
        return
    if found.kind == "commit":
        tree, parents = commit_links(found.payload, look.clone.algorithm)
        yield Named(tree, "tree", "/")
        yield from (Named(parent, "commit", "ancestor") for parent in parents if named.id not in ends)
        return
    for entry in tree_entries(found.payload, look.clone.algorithm):
        if entry.mode != SUBMODULE:
            yield Named(entry.id, entry.kind, entry.raw.decode("utf-8", "surrogateescape"))


def _kind(look: Look, only: str) -> str:
    asked = str(_parameter(look, "object", "any"))
    if asked not in KINDS or asked == "any":
        return only
    if only not in ("any", asked):
        raise TargetAbsentError(f"nothing was touched: this mode strikes a {only}, not a {asked}")
    return asked


def _parameter(look: Look, name: str, default: object) -> object:
    return getattr(look.parameters, name, default)


def _size_fits(look: Look, one: Packed) -> bool:
    least, most = int(str(_parameter(look, "least_bytes", 0))), int(str(_parameter(look, "most_bytes", 0)))
    if not least and not most:
        return True
    size = gitpacks.entry_at(look.files, look.clone, one.place).size
    return size >= least and (not most or size <= most)


def _reachable(look: Look, kind: str) -> list[Loose]:
    """Return the loose objects of a kind near the checked-out commit, sorted by id; raises TargetAbsentError."""
    wanted, depth = str(_parameter(look, "object", "any")), int(str(_parameter(look, "depth", 0)))
    if wanted not in KINDS:
        return _loose_asked_for(look, kind, wanted)
    found = walk_loose(look.files, look.clone, look.tip(), lookups=_LOOKUPS)
    damaged = {one.named.id for one, _ in found.damaged}
    least, most = int(str(_parameter(look, "least_bytes", 0))), int(str(_parameter(look, "most_bytes", 0)))
    fitting = [
        one
        for one in found.loose
        if kind in ("any", one.named.kind)
        and one.named.id not in damaged
        and one.stat.kind == "file"
        and least <= one.stat.size <= (most or _OBJECT_BYTES_MAX)
        and not (depth and one.named.kind == "commit" and int(one.named.name.partition("~")[2] or 0) >= depth)
    ]
    if not fitting:
        raise _no_loose_object(look.clone, kind)
    return sorted(fitting, key=lambda one: one.named.id)


def _loose_asked_for(look: Look, kind: str, identity: str) -> list[Loose]:
    path = look.clone.object_path(identity)
    stat = look.files.lstat(path)
    if stat is None or stat.kind != "file":
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no loose object {identity}")
    if stat.size > _OBJECT_BYTES_MAX:
        raise TargetAbsentError(
            f"nothing was touched: {identity} has {stat.size} bytes, more than is kept for an undo",
            hint=f"name an object of at most {_OBJECT_BYTES_MAX} bytes",
        )
    found = parse_loose(look.files.read(path))
    if kind not in ("any", found.kind):
        raise TargetAbsentError(
            f"nothing was touched: this mode strikes a {kind}, and {identity} is a {found.kind}"
        )
    return [Loose(Named(identity, found.kind, identity), stat)]


def _no_loose_object(clone: Clone, kind: str) -> TargetAbsentError:
    """Return the error for a clone whose checked-out commit lies in packs."""
    what = "object" if kind == "any" else kind
    return TargetAbsentError(
        f"nothing was touched: no loose {what} that fits is reachable from HEAD in {clone.root}: all lie in packs",
        hint="the worker's next commit makes some; until then choose a pack, index, HEAD or ref mode",
    )


def object_problem(value: str) -> str | None:
    """Say what is wrong with the parameter ``object``; None when it is a kind or an id."""
    if value in KINDS or any(is_id(value, algorithm) for algorithm in ("sha1", "sha256")):
        return None
    return f"object: {value!r} is neither one of {', '.join(KINDS)} nor a full object id in lower case"


def content_of(files: Files, clone: Clone, identity: str) -> bytes:
    """Return the content of a loose or packed object; raises TargetAbsentError when there is none."""
    found = gitpacks.read_object(files, clone, identity)
    if found is None:
        raise TargetAbsentError(f"nothing was touched: object {identity} is not in {clone.root}")
    return found.payload
