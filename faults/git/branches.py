"""What the modes that damage refs have in common."""

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import packed_ref
from daemon.core.gitobjects import raw
from faults.git.entry import Entry, Scheme
from faults.git.kinds import Edit, FileEdit, Recipe
from faults.git.refs import expect_healthy, path_of
from faults.git.sight import Look

FROM_LOG = "take the last id from .git/logs/refs/heads/BRANCH and write it to the ref"


def write_ref(look: Look, ref: str, content: bytes, what: str, **victim: str) -> Scheme:
    """Write to a ref's own file, whether it has one yet or stands only in packed-refs."""
    path = path_of(look, ref)
    victim = {"ref": ref, "branch": ref.removeprefix("refs/heads/"), **victim}
    if look.stat(path) is not None:
        edit = look.rewrite(path, content, guarded=True)
        if edit.before is not None:
            expect_healthy(look, ref, edit.before.content)
    elif packed_ref(look.files, look.clone, ref) is not None:
        like = look.fresh(look.clone.path("packed-refs"))
        recipe = Recipe(action="write", content=content)
        edit = FileEdit(path=path, recipe=recipe, before=None, like=like, guarded=True)
    else:
        raise TargetAbsentError(f"nothing was touched: {ref} in {look.clone.root} has no commit yet")
    return Scheme(edits=(edit,), action=f"{what} .git/{ref}", victim=victim)


def vanished(look: Look, ref: str) -> Scheme:
    """Delete a ref, loose and packed."""
    path, packed = path_of(look, ref), look.clone.path("packed-refs")
    edits: list[Edit] = [look.delete(path, guarded=True)] if look.stat(path) is not None else []
    if packed_ref(look.files, look.clone, ref) is not None:
        content = look.snapshot(packed).content
        line = next(x for x in content.splitlines(keepends=True) if x.rstrip().endswith(raw(f" {ref}")))
        edits.append(look.splice(packed, line, b"", guarded=True, merge="packed-refs"))
    if not edits:
        raise TargetAbsentError(f"nothing was touched: {ref} in {look.clone.root} has no commit yet")
    victim = {"ref": ref, "branch": ref.removeprefix("refs/heads/")}
    return Scheme(edits=tuple(edits), action=f"delete {ref}, loose and packed,", victim=victim)


def row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    """Return a line of the table; what most of these lines have in common is filled in."""
    alike = {"repair": FROM_LOG, "tells": "log -1", "seen": "ref-broken", "often": "rare"}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]
