"""Damage to reflogs."""

import re

from daemon.core.errors import TargetAbsentError
from daemon.core.gitobjects import ID_BYTES, raw
from faults.git.entry import Scheme
from faults.git.kinds import FileEdit, Recipe
from faults.git.logs import row
from faults.git.refs import other_branches
from faults.git.sight import Look


def _head_log(look: Look, recipe: Recipe) -> FileEdit:
    lock = look.clone.path("HEAD") + ".lock"
    return look.rewrite(look.clone.path("logs/HEAD"), recipe, guarded=True, lock_path=lock, merge="log")


def _head_added(look: Look, text: bytes) -> FileEdit:
    size = len(look.snapshot(look.clone.path("logs/HEAD")).content)
    lock = look.clone.path("HEAD") + ".lock"
    recipe = Recipe(action="splice", offset=size, content=text)
    return look.rewrite(look.clone.path("logs/HEAD"), recipe, guarded=True, lock_path=lock, merge="text")


def _last_line(look: Look) -> bytes:
    return look.snapshot(look.clone.path("logs/HEAD")).content.rstrip(b"\n").rpartition(b"\n")[2]


def _head_missing(look: Look) -> Scheme:
    return Scheme(edits=(_head_log(look, Recipe(action="unlink")),), action="delete .git/logs/HEAD")


def _logs_missing(look: Look) -> Scheme:
    return Scheme(edits=(look.away(look.clone.path("logs"), joins="logs"),), action="move .git/logs away")


def _garbage(look: Look) -> Scheme:
    return Scheme(edits=(_head_added(look, b"garbage\n"),), action="add a line of garbage to .git/logs/HEAD")


def _missing_object(look: Look) -> Scheme:
    nobody = look.dice.randbytes(ID_BYTES[look.clone.algorithm]).hex().encode()
    words = _last_line(look).split(b" ", 2)
    line = b" ".join((words[1], nobody, words[2])) + b"\n"
    return Scheme(edits=(_head_added(look, line),), action="add a line to .git/logs/HEAD that names no object")


def _dash_lie(look: Look) -> Scheme:
    words = _last_line(look).split(b" ", 2)
    who = words[2].partition(b"\t")[0]
    before = re.findall(rb"\tcheckout: moving from (\S+) to ", look.snapshot(look.clone.path("logs/HEAD")).content)
    truth = before[-1].decode("utf-8", "surrogateescape") if before else None
    others = [name for ref in other_branches(look) if (name := ref.removeprefix("refs/heads/")) != truth]
    if not others:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no branch but those two")
    other = others[0]
    said = raw(f"\tcheckout: moving from {other} to somewhere\n")
    line = b" ".join((words[1], words[1], who)) + said
    return Scheme(
        edits=(_head_added(look, line),), action=f"write to .git/logs/HEAD that {other} was checked out before"
    )


def _directory(look: Look) -> Scheme:
    ref = look.branch()
    edits = look.directory_instead(look.clone.path("logs", ref))
    return Scheme(edits=edits, action=f"put a directory in the place of .git/logs/{ref}", victim={"ref": ref})


def _unwritable(look: Look) -> Scheme:
    return Scheme(edits=look.chmod(look.clone.path("logs/HEAD"), 0o444), action="make .git/logs/HEAD read-only")


ENTRIES = (
    row(
        "reflog-head-missing",
        "delete the reflog of HEAD",
        "`git checkout -` fails",
        _head_missing,
        tells="rev-parse @{{-1}}",
        repair="nothing to be done; it begins anew with the next commit",
        seen="reflog-lost",
    ),
    row(
        "reflog-missing",
        "move .git/logs away",
        "nothing: stash list is empty, and nothing undone can be found any more",
        _logs_missing,
        repair="nothing to be done",
        seen="reflog-lost",
        silent=True,
    ),
    row(
        "reflog-garbage",
        "add a line of garbage to the reflog of HEAD",
        "nothing: git passes over it",
        _garbage,
        tells="reflog --max-count=3",
        repair="remove the line",
        seen="reflog-broken",
        harmless=True,
    ),
    row(
        "reflog-missing-object",
        "add a line to the reflog of HEAD that names no object",
        "fsck says 'invalid reflog entry'; gc may fail",
        _missing_object,
        tells="fsck",
        says="invalid reflog entry",
        repair="git reflog expire --stale-fix --all",
        seen="reflog-broken",
        fsck=True,
    ),
    row(
        "reflog-dash-lie",
        "write to the reflog of HEAD that another branch was checked out before",
        "nothing: `git checkout -` goes to the wrong branch",
        _dash_lie,
        tells="rev-parse --abbrev-ref @{{-1}}",
        repair="remove the line",
        seen="head-unlike-log",
        silent=True,
    ),
    row(
        "reflog-directory",
        "put a directory in the place of the checked-out branch's reflog",
        "commit, reset and pull fail: 'unable to append to ... Is a directory'",
        _directory,
        tells="update-ref -m x {ref} HEAD~1",
        repair="remove the directory",
        seen="reflog-broken",
    ),
    row(
        "reflog-unwritable",
        "make the reflog of HEAD read-only; a worker that is root does not notice",
        "commit, reset and checkout fail: 'unable to append to .git/logs/HEAD'",
        _unwritable,
        tells="commit --allow-empty -m x",
        says="logs/HEAD",
        repair="chmod 644 the file",
        seen="permission-lost",
        rights=True,
    ),
)
