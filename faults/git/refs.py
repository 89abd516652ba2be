"""Damage to HEAD: what the clone believes to be on. The branches' own files are in ``branches``."""

import posixpath

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import packed_ref, read_ref
from daemon.core.gitobjects import ID_BYTES, MalformedError, packed_refs, parse_head
from faults.git.entry import Entry, Scheme
from faults.git.kinds import Recipe
from faults.git.sight import Look

_HEADS = "refs/heads/"
_WRITE_HEAD = "write 'ref: refs/heads/BRANCH' to .git/HEAD"


def branches(look: Look) -> dict[str, str]:
    """Return the branches of a clone and their commits; broken ones are left out."""
    clone, files, found = look.clone, look.files, {}
    path = clone.path("packed-refs")
    if files.lstat(path) is not None:
        found = {n: i for n, i in packed_refs(files.read(path), clone.algorithm).items() if n.startswith(_HEADS)}
    todo = [_HEADS.rstrip("/")]
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
    return _head(look, f"ref: {ref}\n".encode(), f"point HEAD to {ref} and leave index and files", ref=ref)


def _detached_missing(look: Look) -> Scheme:
    nobody = look.dice.randbytes(ID_BYTES[look.clone.algorithm]).hex()
    return _head(look, f"{nobody}\n".encode(), f"detach HEAD at {nobody}, the id of no object")


def _outside(look: Look) -> Scheme:
    return _head(look, b"ref: ../../etc/passwd\n", "point HEAD out of the repository")


def _case(look: Look) -> Scheme:
    ref = look.branch()
    name = ref.removeprefix(_HEADS).swapcase()
    return _head(look, f"ref: {_HEADS}{name}\n".encode(), "point HEAD to its branch in other letters", ref=ref)


# --- packed-refs -----------------------------------------------------------------------------------------


def _packed(look: Look, recipe: Recipe | bytes, action: str, **victim: str) -> Scheme:
    return Scheme(
        edits=(look.rewrite(look.clone.path("packed-refs"), recipe, guarded=True),), action=action, victim=victim
    )


def _packed_lines(look: Look) -> list[bytes]:
    path = look.clone.path("packed-refs")
    lines = look.snapshot(path).content.splitlines(keepends=True)
    refs = [line for line in lines if line[:1] not in (b"#", b"^")]
    if not refs:
        raise TargetAbsentError(f"nothing was touched: packed-refs of {look.clone.root} holds no ref")
    return lines


def _packed_garbage(look: Look) -> Scheme:
    _packed_lines(look)
    edit = look.append(look.clone.path("packed-refs"), b"[garbage\n", guarded=True, merge="text")
    return Scheme(edits=(edit,), action="add a line of garbage to packed-refs")


def _packed_empty(look: Look) -> Scheme:
    _packed_lines(look)
    return _packed(look, b"", "empty packed-refs")


def _packed_missing(look: Look) -> Scheme:
    _packed_lines(look)
    return _packed(look, Recipe(action="unlink"), "delete packed-refs")


def _packed_truncate(look: Look) -> Scheme:
    lines = _packed_lines(look)
    size = sum(map(len, lines[:-1])) + 20
    return _packed(look, Recipe(action="truncate", size=size), "cut packed-refs off in the middle of its last line")


def _packed_zeros(look: Look) -> Scheme:
    return _packed(look, bytes(sum(map(len, _packed_lines(look)))), "fill packed-refs with zeros")


def _packed_unsorted(look: Look) -> Scheme:
    """Reverse the refs under a header that says they are sorted: git's binary search then misses most."""
    lines = _packed_lines(look)
    groups: list[list[bytes]] = []
    for line in lines[1:]:
        if line.startswith(b"^") and groups:
            groups[-1].append(line)
        else:
            groups.append([line])
    if len(groups) < 2 or b"sorted" not in lines[0]:  # noqa: PLR2004  nothing to put in another order
        raise TargetAbsentError(f"nothing was touched: packed-refs of {look.clone.root} holds fewer than two refs")
    content = lines[0] + b"".join(line for group in reversed(groups) for line in group)
    return _packed(look, content, "put the lines of packed-refs in another order")


def _refs_missing(look: Look) -> Scheme:
    return Scheme(edits=(look.away(look.clone.path("refs")),), action="move .git/refs away")


def only_packed(look: Look) -> list[str]:
    """Return the branches that stand in packed-refs and in no file of their own."""
    found = [ref for ref in branches(look) if packed_ref(look.files, look.clone, ref)]
    return sorted(ref for ref in found if look.files.lstat(look.clone.path(ref)) is None)


def path_of(look: Look, ref: str) -> str:
    """Return where a ref's own file is or would be."""
    return posixpath.join(look.clone.common, ref)


def _row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    alike = {"repair": _WRITE_HEAD, "tells": "rev-parse --git-dir", "seen": "head-broken", "often": "rare"}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


_NO_REPOSITORY = "every git command dies with 'not a git repository', or works on a repository further up"
_FROM_LOGS = "write the refs anew from the remote and from .git/logs"

ENTRIES = (
    _row(
        "head-garbage",
        "overwrite HEAD with random bytes",
        _NO_REPOSITORY,
        _garbage,
        says="not a git repository",
        fsck=True,
    ),
    _row(
        "head-empty", "empty HEAD", _NO_REPOSITORY, _empty, says="not a git repository", fsck=True, often="common"
    ),
    _row("head-missing", "delete HEAD", _NO_REPOSITORY, _missing, says="not a git repository", fsck=True),
    _row("head-zeros", "fill HEAD with zeros", _NO_REPOSITORY, _zeros, says="not a git repository", fsck=True),
    _row(
        "head-unborn",
        "point HEAD to a branch that does not exist",
        "nothing: a commit then begins a history of its own",
        _unborn,
        tells="status --branch --porcelain",
        says="No commits yet",
        seen="head-unborn",
        silent=True,
    ),
    _row(
        "head-wrong-branch",
        "point HEAD to another branch and leave index and files as they are",
        "nothing: a commit lands on the other branch and reverts it",
        _wrong_branch,
        tells="rev-parse --abbrev-ref HEAD",
        seen="head-unlike-log",
        silent=True,
    ),
    _row(
        "head-detached-missing",
        "detach HEAD at the id of no object",
        "status, log and checkout die with 'bad object HEAD'",
        _detached_missing,
        tells="log -1",
        says="bad object HEAD",
        seen="head-detached",
        fsck=True,
    ),
    _row(
        "head-outside",
        "point HEAD out of the repository",
        _NO_REPOSITORY,
        _outside,
        says="not a git repository",
        fsck=True,
    ),
    _row(
        "head-case",
        "point HEAD to its branch written in other letters",
        "nothing: a commit begins a new branch of almost the same name",
        _case,
        tells="status --branch --porcelain",
        says="No commits yet",
        seen="head-unborn",
        silent=True,
    ),
    _row(
        "packed-refs-garbage",
        "add a line of garbage to packed-refs",
        "every command that reads refs dies with 'unexpected line in .git/packed-refs'",
        _packed_garbage,
        tells="for-each-ref",
        says="unexpected line",
        repair="remove the line",
        seen="packed-refs-broken",
        fsck=True,
    ),
    _row(
        "packed-refs-empty",
        "empty packed-refs",
        "nothing at once: the branches, tags and remote branches in it are gone",
        _packed_empty,
        tells="for-each-ref",
        repair=_FROM_LOGS,
        seen="refs-lost",
        silent=True,
    ),
    _row(
        "packed-refs-missing",
        "delete packed-refs",
        "nothing at once: the branches, tags and remote branches in it are gone",
        _packed_missing,
        tells="for-each-ref",
        repair=_FROM_LOGS,
        seen="refs-lost",
        silent=True,
    ),
    _row(
        "packed-refs-truncate",
        "cut packed-refs off in the middle of its last line",
        "every command that reads refs dies with 'unterminated line' or 'unexpected line'",
        _packed_truncate,
        tells="for-each-ref",
        says="line",
        repair="remove the last line",
        seen="packed-refs-broken",
        fsck=True,
    ),
    _row(
        "packed-refs-zeros",
        "fill packed-refs with zeros",
        "every command that reads refs dies with 'unterminated line'",
        _packed_zeros,
        tells="for-each-ref",
        says="line",
        repair=_FROM_LOGS,
        seen="packed-refs-broken",
        fsck=True,
    ),
    _row(
        "packed-refs-unsorted",
        "put the lines of packed-refs in another order than its header says",
        "nothing at once: git's binary search does not find some of the refs",
        _packed_unsorted,
        tells="show-ref",
        repair="sort the lines by ref",
        seen="packed-refs-broken",
        silent=True,
    ),
    _row(
        "refs-missing",
        "move .git/refs away",
        "every git command dies with 'not a git repository'",
        _refs_missing,
        says="not a git repository",
        repair=_FROM_LOGS,
        seen="refs-absent",
        fsck=True,
    ),
)
