"""One mode on one repository: it strikes, git and the probes notice, and every byte comes back."""

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daemon.core.errors import RefusedError
from daemon.core.model import Outcome, Undo
from faults.git.entry import Entry
from tests.fakes import FakeWorld, Switch
from tests.integration.git.glance import ALREADY, Glance
from tests.integration.git.shed import ENVIRONMENT, commit, git, order_of, picture, run, through_json, write

SOMEBODY = 12345  # another user than the one to whom modes give files
IT_DEPENDS = {"packed-refs-unsorted"}  # on which refs a binary search misses
# Without its configuration a sha256 repository is read as sha1, and a partial one misses what nobody promises.
FSCK_SEES = {
    *(("sha256", name) for name in ("config-missing", "config-empty")),
    ("submodule", "config-bare"),
    *(("partial", name) for name in ("config-missing", "config-empty", "config-truncate", "config-no-remote")),
}
SAYS = {
    ("submodule", "config-bare"): "core.bare and core.worktree do not make sense",
    ("partial", "diverged"): "non-fast-forward",  # the peer's commit has been fetched to be compared
}
HANGS_S, MOST_S = 1.0, 60.0  # for a command that is to hang; for any other, on a busy machine


def build_small(directory: Path, *, object_format: str = "sha1") -> Path:
    """Make a remote and a clone with everything that a mode may strike.

    Packed history with a commit-graph and packed-refs; on top of it loose commits, a second thread with a blob of
    its own, three stash entries, a remote that is named relatively, so that a copy of both stands alone.
    """
    remote, clone = directory / "remote.git", directory / "clone"
    git(directory, "init", "-q", "--bare", f"--object-format={object_format}", str(remote))
    git(directory, "init", "-q", f"--object-format={object_format}", str(clone))
    git(clone, "remote", "add", "origin", "../remote.git")
    git(clone, "config", "user.name", "W")
    git(clone, "config", "user.email", "w@example.com")
    long = "".join(f"line {n} of a longer file\n" for n in range(60))
    commit(clone, "one", README_md="# site\n", src__app_js="let a = 1;\n" * 40, docs__guide_md=long)
    commit(clone, "two", src__util_js="export const u = 2;\n" * 50, docs__guide_md=long + "more\n")
    git(clone, "branch", "thread-old")
    git(clone, "push", "-q", "-u", "origin", "main", "thread-old")
    git(remote, "repack", "-adq")
    git(clone, "remote", "set-head", "origin", "main")  # as `git clone` does
    git(clone, "checkout", "-q", "-b", "thread-a")
    commit(
        clone,
        "three",
        src__app_js="let a = 3;\n" * 40,
        src__pages__index_md="hello\n" * 20,
        docs__guide_md=long + "x\n",
    )
    git(clone, "push", "-q", "-u", "origin", "thread-a")
    git(clone, "gc", "-q")
    git(clone, "commit-graph", "write", "--reachable")
    commit(clone, "four", docs__guide_md="guide four\n" * 30)
    settle_in(clone, "main")
    return clone


def settle_in(clone: Path, base: str) -> None:
    """Leave what a worker leaves: a second thread from ``base``, a switch, stash entries, a loose commit."""
    git(clone, "checkout", "-q", "-B", "thread-b", base)
    commit(clone, "b", src__b_js="only b\n" * 30)
    git(clone, "checkout", "-q", "-")
    for number in range(3):
        write(clone, "README.md", f"# stashed {number}\n")
        git(clone, "stash", "push", "-q", "-m", f"entry {number}")
    commit(clone, "five", src__app_js="let a = 5;\n" * 40)
    git(clone, "status")


def root_of(clone: Path) -> Path:
    """Return the directory that holds the clone and its remote; a submodule lies deeper than others."""
    return next(above for above in clone.parents if (above / "remote.git").is_dir())


NEEDS = {
    "midx-": ("multi-pack-index", "write"),
    "ref-packed-stale": ("pack-refs", "--all", "--no-prune"),
    "bitmap-": ("-C", "../remote.git", "repack", "-adbq"),
    "pack-delta-base": ("repack", "-adfq", "--depth=50"),
}
SHALLOW = {"shallow-lost", "shallow-empty", "shallow-lock"}
ALONE = {"not-executable", "alternates-lost", *SHALLOW}


def needs_its_own(mode: str) -> bool:
    """Tell whether a mode finds something to strike only in a clone that ``equip`` has made for it."""
    return mode.startswith(tuple(NEEDS)) or mode.endswith("-of-root") or mode in ALONE


def replaces_the_clone(mode: str) -> bool:
    """Tell whether ``equip`` makes another kind of clone of it for a mode."""
    return mode in SHALLOW or mode == "alternates-lost"


def equip(clone: Path, mode: str) -> None:
    """Give the clone what some modes need to find something to strike."""
    for prefix, command in NEEDS.items():
        if mode.startswith(prefix):
            git(clone, *command)
    if mode == "ref-packed-stale":
        commit(clone, "newer than packed-refs", README_md="# newer\n")
    git(clone, "status")
    if mode.endswith("-of-root"):  # root could not tell that these are root's now
        subprocess.run(["chown", "-R", str(SOMEBODY), str(root_of(clone))], check=True)
    if mode == "not-executable":
        hook = clone / run(clone, "rev-parse", "--git-path", "hooks/pre-commit").stdout.strip()
        hook.write_text("#!/bin/sh\nexit 0\n")
        hook.chmod(0o755)
    if mode == "alternates-lost":
        (clone / ".git/objects/info/alternates").write_text("../../../lender/objects\n")
        shutil.copytree(clone / ".git", clone.parent / "lender")
        for name in ("commit-graph", "packs"):
            (clone / ".git/objects/info" / name).unlink(missing_ok=True)
        shutil.rmtree(clone / ".git/objects/pack")
        (clone / ".git/objects/pack").mkdir()
    if mode in SHALLOW:
        shutil.rmtree(clone)
        git(
            clone.parent,
            "clone",
            "-q",
            "--depth=1",
            "--branch=thread-a",
            f"file://{clone.parent}/remote.git",
            str(clone),
        )
        git(clone, "remote", "set-url", "origin", "../remote.git")


@dataclass(slots=True)
class Said:
    """What a command answered; ``code`` None: it had to be stopped."""

    code: int | None
    text: str


def ask(
    root: Path,
    clone: Path,
    line: str,
    victim: dict[str, Any],
    *,
    user: int | None = None,
    timeout_s: float = MOST_S,
) -> Said:
    """Run a git command in a copy of the clone and its remote, below ``root``, which is then thrown away."""
    copy = root.parent / f"{root.name}-asked"
    shutil.rmtree(copy, ignore_errors=True)
    subprocess.run(["cp", "-a", str(root), str(copy)], check=True)
    there = copy / clone.relative_to(root)
    if user is not None:
        copy.chmod(0o755)
        if copy.lstat().st_uid == 0:
            _give_away(copy, user)
    line = line.replace("../remote.git", os.path.relpath(root / "remote.git", clone))
    words = line.format_map({"branch": "thread-b", **victim}).split()
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=there if there.is_dir() else copy,
            env={name: value for name, value in ENVIRONMENT.items() if not name.endswith(("_NAME", "_EMAIL"))}
            | {
                "GIT_CONFIG_COUNT": "3",  # without safe.directory: the worker has no reason to trust others
                "GIT_CEILING_DIRECTORIES": str(copy),
                "GIT_OPTIONAL_LOCKS": "0",
                "GIT_TERMINAL_PROMPT": "0",
            },
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            user=user,
            group=user,
            extra_groups=() if user is not None else None,
        )
    except subprocess.TimeoutExpired:
        return Said(None, "")
    finally:
        subprocess.run(["rm", "-rf", str(copy)], check=False)
    return Said(done.returncode, (done.stdout + done.stderr).replace(str(copy), "@"))


def _give_away(root: Path, user: int) -> None:
    """Let everything belong to a plain user, except what the fault gave to somebody else."""
    for directory, folders, files in os.walk(root):
        for name in (".", *folders, *files):
            path = Path(directory, name)
            if path.lstat().st_uid == 0:
                os.chown(path, user, user, follow_symlinks=False)


def complaint(entry: Entry, before: Said, after: Said) -> str | None:
    """Say what is wrong with how a fault shows itself; None when it shows as its entry promises."""
    if entry.says == "HANGS":
        return None if after.code is None and before.code is not None else f"it does not hang: {after}"
    if after.code is None:
        return "it hangs"
    if entry.says not in after.text:
        return f"git does not say {entry.says!r}: {after}"
    if entry.harmless:
        return None if after.code == before.code else f"it is not harmless: {after}"
    return _not_silent(before, after) if entry.silent else _not_loud(before, after)


def _fsck(said: Said) -> tuple[int | None, list[str]]:
    """Return what git fsck found: not what merely hangs loose, nor its advice."""
    lines = [line for line in said.text.splitlines() if not line.startswith(("dangling ", "notice: ", "hint: "))]
    return said.code, lines


def _not_silent(before: Said, after: Said) -> str | None:
    if after.code not in (0, before.code):
        return f"it is not silent: {after}"
    return None if before.text != after.text else f"nothing is different: {after}"


def _not_loud(before: Said, after: Said) -> str | None:
    if after.code == 0:
        return f"the command succeeds: {after}"
    return (
        None if before.code == 0 or before.text != after.text else f"the command fails without the fault: {before}"
    )


class Stall:
    """One healthy clone that one mode after another strikes: each leaves it as it was, or it serves no more."""

    def __init__(self, clone: Path, world: FakeWorld) -> None:
        self.clone = clone
        self.root = root_of(clone)
        self.glance = Glance(clone, world)
        self.before = picture(self.root)
        self._healthy: dict[tuple[str, int | None], Said] = {}

    def healthy(self, line: str, victim: dict[str, Any], user: int | None) -> Said:
        """Return what a command answers without a fault; the clone must be healthy now."""
        key = (line.format_map({"branch": "thread-b", **victim}), user)
        if key not in self._healthy:
            self._healthy[key] = ask(self.root, self.clone, line, victim, user=user)
        return self._healthy[key]

    def expect(self, words: str) -> None:
        """Raise AssertionError unless every byte, mode, owner and time is as it was."""
        now = picture(self.root)
        names = self.before.keys() | now.keys()
        wrong = {n: (self.before.get(n), now.get(n)) for n in names if self.before.get(n) != now.get(n)}
        assert not wrong, f"{words}: {wrong}"


def try_out(
    kind: Any, entry: Entry, stall: Stall, world: FakeWorld, *, thorough: bool = False, which: str = "small"
) -> str:
    """Strike and take back; returns how it went, in a word, and raises AssertionError when it went wrong.

    ``thorough`` looks at every byte after preparing and injecting as well, and asks git fsck. ``which`` is the kind
    of repository: some say it in other words.
    """
    user, clone = SOMEBODY if entry.rights else None, stall.clone
    try:
        undo: Undo = through_json(kind(mode=entry.name).prepare(order_of(clone), world))
    except RefusedError as refusal:
        stall.expect(f"{entry.name}: refused, but not untouched")
        return f"refused: {refusal.message}"
    if thorough:
        stall.expect(f"{entry.name}: prepare touched something")
    tells = entry.tells or "status"
    healthy = stall.healthy(tells, dict(undo.victim), user)
    sound = stall.healthy("fsck --full", {}, user) if thorough else Said(None, "")
    try:
        kind.inject(undo, world, Switch())
        if thorough:
            assert picture(stall.root) != stall.before or "hold" in str(undo.data), "inject did nothing"
        patience = HANGS_S if entry.says == "HANGS" else MOST_S
        said = ask(stall.root, clone, tells, dict(undo.victim), user=user, timeout_s=patience)
        problem = complaint(replace(entry, says=SAYS.get((which, entry.name), entry.says)), healthy, said)
        assert problem is None, f"{entry.name}: {tells}: {problem}"
        if thorough:
            sees = _fsck(ask(stall.root, clone, "fsck --full", {}, user=user)) != _fsck(sound)
            if entry.name not in IT_DEPENDS:
                assert sees is (entry.fsck or (which, entry.name) in FSCK_SEES), (
                    f"{entry.name}: git fsck {'sees' if sees else 'does not see'} it"
                )
        before = {finding.name for finding in stall.glance.before} - ALREADY
        assert entry.seen not in before, f"{entry.name}: {entry.seen} is said of the healthy clone"
        found = stall.glance.look(clone, world)
        assert entry.seen in found, f"{entry.name}: no probe says {entry.seen}, but {sorted(found)}"
    finally:
        reversion = kind.revert(undo, world)
    stall.expect(f"{entry.name}: not as before")
    assert reversion.outcome is Outcome.RESTORED, reversion
    return "ok"
