"""Files lost, emptied, changed or replaced."""

import posixpath
from collections.abc import Callable
from dataclasses import replace

from daemon.core import gitindex
from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import read_head
from faults.git.entry import Scheme
from faults.git.kinds import Make, Recipe
from faults.git.prey import walk
from faults.git.refs import branches
from faults.git.sight import Look
from faults.git.staging import plain_entry, read_index, trust_size
from faults.git.tree import STATUS, at, row

_EMPTIED_MOST = 50
_LOOKUPS = 60  # objects of a branch that are read
_BRANCHES = 20


def _tracked(look: Look, fits: Callable[[gitindex.Entry], bool] | None = None) -> tuple[str, str]:
    """Choose a tracked file that is there and as the index knows it; return its name and path."""
    index = read_index(look)

    def there(entry: gitindex.Entry) -> bool:
        name = entry.path.decode("utf-8", "surrogateescape")
        stat = look.files.lstat(at(look, name))
        return (
            stat is not None and stat.kind == "file" and stat.size == entry.size and (fits is None or fits(entry))
        )

    name = plain_entry(look, index, there).path.decode("utf-8", "surrogateescape")
    return name, at(look, name)


def _deleted(look: Look) -> Scheme:
    name, path = _tracked(look)
    return Scheme(edits=(look.delete(path),), action=f"delete {name}", victim={"file": name})


def _all_deleted(look: Look) -> Scheme:
    """Move what is tracked out of the work tree, top entry by top entry."""
    tops = dict.fromkeys(
        entry.path.split(b"/")[0].decode("utf-8", "surrogateescape") for entry in read_index(look).entries
    )
    there = [at(look, top) for top in tops if look.files.lstat(at(look, top)) is not None]
    edits = tuple(look.away(path) for path in there)
    if not edits:
        raise TargetAbsentError(f"nothing was touched: the work tree of {look.clone.root} is empty")
    return Scheme(edits=edits, action="move every tracked file away")


def _emptied(look: Look) -> Scheme:
    entries = [e for e in read_index(look).entries if e.stage == 0 and e.size > 0]
    look.dice.shuffle(entries)
    names = sorted(e.path.decode("utf-8", "surrogateescape") for e in entries[:_EMPTIED_MOST])
    files = [name for name in names if (s := look.files.lstat(at(look, name))) is not None and s.kind == "file"]
    edits = tuple(look.rewrite(at(look, name), b"") for name in files)
    if not edits:
        raise TargetAbsentError(f"nothing was touched: no tracked file of {look.clone.root} holds anything")
    return Scheme(edits=edits, action=f"empty {len(edits)} tracked files")


def _bitflip(look: Look) -> Scheme:
    name, path = _tracked(look, lambda e: e.size > 0)
    size = look.existing(path).size
    recipe = Recipe(action="flip", offset=look.dice.randrange(size), bit=look.dice.randrange(8))
    return Scheme(edits=(look.rewrite(path, recipe),), action=f"flip one bit of {name}", victim={"file": name})


def _same_time(look: Look) -> Scheme:
    """Change a file and give it its old time and size: on file systems without a true ctime git sees nothing."""
    name, path = _tracked(look, lambda e: e.size > 1)
    recipe = Recipe(action="flip", offset=look.dice.randrange(look.existing(path).size), bit=0)
    edits = (look.rewrite(path, recipe), *trust_size(look))
    return Scheme(edits=edits, action=f"change {name} and keep its time", victim={"file": name})


def _unreadable(look: Look) -> Scheme:
    """Change a file too, or git would not read it."""
    name, path = _tracked(look)
    edit = look.append(path, b"changed\n")
    like = replace(edit.like, mode=0, mtime_ns=look.now_ns)
    edits = (replace(edit, like=like),)
    return Scheme(edits=edits, action=f"change {name} and take all rights to it away", victim={"file": name})


def _directory_mode(mode: int, action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        name, path = _tracked(look, lambda e: b"/" in e.path)
        directory = posixpath.dirname(path)
        victim = {"file": name, "directory": look.clone.shown(directory)}
        return Scheme(edits=look.chmod(directory, mode), action=f"{action} {victim['directory']}", victim=victim)

    return scheme


def _readonly(look: Look) -> Scheme:
    """Prefer a directory that a switch to another branch has to write."""
    found = _differing(look)
    if found is None:
        return _directory_mode(0o555, "make read-only the directory")(look)
    branch, name = found
    directory = posixpath.dirname(at(look, name))
    victim = {"branch": branch, "file": name, "directory": look.clone.shown(directory)}
    edits = look.chmod(directory, 0o555)
    return Scheme(edits=edits, action=f"make read-only the directory {victim['directory']}", victim=victim)


def _differing(look: Look) -> tuple[str, str] | None:
    """Return a branch, and a file in a directory, which is tracked and there, and another one on the branch."""
    ours = {e.path.decode("utf-8", "surrogateescape"): e.id for e in read_index(look).entries if b"/" in e.path}
    current = read_head(look.files, look.clone).ref
    others = [tip for tip in sorted(branches(look).items()) if tip[0] != current]
    for ref, tip in others[:_BRANCHES]:
        for named in walk(look, tip, _LOOKUPS, history=False):
            if named.kind != "blob" or ours.get(named.name, named.id) == named.id:
                continue
            stat = look.files.lstat(at(look, named.name))
            if stat is not None and stat.kind == "file":
                return ref.removeprefix("refs/heads/"), named.name
    return None


def _to_directory(look: Look) -> Scheme:
    name, path = _tracked(look)
    edits = look.directory_instead(path)
    return Scheme(edits=edits, action=f"put a directory in the place of {name}", victim={"file": name})


def _symlink(look: Look) -> Scheme:
    name, path = _tracked(look)
    away = look.away(path)
    link = Make(path=path, what="symlink:/etc/hostname", like=look.fresh(look.clone.path("HEAD")))
    return Scheme(edits=(away, link), action=f"put a symbolic link in the place of {name}", victim={"file": name})


def _directory_symlink(look: Look) -> Scheme:
    name, path = _tracked(look, lambda e: b"/" in e.path)
    directory = posixpath.dirname(path)
    away = look.away(directory)
    link = Make(path=directory, what=f"symlink:{away.kept}", like=look.fresh(look.clone.path("HEAD")))
    return Scheme(
        edits=(away, link), action=f"put a link in the place of {name}'s directory", victim={"file": name}
    )


def _exec_bit(look: Look) -> Scheme:
    name, path = _tracked(look)
    mode = look.existing(path).mode ^ 0o111
    return Scheme(edits=look.chmod(path, mode), action=f"toggle the x bit of {name}", victim={"file": name})


ENTRIES = (
    row(
        "file-deleted",
        "delete a tracked file",
        "nothing: add -A commits the deletion",
        _deleted,
        STATUS,
        silent=True,
    ),
    row(
        "all-deleted",
        "delete every tracked file",
        "nothing: add -A commits, push publishes and a deployment shows an empty tree",
        _all_deleted,
        STATUS,
        silent=True,
    ),
    row(
        "files-emptied",
        "empty tracked files, as a power cut does",
        "nothing: they are committed, pushed and deployed",
        _emptied,
        STATUS,
        silent=True,
        often="common",
    ),
    row(
        "file-bitflip",
        "flip one bit of a tracked file",
        "nothing: it is committed",
        _bitflip,
        STATUS,
        seen="index-unlike-file",
        silent=True,
    ),
    row(
        "file-same-time",
        "change a tracked file and keep its size and time, git trusting only these",
        "nothing: status is clean; the change is deployed, never committed, and lost at the next checkout",
        _same_time,
        "hash-object {file}",
        seen="index-unlike-file",
        silent=True,
    ),
    row(
        "file-unreadable",
        "change a tracked file and take all rights to it away; a worker that is root does not notice",
        "add and commit -a die with 'open(...): Permission denied'",
        _unreadable,
        "add -A",
        says="Permission denied",
        seen="permission-lost",
        repair="chmod 644 the file",
        rights=True,
    ),
    row(
        "directory-readonly",
        "make a directory of tracked files read-only; a worker that is root does not notice",
        "nothing: checkout exits 0 with the old files in place ('unable to unlink old'); add -A reverts the branch",
        _readonly,
        "checkout {branch}",
        says="Permission denied",
        seen="permission-lost",
        repair="chmod 755 the directory",
        silent=True,
        rights=True,
    ),
    row(
        "directory-no-search",
        "let nobody enter a directory of tracked files; a worker that is root does not notice",
        "status and add complain 'Permission denied' and call the files deleted or fail",
        _directory_mode(0o600, "let nobody enter the directory"),
        "add -A",
        says="Permission denied",
        seen="permission-lost",
        repair="chmod 755 the directory",
        rights=True,
        silent=True,
    ),
    row(
        "file-to-directory",
        "put a directory in the place of a tracked file",
        "nothing at once: status calls the file deleted, add -A commits that",
        _to_directory,
        STATUS,
        silent=True,
        often="rare",
    ),
    row(
        "file-to-link",
        "put a symbolic link in the place of a tracked file",
        "nothing: add -A commits the link",
        _symlink,
        STATUS,
        silent=True,
        often="rare",
    ),
    row(
        "directory-to-link",
        "put a symbolic link in the place of a directory of tracked files",
        "nothing: status calls the files deleted, add -A commits the link",
        _directory_symlink,
        STATUS,
        seen="untracked-files",
        silent=True,
        often="rare",
    ),
    row(
        "exec-bit",
        "toggle the executable bit of a tracked file",
        "nothing: it is committed",
        _exec_bit,
        STATUS,
        seen="index-unlike-file",
        silent=True,
    ),
)
