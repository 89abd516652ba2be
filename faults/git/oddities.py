"""Odd things in a work tree, and a clone that is not where it was."""

from collections.abc import Callable
from dataclasses import replace

from daemon.core.gitobjects import raw
from faults.git.entry import Scheme
from faults.git.kinds import Edit, FileEdit, Recipe
from faults.git.sight import Look
from faults.git.tree import STATUS, at, new, row

_HUGE = 1536 << 20


def _special(name: str, what: str, action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        return Scheme(edits=(look.make(at(look, name), what, 0o644),), action=action, victim={"file": name})

    return scheme


def _file(name: str, content: bytes, action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        edits: tuple[Edit, ...] = (new(look, name, content),)
        return Scheme(edits=edits, action=action, victim={"file": name})

    return scheme


def _nested(look: Look, *, born: bool) -> Scheme:
    """Make a repository within: git records it as a link, and what lies in it is not in the commit."""
    there = at(look, "chaosd-nested")
    if look.node(there) is not None:
        raise look.refused("chaosd-nested is already there", "changed")
    head = f"{look.tip()}\n" if born else "ref: refs/heads/main\n"
    edits: list[Edit] = [
        look.create(f"{there}/.git/HEAD", head.encode()),
        look.create(f"{there}/.git/config", b"[core]\n\trepositoryformatversion = 0\n"),
        look.create(f"{there}/.git/refs/keep", b""),
        look.create(f"{there}/.git/objects/info/alternates", raw(f"{look.clone.path('objects')}\n")),
        look.create(f"{there}/inside.txt", b"not in the commit\n"),
    ]
    return Scheme(edits=tuple(edits), action="make a repository chaosd-nested within the work tree")


def _git_bogus(look: Look) -> Scheme:
    away = look.away(at(look, ".git"))
    like = replace(away.stat, kind="file", mode=0o644, mtime_ns=look.now_ns)
    recipe = Recipe(action="write", content=b"gitdir: /nonexistent\n")
    edit = FileEdit(path=away.path, recipe=recipe, before=None, like=like)
    return Scheme(edits=(away, edit), action="put a file that points nowhere in the place of .git")


def _git_missing(look: Look) -> Scheme:
    return Scheme(edits=(look.away(at(look, ".git")),), action="move .git away")


def _root_missing(look: Look) -> Scheme:
    return Scheme(edits=(look.away(look.clone.root),), action="move the whole clone away")


_ODD = {"seen": "worktree-odd", "repair": "remove it", "often": "rare"}


ENTRIES = (
    row(
        "link-loop",
        "leave a symbolic link that points to itself",
        "nothing: add -A commits it",
        _special("chaosd-loop", "symlink:chaosd-loop", "leave a symbolic link that points to itself"),
        STATUS,
        silent=True,
        **_ODD,
    ),
    row(
        "fifo",
        "leave a FIFO in the work tree",
        "nothing for git, which passes over it; whatever reads every file hangs",
        _special("chaosd-fifo", "fifo", "leave a FIFO"),
        "",
        harmless=True,
        **_ODD,
    ),
    row(
        "huge-file",
        "leave a sparse file of 1.5 GB in the work tree",
        "add -A takes a long time and much room",
        _special("chaosd-huge", f"sparse:{_HUGE}", "leave a sparse file of 1.5 GB"),
        STATUS,
        says="chaosd-huge",
        silent=True,
        **_ODD,
    ),
    row(
        "nested-repository",
        "leave a repository within the work tree",
        "nothing: add -A records it as a link, and what lies in it is not in the commit",
        lambda look: _nested(look, born=True),
        "add -A",
        says="embedded git repository",
        silent=True,
        **_ODD,
    ),
    row(
        "nested-repository-unborn",
        "leave a repository without a commit within the work tree",
        "add -A dies with 'does not have a commit checked out'",
        lambda look: _nested(look, born=False),
        "add -A",
        says="does not have a commit checked out",
        **_ODD,
    ),
    row(
        "gitignore-all",
        "leave a .gitignore that ignores everything",
        "nothing: add -A adds no new file",
        _file(".gitignore", b"*\n", "leave a .gitignore that ignores everything"),
        "check-ignore --no-index new-file",
        seen="everything-ignored",
        silent=True,
    ),
    row(
        "gitattributes-crlf",
        "leave a .gitattributes that writes every text file with CRLF",
        "nothing: every file that is checked out has other line ends",
        _file(".gitattributes", b"* text eol=crlf\n", "leave a .gitattributes that writes CRLF"),
        "check-attr eol README.md",
        seen="attributes-suspicious",
        silent=True,
    ),
    row(
        "name-newline",
        "leave a file with a newline in its name",
        "nothing for git; whoever reads `git status` line by line reads nonsense",
        _file('chaosd-new\nline".txt', b"x\n", "leave a file with a newline in its name"),
        STATUS,
        silent=True,
        **_ODD,
    ),
    row(
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
    row(
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
    row(
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
)
