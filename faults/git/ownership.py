"""Who a clone belongs to, what may be written in it, and how much room there is."""

import posixpath
from collections.abc import Sequence

from faults.git.entry import Entry, Scheme
from faults.git.sight import Look

_MIB = 1 << 20
_HINT = "git config --global --add safe.directory PATH, or chown the clone"


def _owner(look: Look, *paths: str) -> Scheme:
    owner = int(look.parameters.owner)
    if _belongs_to(look, owner, paths):
        raise look.refused(f"it belongs to user {owner} already", "owner", "give another one: owner=UID")
    edits = tuple(edit for path in paths for edit in look.chown(path, owner))
    names = ", ".join(look.clone.shown(path) for path in paths)
    return Scheme(edits=edits, action=f"give {names} to user {owner}")


def _belongs_to(look: Look, owner: int, paths: Sequence[str]) -> bool:
    return all(look.existing(path).uid == owner for path in paths)


def _not_yet_root_s(look: Look, *paths: str) -> None:
    if _belongs_to(look, 0, paths):
        hint = "only a worker that is not root is hindered by this: give the clone to its user"
        raise look.refused("it belongs to root already", "owner", hint)


def _all(look: Look) -> Scheme:
    return _owner(look, look.clone.root, look.clone.git_dir)


def _root(look: Look) -> Scheme:
    return _owner(look, look.clone.root)


def _git_dir(look: Look) -> Scheme:
    return _owner(look, look.clone.git_dir)


def _objects(look: Look) -> Scheme:
    """Give the directories of loose objects to root, as somebody does who runs git with sudo once."""
    objects = look.clone.path("objects")
    names = [name for name in look.files.names(objects) if len(name) == 2]  # noqa: PLR2004  the fan-out directories
    paths = [*(posixpath.join(objects, name) for name in names), objects]
    _not_yet_root_s(look, *paths)
    edits = tuple(edit for path in paths for edit in look.chown(path, 0, 0o755))
    return Scheme(edits=edits, action="give .git/objects to root")


def _index(look: Look) -> Scheme:
    paths = (look.clone.path("index"), look.clone.path(look.branch()))
    there = [path for path in paths if look.files.lstat(path) is not None]
    _not_yet_root_s(look, *there)
    edits = tuple(edit for path in there for edit in look.chown(path, 0, 0o600))
    return Scheme(edits=edits, action="give .git/index and the branch's ref to root, for root alone")


def _git_readonly(look: Look) -> Scheme:
    return Scheme(edits=look.chmod(look.clone.git_dir, 0o555), action="make .git read-only")


def _disk_full(look: Look) -> Scheme:
    """Fill the file system with one file; only where the clone lies on a small one of its own."""
    free, size = look.files.free_bytes(look.clone.git_dir)
    most = int(look.parameters.room * _MIB)
    if size > most:
        raise look.refused(
            f"the clone lies on a file system of {size // _MIB} MiB, which others need as well",
            "mount",
            f"put the clone on a mount of at most {most // _MIB} MiB, or give room=MIB",
        )
    edit = look.make(look.clone.path("chaosd-ballast"), "ballast", 0o600)
    return Scheme(edits=(edit,), action=f"fill the {free // _MIB} MiB that are free on the file system")


_DUBIOUS = "every git command dies with 'detected dubious ownership in repository'"

ENTRIES = (
    Entry(
        name="owner-all",
        summary="let the clone and its .git belong to another user",
        fails=_DUBIOUS,
        repair=_HINT,
        tells="status",
        says="dubious ownership",
        seen="owner-changed",
        often="daily",
        rights=True,
        fsck=True,
        scheme=_all,
    ),
    Entry(
        name="owner-root",
        summary="let the top directory of the clone belong to another user",
        fails=_DUBIOUS,
        repair=_HINT,
        tells="status",
        says="dubious ownership",
        seen="owner-changed",
        often="common",
        rights=True,
        fsck=True,
        scheme=_root,
    ),
    Entry(
        name="owner-git",
        summary="let .git belong to another user",
        fails=_DUBIOUS,
        repair=_HINT,
        tells="status",
        says="dubious ownership",
        seen="owner-changed",
        rights=True,
        fsck=True,
        scheme=_git_dir,
    ),
    Entry(
        name="objects-of-root",
        summary="let the directories of loose objects belong to root, as after a git run with sudo",
        fails="add, commit, fetch and stash die with 'insufficient permission for adding an object'",
        repair="chown -R the worker's user .git/objects",
        tells="hash-object -w --stdin",
        says="insufficient permission",
        seen="owner-changed",
        often="common",
        rights=True,
        scheme=_objects,
    ),
    Entry(
        name="index-of-root",
        summary="let the index and the branch's ref belong to root alone",
        fails="status, add, commit and checkout die with 'index file open failed: Permission denied'",
        repair="chown the worker's user .git/index and the ref",
        tells="status",
        says="Permission denied",
        seen="owner-changed",
        often="seen",
        rights=True,
        fsck=True,
        scheme=_index,
    ),
    Entry(
        name="git-readonly",
        summary="make .git read-only; a worker that is root does not notice",
        fails="add, commit, checkout and stash die with 'Unable to create ... index.lock: Permission denied'",
        repair="chmod u+w .git",
        tells="read-tree HEAD",
        says="index.lock': Permission denied",
        seen="permission-lost",
        often="seen",
        rights=True,
        scheme=_git_readonly,
    ),
    Entry(
        name="disk-full",
        summary="fill the file system of the clone, if it is a small one of its own",
        fails="add, commit, fetch and checkout die with 'No space left on device'",
        repair="free room; then git status, and git fsck for what was half written",
        tells="hash-object -w README.md",
        says="No space left on device",
        seen="disk-full",
        often="daily",
        scheme=_disk_full,
    ),
)
