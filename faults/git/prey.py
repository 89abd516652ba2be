"""Which object is struck: reachable from the checked-out commit, chosen by dice, without git, never enumerated."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from daemon.core import gitpacks
from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import SUBMODULE, MalformedError, commit_links, is_id, loose_problem, tree_entries
from daemon.core.gitpacks import Place
from daemon.core.gitwalk import Loose, Named, packed, walk_loose
from daemon.core.seams import Files
from faults.git.kinds import Snapshot
from faults.git.sight import Look

KINDS = ("any", "commit", "tree", "blob")
_LOOKUPS = 512  # the objects nearest to the tip: what the worker's next command will read
_PACKED_LOOKUPS = 160  # reading one means resolving its deltas
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
    wanted = _parameter(look, "object", "any")
    found = [
        one
        for one in walk(look, look.tip())
        if isinstance(one, Packed) and kind in ("any", one.named.kind) and wanted in (*KINDS, one.named.id)
    ]
    while found:
        one = found.pop(look.dice.randrange(len(found)))
        loose = look.files.lstat(look.clone.object_path(one.named.id)) is not None
        if not loose and (fits is None or fits(one)) and _size_fits(look, one):
            return one
    raise TargetAbsentError(
        f"nothing was touched: no packed object that fits is near HEAD in {look.clone.root}",
        hint="`git repack -d` packs what is loose; or choose a loose-object mode",
    )


def walk(look: Look, start: str, lookups: int = _PACKED_LOOKUPS) -> Iterator[Packed | Named]:
    """Yield what a commit reaches, nearest first, packed or not; costs at most ``lookups`` objects read."""
    todo, seen = deque([(Named(start, "commit", "HEAD"), 0)]), {start}
    most = int(str(_parameter(look, "depth", 0))) or lookups
    while todo and lookups > 0:
        named, depth = todo.popleft()
        lookups -= 1
        place = gitpacks.locate(look.files, look.clone, named.id)
        yield Packed(named, place) if place else named
        if named.kind == "blob":
            continue
        try:
            children = list(_children(look, named))
        except MalformedError:
            continue
        for child in children:
            deeper = depth + (child.kind == "commit")
            if child.id not in seen and deeper < most:
                seen.add(child.id)
                todo.append((child, deeper))


def _children(look: Look, named: Named) -> Iterator[Named]:
    found = gitpacks.read_object(look.files, look.clone, named.id)
    if found is None or found.kind != named.kind:
        return
    if found.kind == "commit":
        tree, parents = commit_links(found.payload, look.clone.algorithm)
        yield Named(tree, "tree", "/")
        yield from (Named(parent, "commit", "ancestor") for parent in parents)
        return
    for entry in tree_entries(found.payload, look.clone.algorithm):
        if entry.mode != SUBMODULE:
            yield Named(entry.id, entry.kind, f"{named.name.strip('/')}/{entry.name}".strip("/"))


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
    found = walk_loose(look.files, look.clone, look.tip(), lookups=_LOOKUPS)
    damaged = {one.named.id for one, _ in found.damaged}
    wanted, depth = str(_parameter(look, "object", "any")), int(str(_parameter(look, "depth", 0)))
    least, most = int(str(_parameter(look, "least_bytes", 0))), int(str(_parameter(look, "most_bytes", 0)))
    fitting = [
        one
        for one in found.loose
        if kind in ("any", one.named.kind)
        and wanted in (*KINDS, one.named.id)
        and one.named.id not in damaged
        and one.stat.kind == "file"
        and least <= one.stat.size <= (most or _OBJECT_BYTES_MAX)
        and not (depth and one.named.kind == "commit" and int(one.named.name.partition("~")[2] or 0) >= depth)
    ]
    if not fitting:
        raise _no_loose_object(look.clone, kind)
    return sorted(fitting, key=lambda one: one.named.id)


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
