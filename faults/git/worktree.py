"""What happens to a work tree: files in the way, lost, emptied or odd; rights and owners; a full disk."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from daemon.core import gitindex
from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import read_ref
from daemon.core.model import Order, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, World
from faults.git import edits, ownership, reversal
from faults.git.entry import Entry, Scheme, modes, prepare
from faults.git.kinds import Edit, FileEdit, Make, Recipe
from faults.git.prey import walk
from faults.git.records import Record
from faults.git.refs import other_branches
from faults.git.sight import Look
from faults.git.staging import plain_entry, read_index, trust_size

_EMPTIED_MOST = 50
_HUGE = 1536 << 20


def _at(look: Look, name: str) -> str:
    return posixpath.join(look.clone.root, name)


def _new(look: Look, name: str, content: bytes, mode: int = 0o644) -> FileEdit:
    path = _at(look, name)
    if look.node(path) is not None:
        raise look.refused(f"{name} is already there", "changed")
    return look.create(path, content, mode=mode)


def _tracked(look: Look, fits: Callable[[gitindex.Entry], bool] | None = None) -> tuple[str, str]:
    """Choose a tracked file that is there and as the index knows it; return its name and path."""
    index = read_index(look)

    def there(entry: gitindex.Entry) -> bool:
        name = entry.path.decode("utf-8", "surrogateescape")
        stat = look.files.lstat(_at(look, name))
        return (
            stat is not None and stat.kind == "file" and stat.size == entry.size and (fits is None or fits(entry))
        )

    name = plain_entry(look, index, there).path.decode("utf-8", "surrogateescape")
    return name, _at(look, name)


def _only_theirs(look: Look) -> tuple[str, str]:
    """Return another branch and a file that it has and the checked-out one has not."""
    ours = {entry.path.decode("utf-8", "surrogateescape") for entry in read_index(look).entries}
    for ref in other_branches(look):
        tip = read_ref(look.files, look.clone, ref)
        for one in walk(look, tip, 60) if tip else ():
            named = getattr(one, "named", one)
            path = _at(look, named.name)
            if named.kind == "blob" and named.name not in ours and look.files.lstat(path) is None:
                return ref.removeprefix("refs/heads/"), named.name
    raise TargetAbsentError(f"nothing was touched: no other branch of {look.clone.root} has a file of its own")


# --- in the way ------------------------------------------------------------------------------------------


def _untracked(look: Look) -> Scheme:
    branch, name = _only_theirs(look)
    edit = _new(look, name, b"somebody's own\n")
    return Scheme(edits=(edit,), action=f"write an untracked {name}", victim={"branch": branch, "file": name})


def _untracked_directory(look: Look) -> Scheme:
    branch, name = _only_theirs(look)
    edits = look.directory_instead(_at(look, name))
    return Scheme(edits=edits, action=f"make a directory {name}", victim={"branch": branch, "file": name})


def _ignored(look: Look) -> Scheme:
    """An ignored file is overwritten by a checkout without a word."""
    branch, name = _only_theirs(look)
    exclude = look.clone.path("info", "exclude")
    line = f"/{name}\n".encode("utf-8", "surrogateescape")
    ignore = look.append(exclude, line) if look.stat(exclude) is not None else look.create(exclude, line)
    edits = (ignore, _new(look, name, b"somebody's own\n"))
    return Scheme(edits=edits, action=f"write an ignored {name}", victim={"branch": branch, "file": name})


def _other_worktree(look: Look, *, stale: bool) -> Scheme:
    """Register a linked work tree that has another branch checked out; its directory is there, or was deleted."""
    ref = other_branches(look)[0]
    branch = ref.removeprefix("refs/heads/")
    place = look.clone.path("worktrees", "chaosd")
    there = posixpath.join(place, "tree") if not stale else f"{look.clone.root}-no-such-tree"
    edits: list[Edit] = [
        look.create(posixpath.join(place, "HEAD"), f"ref: {ref}\n".encode()),
        look.create(posixpath.join(place, "commondir"), b"../..\n"),
        look.create(posixpath.join(place, "gitdir"), f"{there}/.git\n".encode()),
    ]
    if not stale:
        edits.append(look.create(posixpath.join(there, ".git"), f"gitdir: {place}\n".encode()))
    what = "a deleted" if stale else "another"
    return Scheme(edits=tuple(edits), action=f"let {what} work tree hold {branch}", victim={"branch": branch})


# --- lost, emptied, changed ------------------------------------------------------------------------------


def _deleted(look: Look) -> Scheme:
    name, path = _tracked(look)
    return Scheme(edits=(look.delete(path),), action=f"delete {name}", victim={"file": name})


def _all_deleted(look: Look) -> Scheme:
    """Move what is tracked out of the work tree, top entry by top entry."""
    tops = dict.fromkeys(
        entry.path.split(b"/")[0].decode("utf-8", "surrogateescape") for entry in read_index(look).entries
    )
    there = [_at(look, top) for top in tops if look.files.lstat(_at(look, top)) is not None]
    kept = look.clone.git_dir
    moves = [look.away(path) for path in there]
    edits = tuple(replace(m, kept=posixpath.join(kept, posixpath.basename(m.kept))) for m in moves)
    if not edits:
        raise TargetAbsentError(f"nothing was touched: the work tree of {look.clone.root} is empty")
    return Scheme(edits=edits, action="move every tracked file away")


def _emptied(look: Look) -> Scheme:
    entries = [e for e in read_index(look).entries if e.stage == 0 and e.size > 0]
    look.dice.shuffle(entries)
    names = sorted(e.path.decode("utf-8", "surrogateescape") for e in entries[:_EMPTIED_MOST])
    files = [name for name in names if (s := look.files.lstat(_at(look, name))) is not None and s.kind == "file"]
    edits = tuple(look.rewrite(_at(look, name), b"") for name in files)
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
        return Scheme(edits=(look.chmod(directory, mode),), action=f"{action} {victim['directory']}", victim=victim)

    return scheme


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
    away = replace(look.away(directory), kept=posixpath.join(look.clone.git_dir, f".chaosd-{look.injection}-tree"))
    link = Make(path=directory, what=f"symlink:{away.kept}", like=look.fresh(look.clone.path("HEAD")))
    return Scheme(
        edits=(away, link), action=f"put a link in the place of {name}'s directory", victim={"file": name}
    )


def _exec_bit(look: Look) -> Scheme:
    name, path = _tracked(look)
    mode = look.existing(path).mode ^ 0o111
    return Scheme(edits=(look.chmod(path, mode),), action=f"toggle the x bit of {name}", victim={"file": name})


# --- odd things ------------------------------------------------------------------------------------------


def _special(name: str, what: str, action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        return Scheme(edits=(look.make(_at(look, name), what, 0o644),), action=action, victim={"file": name})

    return scheme


def _file(name: str, content: bytes, action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        edits: tuple[Edit, ...] = (_new(look, name, content),)
        return Scheme(edits=edits, action=action, victim={"file": name})

    return scheme


def _nested(look: Look, *, born: bool) -> Scheme:
    """Make a repository within: git records it as a link, and what lies in it is not in the commit."""
    there = _at(look, "chaosd-nested")
    if look.node(there) is not None:
        raise look.refused("chaosd-nested is already there", "changed")
    head = f"{look.tip()}\n" if born else "ref: refs/heads/main\n"
    edits: list[Edit] = [
        look.create(f"{there}/.git/HEAD", head.encode()),
        look.create(f"{there}/.git/config", b"[core]\n\trepositoryformatversion = 0\n"),
        look.create(f"{there}/.git/refs/keep", b""),
        look.create(f"{there}/.git/objects/info/alternates", f"{look.clone.path('objects')}\n".encode()),
        look.create(f"{there}/inside.txt", b"not in the commit\n"),
    ]
    return Scheme(edits=tuple(edits), action="make a repository chaosd-nested within the work tree")


def _git_bogus(look: Look) -> Scheme:
    away = look.away(_at(look, ".git"))
    like = replace(away.stat, kind="file", mode=0o644, mtime_ns=look.now_ns)
    recipe = Recipe(action="write", content=b"gitdir: /nonexistent\n")
    edit = FileEdit(path=away.path, recipe=recipe, before=None, like=like)
    return Scheme(edits=(away, edit), action="put a file that points nowhere in the place of .git")


def _git_missing(look: Look) -> Scheme:
    return Scheme(edits=(look.away(_at(look, ".git")),), action="move .git away")


def _root_missing(look: Look) -> Scheme:
    return Scheme(edits=(look.away(look.clone.root),), action="move the whole clone away")


def _row(name: str, summary: str, fails: str, scheme: object, tells: str, **more: object) -> Entry:
    alike = {"repair": "git checkout -- FILE", "seen": "worktree-changed", "often": "seen", "tells": tells}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


_STATUS = "status --porcelain"
_ODD = {"seen": "worktree-odd", "repair": "remove it", "often": "rare"}

ENTRIES = (
    _row(
        "untracked-in-the-way",
        "write an untracked file where another branch has a tracked one",
        "checkout of that branch dies: 'untracked working tree files would be overwritten by checkout'",
        _untracked,
        "checkout {branch}",
        says="would be overwritten",
        seen="in-the-way",
        repair="move the file away",
        often="daily",
    ),
    _row(
        "untracked-directory-in-the-way",
        "make a directory where another branch has a tracked file",
        "checkout of that branch dies: 'Updating the following directories would lose untracked files'",
        _untracked_directory,
        "checkout {branch}",
        says="would lose untracked files",
        seen="in-the-way",
        repair="move the directory away",
    ),
    _row(
        "ignored-in-the-way",
        "write an ignored file where another branch has a tracked one",
        "nothing: checkout of that branch overwrites the file without a word",
        _ignored,
        "check-ignore {file}",
        seen="in-the-way",
        repair="move the file away",
        silent=True,
    ),
    _row(
        "other-worktree",
        "let another work tree of the repository hold a branch",
        "checkout of that branch dies: 'is already checked out at ...'",
        lambda look: _other_worktree(look, stale=False),
        "checkout {branch}",
        says="already checked out",
        seen="branch-held",
        repair="git worktree remove",
        often="common",
    ),
    _row(
        "stale-worktree",
        "let a work tree that was deleted hold a branch",
        "nothing where git sees that it is gone; `git worktree list` calls it prunable",
        lambda look: _other_worktree(look, stale=True),
        "worktree list",
        says="prunable",
        seen="branch-held",
        repair="git worktree prune",
        harmless=True,
    ),
    _row(
        "file-deleted",
        "delete a tracked file",
        "nothing: add -A commits the deletion",
        _deleted,
        _STATUS,
        silent=True,
    ),
    _row(
        "all-deleted",
        "delete every tracked file",
        "nothing: add -A commits, push publishes and a deployment shows an empty tree",
        _all_deleted,
        _STATUS,
        silent=True,
    ),
    _row(
        "files-emptied",
        "empty tracked files, as a power cut does",
        "nothing: they are committed, pushed and deployed",
        _emptied,
        _STATUS,
        silent=True,
        often="common",
    ),
    _row(
        "file-bitflip", "flip one bit of a tracked file", "nothing: it is committed", _bitflip, _STATUS, silent=True
    ),
    _row(
        "file-same-time",
        "change a tracked file and keep its size and time, git trusting only these",
        "nothing: status is clean; the change is deployed, never committed, and lost at the next checkout",
        _same_time,
        "hash-object {file}",
        seen="index-unlike-file",
        silent=True,
    ),
    _row(
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
    _row(
        "directory-readonly",
        "make a directory of tracked files read-only; a worker that is root does not notice",
        "nothing: checkout exits 0 with the old files in place ('unable to unlink old'), and add -A reverts the branch",
        _directory_mode(0o555, "make read-only the directory"),
        "checkout main",
        says="Permission denied",
        seen="permission-lost",
        repair="chmod 755 the directory",
        silent=True,
        rights=True,
    ),
    _row(
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
    _row(
        "file-to-directory",
        "put a directory in the place of a tracked file",
        "nothing at once: status calls the file deleted, add -A commits that",
        _to_directory,
        _STATUS,
        silent=True,
        often="rare",
    ),
    _row(
        "file-to-link",
        "put a symbolic link in the place of a tracked file",
        "nothing: add -A commits the link",
        _symlink,
        _STATUS,
        silent=True,
        often="rare",
    ),
    _row(
        "directory-to-link",
        "put a symbolic link in the place of a directory of tracked files",
        "nothing: status calls the files deleted, add -A commits the link",
        _directory_symlink,
        _STATUS,
        silent=True,
        often="rare",
    ),
    _row(
        "exec-bit",
        "toggle the executable bit of a tracked file",
        "nothing: it is committed",
        _exec_bit,
        _STATUS,
        silent=True,
    ),
    _row(
        "link-loop",
        "leave a symbolic link that points to itself",
        "nothing: add -A commits it",
        _special("chaosd-loop", "symlink:chaosd-loop", "leave a symbolic link that points to itself"),
        _STATUS,
        silent=True,
        **_ODD,
    ),
    _row(
        "fifo",
        "leave a FIFO in the work tree",
        "nothing for git, which passes over it; whatever reads every file hangs",
        _special("chaosd-fifo", "fifo", "leave a FIFO"),
        "",
        harmless=True,
        **_ODD,
    ),
    _row(
        "huge-file",
        "leave a sparse file of 1.5 GB in the work tree",
        "add -A takes a long time and much room",
        _special("chaosd-huge", f"sparse:{_HUGE}", "leave a sparse file of 1.5 GB"),
        _STATUS,
        says="chaosd-huge",
        silent=True,
        **_ODD,
    ),
    _row(
        "nested-repository",
        "leave a repository within the work tree",
        "nothing: add -A records it as a link, and what lies in it is not in the commit",
        lambda look: _nested(look, born=True),
        "add -A",
        says="embedded git repository",
        silent=True,
        **_ODD,
    ),
    _row(
        "nested-repository-unborn",
        "leave a repository without a commit within the work tree",
        "add -A dies with 'does not have a commit checked out'",
        lambda look: _nested(look, born=False),
        "add -A",
        says="does not have a commit checked out",
        **_ODD,
    ),
    _row(
        "gitignore-all",
        "leave a .gitignore that ignores everything",
        "nothing: add -A adds no new file",
        _file(".gitignore", b"*\n", "leave a .gitignore that ignores everything"),
        "check-ignore --no-index new-file",
        seen="everything-ignored",
        silent=True,
    ),
    _row(
        "gitattributes-crlf",
        "leave a .gitattributes that writes every text file with CRLF",
        "nothing: every file that is checked out has other line ends",
        _file(".gitattributes", b"* text eol=crlf\n", "leave a .gitattributes that writes CRLF"),
        "check-attr eol README.md",
        seen="attributes-suspicious",
        silent=True,
    ),
    _row(
        "name-not-utf8",
        "leave a file whose name is not UTF-8",
        "nothing for git; a worker that decodes names may die",
        _file("chaosd-\udcff\udcfe.txt", b"x\n", "leave a file whose name is not UTF-8"),
        _STATUS,
        silent=True,
        **_ODD,
    ),
    _row(
        "name-newline",
        "leave a file with a newline in its name",
        "nothing for git; whoever reads `git status` line by line reads nonsense",
        _file('chaosd-new\nline".txt', b"x\n", "leave a file with a newline in its name"),
        _STATUS,
        silent=True,
        **_ODD,
    ),
    _row(
        "git-bogus",
        "put a file that points nowhere in the place of .git",
        "every git command dies with 'not a git repository: /nonexistent'",
        _git_bogus,
        "status",
        says="not a git repository",
        seen="repository-absent",
        repair="clone anew",
        fsck=True,
    ),
    _row(
        "git-missing",
        "move .git away",
        "every git command dies with 'not a git repository', or works on a repository further up",
        _git_missing,
        "status",
        says="not a git repository",
        seen="repository-absent",
        repair="clone anew",
        often="common",
        fsck=True,
    ),
    _row(
        "clone-missing",
        "move the whole clone away",
        "the worker's own directory is gone",
        _root_missing,
        "status",
        says="not a git repository",
        seen="repository-absent",
        repair="clone anew",
        often="common",
        fsck=True,
    ),
    *ownership.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitWorktree:
    """Disturbs the files beside ``.git``, who may use them, and the room for them."""

    name: ClassVar[str] = "git-worktree"
    summary: ClassVar[str] = "put files in the way, lose, change or lock them; take rights, owner or room away"
    modes: ClassVar = modes(ENTRIES)
    touches: ClassVar[Resource] = Resource.REPOSITORY

    mode: str = parameter("untracked-in-the-way", "what happens to the work tree", choices=tuple(_BY_NAME))
    owner: int = parameter(65534, "the user id to whom the owner modes give files", least=1)
    room: float = parameter(1024.0, "size in MiB up to which a file system may be filled", least=1)

    def prepare(self, order: Order, world: World) -> Undo:
        return prepare(self.name, _BY_NAME[self.mode], self, order, world)

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        edits.apply(Record.load(undo.data), world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        return reversal.revert(Record.load(undo.data), world)
