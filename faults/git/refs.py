"""Which branches a clone has."""

import posixpath

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import packed_ref, read_ref
from daemon.core.gitobjects import MalformedError, packed_refs, parse_head
from faults.git.entry import Entry
from faults.git.sight import Look

HEADS = "refs/heads/"


WRITE_HEAD = "write 'ref: refs/heads/BRANCH' to .git/HEAD"


def branches(look: Look) -> dict[str, str]:
    """Return the branches of a clone and their commits; broken ones are left out."""
    clone, files, found = look.clone, look.files, {}
    path = clone.path("packed-refs")
    if files.lstat(path) is not None:
        found = {n: i for n, i in packed_refs(files.read(path), clone.algorithm).items() if n.startswith(HEADS)}
    todo = [HEADS.rstrip("/")]
    while todo:
        directory = todo.pop()
        for name in files.names(clone.path(directory)):
            ref = f"{directory}/{name}"
            stat = files.lstat(clone.path(ref))
            if stat is not None and stat.kind == "directory":
                todo.append(ref)
            elif stat is not None and not name.endswith(".lock"):
                try:
                    identity = read_ref(files, clone, ref)
                except MalformedError:
                    continue
                if identity:
                    found[ref] = identity
    return found


def other_branches(look: Look) -> list[str]:
    """Return the branches that are not checked out, in an order of the dice; raises when there is none."""
    current = look.branch()
    found = sorted(ref for ref in branches(look) if ref != current)
    if not found:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no other branch")
    look.dice.shuffle(found)
    return found


def expect_healthy(look: Look, ref: str, content: bytes) -> None:
    """Raise TargetAbsentError when a ref's file is broken already."""
    try:
        parse_head(content, look.clone.algorithm)
    except MalformedError as error:
        raise TargetAbsentError(f"nothing was touched: {ref} is broken already: {error}") from None


def only_packed(look: Look) -> list[str]:
    """Return the branches that stand in packed-refs and in no file of their own."""
    found = [ref for ref in branches(look) if packed_ref(look.files, look.clone, ref)]
    return sorted(ref for ref in found if look.files.lstat(look.clone.path(ref)) is None)


def path_of(look: Look, ref: str) -> str:
    """Return where a ref's own file is or would be."""
    return posixpath.join(look.clone.common, ref)


def row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    """Return a line of the table; what most of these lines have in common is filled in."""
    alike = {"repair": WRITE_HEAD, "tells": "rev-parse --git-dir", "seen": "head-broken", "often": "rare"}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]
