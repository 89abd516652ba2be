"""Damage to HEAD: what the clone believes to be on."""

from daemon.core.gitobjects import ID_BYTES, raw
from faults.git.entry import Scheme
from faults.git.kinds import Recipe
from faults.git.refs import HEADS, other_branches, row
from faults.git.sight import Look


def _head(look: Look, content: bytes | None, action: str, **victim: str) -> Scheme:
    path = look.clone.path("HEAD")
    recipe = Recipe(action="unlink") if content is None else Recipe(action="write", content=content)
    return Scheme(edits=(look.rewrite(path, recipe, guarded=True),), action=action, victim=victim)


def _garbage(look: Look) -> Scheme:
    garbage = bytes((0xFF,)) + look.dice.randbytes(31)  # no ref and no id begins like this
    return _head(look, garbage, "overwrite .git/HEAD with 32 random bytes")


def _empty(look: Look) -> Scheme:
    return _head(look, b"", "empty .git/HEAD")


def _missing(look: Look) -> Scheme:
    return _head(look, None, "delete .git/HEAD")


def _zeros(look: Look) -> Scheme:
    return _head(look, bytes(look.existing(look.clone.path("HEAD")).size), "fill .git/HEAD with zeros")


def _unborn(look: Look) -> Scheme:
    return _head(look, b"ref: refs/heads/does-not-exist\n", "point HEAD to a branch that does not exist")


def _wrong_branch(look: Look) -> Scheme:
    ref = other_branches(look)[0]
    return _head(look, raw(f"ref: {ref}\n"), f"point HEAD to {ref} and leave index and files", ref=ref)


def _detached_missing(look: Look) -> Scheme:
    nobody = look.dice.randbytes(ID_BYTES[look.clone.algorithm]).hex()
    return _head(look, f"{nobody}\n".encode(), f"detach HEAD at {nobody}, the id of no object")


def _outside(look: Look) -> Scheme:
    return _head(look, b"ref: ../../etc/passwd\n", "point HEAD out of the repository")


def _case(look: Look) -> Scheme:
    ref = look.branch()
    name = ref.removeprefix(HEADS).swapcase()
    return _head(look, raw(f"ref: {HEADS}{name}\n"), "point HEAD to its branch in other letters", ref=ref)


_NO_REPOSITORY = "every git command dies with 'not a git repository', or works on a repository further up"


ENTRIES = (
    row(
        "head-garbage",
        "overwrite HEAD with random bytes",
        _NO_REPOSITORY,
        _garbage,
        says="not a git repository",
        fsck=True,
    ),
    row("head-empty", "empty HEAD", _NO_REPOSITORY, _empty, says="not a git repository", fsck=True, often="common"),
    row("head-missing", "delete HEAD", _NO_REPOSITORY, _missing, says="not a git repository", fsck=True),
    row("head-zeros", "fill HEAD with zeros", _NO_REPOSITORY, _zeros, says="not a git repository", fsck=True),
    row(
        "head-unborn",
        "point HEAD to a branch that does not exist",
        "nothing: a commit then begins a history of its own",
        _unborn,
        tells="status --branch --porcelain",
        says="No commits yet",
        seen="head-unborn",
        silent=True,
    ),
    row(
        "head-wrong-branch",
        "point HEAD to another branch and leave index and files as they are",
        "nothing: a commit lands on the other branch and reverts it",
        _wrong_branch,
        tells="rev-parse --abbrev-ref HEAD",
        seen="head-unlike-log",
        silent=True,
    ),
    row(
        "head-detached-missing",
        "detach HEAD at the id of no object",
        "status, log and checkout die with 'bad object HEAD'",
        _detached_missing,
        tells="log -1",
        says="bad object HEAD",
        seen="head-detached",
        fsck=True,
    ),
    row(
        "head-outside",
        "point HEAD out of the repository",
        _NO_REPOSITORY,
        _outside,
        says="not a git repository",
        fsck=True,
    ),
    row(
        "head-case",
        "point HEAD to its branch written in other letters",
        "nothing: a commit begins a new branch of almost the same name",
        _case,
        tells="status --branch --porcelain",
        says="No commits yet",
        seen="head-unborn",
        silent=True,
    ),
)
