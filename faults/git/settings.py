"""How the configuration is changed by the modes that spoil it."""

import posixpath
from collections.abc import Callable

from daemon.core import gitvalues
from daemon.core.errors import TargetAbsentError
from daemon.core.gitobjects import raw
from faults.git.entry import Entry, Scheme
from faults.git.kinds import FileEdit, Recipe
from faults.git.sight import Look

HEADING = b'[remote "origin"]'


def added(text: str, action: str) -> Callable[[Look], Scheme]:
    """Make a scheme that adds lines to the configuration, as ``add`` does."""

    def scheme(look: Look) -> Scheme:
        return Scheme(edits=(add(look, text),), action=action)

    return scheme


def add(look: Look, text: str) -> FileEdit:
    """Add lines to the configuration; what the worker sets meanwhile stays when they are taken out again.

    In a value that begins with them, ``{root}`` and ``{git}`` stand for the clone's paths.
    """
    lines = "".join(_line(look, line) for line in text.splitlines(keepends=True))
    return look.append(look.clone.path("config"), raw(lines), guarded=True, merge="text")


def _line(look: Look, line: str) -> str:
    key, equals, value = line.rstrip("\n").partition(" = ")
    return f"{key}{equals}{gitvalues.written(_filled(look, value))}\n" if value.startswith("{") else line


def _filled(look: Look, value: str) -> str:
    """Put a path of the clone in the place of the word that it begins with."""
    word, brace, rest = value.partition("}")
    path = {"{root": look.clone.root, "{git": look.clone.git_dir}.get(word)
    return path + rest if brace and path is not None else value


def heeded(key: str, scheme: Callable[[Look], Scheme]) -> Callable[[Look], Scheme]:
    """Refuse, in a linked work tree, a setting that git heeds only in the clone's own (git-worktree(1))."""

    def checked(look: Look) -> Scheme:
        shared = look.clone.shared
        if shared:
            own = shared.endswith("/.git")
            raise look.refused(
                f"git does not heed {key} in a linked work tree",
                "linked-worktree",
                f"strike the clone that it is linked to: {posixpath.dirname(shared)}" if own else "strike a clone",
            )
        return scheme(look)

    return checked


def origin(look: Look) -> tuple[int, int]:
    """Return where the remote's section begins and ends; raises TargetAbsentError when there is none."""
    content = look.snapshot(look.clone.path("config")).content
    start = content.find(HEADING)
    if start < 0:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no remote 'origin'")
    end = content.find(b"\n[", start)
    return start, len(content) if end < 0 else end + 1


def in_origin(key: str, value: str | None, action: str) -> Callable[[Look], Scheme]:
    """Make a scheme that sets a key of the remote in place of what it was; None takes the key out.

    A value that begins with ``{root}`` is a path of the clone.
    """

    def scheme(look: Look) -> Scheme:
        filled = value if value is None else _filled(look, value)
        return Scheme(edits=(set_origin(look, key, filled),), action=action)

    return scheme


def set_origin(look: Look, key: str, value: str | None) -> FileEdit:
    """Set a key in the remote's section, to exactly this value; None takes it out."""
    path = look.clone.path("config")
    start, end = origin(look)
    before = look.snapshot(path)
    lines = before.content[start:end].splitlines(keepends=True)
    kept = [line for line in lines if line.split(b"=")[0].strip().lower() != key.encode()]
    new = [] if value is None else [raw(f"\t{key} = {gitvalues.written(value)}\n")]
    recipe = Recipe(action="splice", offset=start, size=end - start, content=b"".join([kept[0], *new, *kept[1:]]))
    return FileEdit(path=path, recipe=recipe, before=before, like=before.stat, guarded=True, merge="text")


def row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    """Return a line of the table; what most of these lines have in common is filled in."""
    alike = {
        "repair": "git config --unset the key, or take .git/config from a fresh clone",
        "tells": "status",
        "seen": "config-suspicious",
        "often": "rare",
    }
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


EVERY = "every git command dies with"
