"""Hooks that fail, hang, or do something else than they should, in the clone."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.errors import TargetAbsentError
from daemon.core.parameters import parameter
from faults.git.entry import Entry, Scheme, modes
from faults.git.family import Family
from faults.git.sight import Look

SAID = "chaosd says no"
FAIL = f"echo {SAID} >&2\nexit 1\n"
# Ends when the hook is taken back, and by itself after `hold`: nobody waits for longer than the fault is there.
HANG = 'n={seconds}\nwhile [ -e "$0" ] && [ $n -gt 0 ]; do sleep 1; n=$((n - 1)); done\n'


def hook(
    name: str, body: str, action: str, *, mode: int = 0o755, interpreter: str = "/bin/sh"
) -> Callable[[Look], Scheme]:
    """Make a scheme that installs a hook, in place of one that is there."""

    def scheme(look: Look) -> Scheme:
        path = posixpath.join(_directory(look), name)
        text = f"#!{interpreter}\n{body.replace('{seconds}', str(int(look.parameters.hold)))}"
        return Scheme(edits=(look.put(path, text.encode(), mode=mode),), action=action, victim={"hook": name})

    return scheme


def _directory(look: Look) -> str:
    """Return the clone's own directory of hooks; raises RefusedError when git reads another (core.hooksPath).

    Only git itself knows: the setting may come from any of its files, the user's and the system's as well.
    """
    own, root = look.clone.path("hooks"), look.clone.root
    answer = look.world.git.run(root, "rev-parse", "--git-path", "hooks")
    if answer.code != 0:
        why = answer.err.strip().partition("\n")[0]
        raise TargetAbsentError(f"nothing was touched: git does not say where the hooks of {root} are: {why}")
    read = look.files.resolve(posixpath.join(root, answer.out.removesuffix("\n")))
    if read != look.files.resolve(own):
        raise look.refused(
            f"git reads the hooks in {read} and not those in {own}",
            "hooks-path",
            "core.hooksPath says so, as husky sets it: take that out, or choose another fault",
        )
    return own


def _not_executable(look: Look) -> Scheme:
    """Take the x bit of a hook that is wanted; of a clone without one, nothing is lost."""
    directory = _directory(look)
    for name in look.files.names(directory):
        path = posixpath.join(directory, name)
        stat = look.files.lstat(path)
        if not name.endswith(".sample") and stat is not None and stat.kind == "file" and stat.mode & 0o111:
            edits = look.chmod(path, stat.mode & ~0o111)
            return Scheme(edits=edits, action=f"take the x bit of the hook {name}", victim={"hook": name})
    raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no hook")


def _row(name: str, summary: str, fails: str, scheme: object, tells: str, **more: object) -> Entry:
    alike = {"repair": "remove the hook from .git/hooks", "seen": "hook-present", "often": "seen", "tells": tells}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


_COMMIT = "commit --allow-empty -m asked"

ENTRIES = (
    _row(
        "pre-commit-fail",
        "a pre-commit hook that fails",
        f"commit fails: '{SAID}'",
        hook("pre-commit", FAIL, "install a pre-commit hook that fails"),
        _COMMIT,
        says=SAID,
        often="daily",
    ),
    _row(
        "pre-commit-fail-silently",
        "a pre-commit hook that fails without a word",
        "commit fails and says nothing",
        hook("pre-commit", "exit 1\n", "install a pre-commit hook that fails without a word"),
        _COMMIT,
    ),
    _row(
        "pre-commit-hang",
        "a pre-commit hook that hangs",
        "commit hangs while it holds index.lock",
        hook("pre-commit", HANG, "install a pre-commit hook that hangs"),
        _COMMIT,
        says="HANGS",
        often="common",
    ),
    _row(
        "pre-commit-drops-file",
        "a pre-commit hook that takes a file out of the commit",
        "nothing: the commit is made without the file",
        hook(
            "pre-commit",
            "git rm -q --cached --ignore-unmatch README.md\n",
            "install a pre-commit hook that drops README.md",
        ),
        "-c core.abbrev=40 commit --allow-empty -m asked",
        says="",
        silent=True,
    ),
    _row(
        "commit-msg-rewrites",
        "a commit-msg hook that writes another message",
        "nothing: the commit has another message, and trace words in it are gone",
        hook("commit-msg", 'echo "update" > "$1"\n', "install a commit-msg hook that writes another message"),
        _COMMIT,
        says="update",
        silent=True,
    ),
    _row(
        "commit-msg-fail",
        "a commit-msg hook that fails",
        f"commit fails: '{SAID}'",
        hook("commit-msg", FAIL, "install a commit-msg hook that fails"),
        _COMMIT,
        says=SAID,
        often="common",
    ),
    _row(
        "post-commit-undo",
        "a post-commit hook that takes the commit back",
        "nothing: commit exits 0, and nothing is committed",
        hook(
            "post-commit",
            "git reset -q --soft HEAD~1 && echo undone\n",
            "install a post-commit hook that undoes the commit",
        ),
        _COMMIT,
        says="undone",
        silent=True,
        often="rare",
    ),
    _row(
        "post-checkout-fail",
        "a post-checkout hook that fails",
        "checkout ends with the hook's code, though the switch is done",
        hook("post-checkout", "exit 3\n", "install a post-checkout hook that fails"),
        "checkout thread-b",
    ),
    _row(
        "post-checkout-hang",
        "a post-checkout hook that hangs",
        "checkout hangs after the switch",
        hook("post-checkout", HANG, "install a post-checkout hook that hangs"),
        "checkout thread-b",
        says="HANGS",
    ),
    _row(
        "post-merge-fail",
        "a post-merge hook that fails: git does not mind",
        "nothing",
        hook("post-merge", FAIL, "install a post-merge hook that fails"),
        "",
        harmless=True,
    ),
    _row(
        "pre-push-fail",
        "a pre-push hook that fails",
        f"push fails: '{SAID}'",
        hook("pre-push", FAIL, "install a pre-push hook that fails"),
        "push origin HEAD",
        says=SAID,
        often="common",
    ),
    _row(
        "pre-push-hang",
        "a pre-push hook that hangs",
        "push hangs",
        hook("pre-push", HANG, "install a pre-push hook that hangs"),
        "push origin HEAD",
        says="HANGS",
        often="common",
    ),
    _row(
        "reference-transaction-fail",
        "a reference-transaction hook that refuses every change of a ref",
        "commit, fetch, checkout and push die with 'ref updates aborted by hook'",
        hook("reference-transaction", "exit 1\n", "install a hook that refuses every change of a ref"),
        "update-ref refs/heads/new HEAD",
        says="aborted by hook",
        often="rare",
    ),
    _row(
        "bad-interpreter",
        "a pre-commit hook whose interpreter does not exist",
        "commit fails: 'cannot run .git/hooks/pre-commit: No such file or directory'",
        hook("pre-commit", "exit 0\n", "install a hook without interpreter", interpreter="/no/such/interpreter"),
        _COMMIT,
        says="No such file or directory",
    ),
    _row(
        "windows-line-ends",
        "a pre-commit hook with CRLF line ends",
        "commit fails: 'cannot run .git/hooks/pre-commit'",
        hook("pre-commit", "exit 0\r\n", "install a hook with CRLF line ends", interpreter="/bin/sh\r"),
        _COMMIT,
        says="pre-commit",
    ),
    _row(
        "post-index-change-hang",
        "a post-index-change hook that hangs",
        "every command that writes the index hangs, even status",
        hook("post-index-change", HANG, "install a post-index-change hook that hangs"),
        "reset",
        says="HANGS",
        often="rare",
    ),
    _row(
        "prepare-commit-msg-fail",
        "a prepare-commit-msg hook that fails",
        f"commit and merge fail: '{SAID}'",
        hook("prepare-commit-msg", FAIL, "install a prepare-commit-msg hook that fails"),
        _COMMIT,
        says=SAID,
    ),
    _row(
        "not-executable",
        "take the x bit of a hook that is wanted",
        "nothing but a hint: the hook is not run any more",
        _not_executable,
        _COMMIT,
        says="hint",
        seen="hook-not-executable",
        repair="chmod +x the hook",
        silent=True,
    ),
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHook(Family):
    """Installs a hook that fails, hangs or does something else than it should."""

    name: ClassVar[str] = "git-hook"
    summary: ClassVar[str] = "install a hook that fails, hangs or spoils what it is given"
    modes: ClassVar = modes(ENTRIES)
    entries: ClassVar = _BY_NAME

    mode: str = parameter("pre-commit-fail", "which hook, and what it does", choices=tuple(_BY_NAME))
    hold: float = parameter(900.0, "after how long a hook that hangs ends by itself", unit="s", least=1)
