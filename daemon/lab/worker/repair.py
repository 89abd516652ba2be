"""Repair a broken clone in place, from the cheapest step to the dearest, and lose nothing that can still be read.

The work tree is never touched: uncommitted work stays where it is, whatever happens to the repository around it.
When no repair helps, the repository folder is replaced by a fresh one (``replace``) underneath the same work tree.
"""

import hashlib
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.lab.worker.defects import Defect
from daemon.lab.worker.gitcli import Git, GitError
from daemon.lab.worker.locks import clear_stale_locks
from daemon.lab.worker.replace import replace_repository
from daemon.lab.worker.say import say
from daemon.lab.worker.slots import Slot

HEAD_TEXT = re.compile(r"ref: refs/heads/[^\s~^:?*\[\\]+\n?|[0-9a-f]{40}\n?")
OBJECT_ID = re.compile(r"[0-9a-f]{40}\n?")
CONFIG = """\
[core]
\trepositoryformatversion = 0
\tbare = false
\tlogallrefupdates = true
[remote "origin"]
\turl = {remote}
\tfetch = +refs/heads/*:refs/remotes/origin/*
"""
FOLDERS = ("objects", "refs/heads", "refs/tags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairer:
    """Checks and repairs the clone of one slot."""

    git: Git
    slot: Slot
    remote: str
    mainline: str
    lock_age_s: float
    defect: Defect | None = None

    def problems(self) -> str:
        """Say what is wrong with the clone; empty when it is sound. Takes no lock, changes nothing."""
        checks = (
            ("symbolic-ref", "HEAD"),
            ("rev-parse", "--verify", "HEAD^{commit}"),
            ("status", "--porcelain", "--untracked-files=no"),
            ("fsck", "--full", "--no-dangling", "--no-progress"),
        )
        if not self.git.folder.is_dir():
            return "no repository"
        for check in checks:
            try:
                self.git.run(*check)
            except GitError as error:
                return str(error)
        return "operation in progress" if any(_operations(self.git.folder)) else ""

    def heal(self) -> bool:
        """Repair what is broken; say whether the clone is sound now. Locks too young to be stale are left alone."""
        self.clear_locks()
        wrong = self.problems()
        if not wrong:
            return True
        if not self.slot.clone.exists():
            self._attempt(self._replace)
            say("clone.made", clone=self.slot.name)
            return not self.problems()
        say("clone.broken", level="ERROR", clone=self.slot.name, why=wrong)
        steps: tuple[Callable[[], None], ...] = (
            self._restore_config,
            self._restore_head,
            self._end_operation,
            self._restore_refs,
            self._restore_objects,
            self._rebuild_index,
        )
        for step in () if self.defect is Defect.RECLONE_LOSES_UNPUSHED else steps:
            if self.git.folder.is_dir():
                self._attempt(step)
            if not self.problems():
                say("clone.repaired", level="WARNING", clone=self.slot.name, by=step.__name__.strip("_"))
                return True
        self._attempt(self._replace)
        still = self.problems()
        if not still:
            say("clone.replaced", level="WARNING", clone=self.slot.name)
        return not still

    def clear_locks(self) -> int:
        """Remove stale locks; return how many."""
        if self.defect is Defect.KEEP_STALE_LOCK or not self.git.folder.is_dir():
            return 0
        return clear_stale_locks(self.git, older_than_s=self.lock_age_s)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (GitError, OSError) as error:
            say("repair.failed", level="WARNING", step=step.__name__.strip("_"), why=str(error))

    def _branch(self) -> str:
        return self.slot.noted().get("branch") or self.mainline

    def _restore_config(self) -> None:
        config = self.git.folder / "config"
        if config.exists() and self.git.succeeds("config", "--local", "--get", "remote.origin.url"):
            return
        _write(config, CONFIG.format(remote=self.remote))

    def _restore_head(self) -> None:
        for name in FOLDERS:  # git does not even recognise a repository without them
            (self.git.folder / name).mkdir(parents=True, exist_ok=True)
        head = self.git.folder / "HEAD"
        if not HEAD_TEXT.fullmatch(_read(head)):
            _write(head, f"ref: refs/heads/{self._branch()}\n")
        if not self.git.succeeds("symbolic-ref", "--quiet", "HEAD"):
            # Detached: commits made there would belong to no branch. Name them, then go back to the branch.
            tip = self.git.run("rev-parse", "--verify", "HEAD").strip()
            self.git.run("update-ref", f"refs/kept/{tip}", tip)
            self.git.run("symbolic-ref", "HEAD", f"refs/heads/{self._branch()}")
            self.git.run("reset", "--quiet")

    def _end_operation(self) -> None:
        for state in _operations(self.git.folder):
            verb = "rebase" if state.name.startswith("rebase") else state.name.removesuffix("_HEAD").lower()
            if not self.git.succeeds(verb.replace("_", "-"), "--abort"):
                shutil.rmtree(state) if state.is_dir() else state.unlink(missing_ok=True)
        if not self.git.succeeds("diff", "--quiet", "--diff-filter=U"):
            self.git.run("reset", "--quiet")

    def _restore_refs(self) -> None:
        for path in _refs(self.git.folder):
            value = _read(path)
            if value.startswith("ref: "):
                continue
            if OBJECT_ID.fullmatch(value) and self.git.succeeds("cat-file", "-e", f"{value.strip()}^{{commit}}"):
                continue
            name = path.relative_to(self.git.folder).as_posix()
            if not path.exists() and self.git.succeeds("rev-parse", "--verify", "--quiet", name):
                continue  # it is among the packed ones
            known = self._last_known(name)
            if known:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, f"{known}\n")
            else:
                path.unlink(missing_ok=True)  # git falls back to the packed value, we to the remote's
            say("ref.restored", level="WARNING", ref=name, to=known)
        head = _read(self.git.folder / "HEAD").removeprefix("ref: ").strip()
        if head.startswith("refs/heads/") and not self.git.succeeds("rev-parse", "--verify", "--quiet", head):
            branch = head.removeprefix("refs/heads/")
            known = self._last_known(head) or self._remote_tip(branch) or self._remote_tip(self.mainline)
            if known:
                self.git.run("update-ref", head, known)

    def _last_known(self, ref: str) -> str:
        """Return the newest commit that the ref's log knows and that can be read."""
        rows = _read(self.git.folder / "logs" / ref).splitlines()
        for row in reversed(rows):
            commit = row.split(" ")[1] if row.count(" ") > 1 else ""
            if OBJECT_ID.fullmatch(commit) and self.git.succeeds("rev-list", "--quiet", "--objects", commit):
                return commit
        return ""

    def _remote_tip(self, branch: str) -> str:
        tip = self.git.run("ls-remote", "origin", f"refs/heads/{branch}").partition("\t")[0]
        return tip if tip and self.git.succeeds("cat-file", "-e", tip) else ""

    def _restore_objects(self) -> None:
        store = self.git.folder / "objects"
        for path in _corrupt_loose_objects(store):
            path.unlink()
            say("object.removed", level="WARNING", path=path.relative_to(store).as_posix())
        donor = self.slot.scratch / f"{self.slot.name}-donor.git"
        shutil.rmtree(donor, ignore_errors=True)
        try:
            self.git.run("clone", "--quiet", "--bare", "--no-hardlinks", self.remote, str(donor))
            _copy_missing(donor / "objects", store)
        finally:
            shutil.rmtree(donor, ignore_errors=True)
        # What was committed but never pushed may still lie in the work tree.
        files = [str(p) for p in self.git.directory.rglob("*") if p.is_file() and ".git" not in p.parts]
        self.git.run("hash-object", "-w", "--stdin-paths", text="".join(f"{name}\n" for name in files))
        self._restore_refs()

    def _rebuild_index(self) -> None:
        (self.git.folder / "index").unlink(missing_ok=True)
        self.git.run("reset", "--quiet")

    def _replace(self) -> None:
        if self.defect is Defect.RECLONE_LOSES_UNPUSHED:
            shutil.rmtree(self.slot.clone, ignore_errors=True)
        replace_repository(self.git, self.slot, remote=self.remote, branch=self._branch(), mainline=self.mainline)


def _operations(folder: Path) -> Iterator[Path]:
    for name in ("rebase-merge", "rebase-apply", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"):
        if (folder / name).exists():
            yield folder / name


def _refs(folder: Path) -> list[Path]:
    """Return the files of all loose refs, and of the branches that have a log and ought to have a ref."""
    there = {p for p in (folder / "refs").rglob("*") if p.is_file() and p.suffix != ".lock"}
    logs = folder / "logs"
    logged = {folder / p.relative_to(logs) for p in (logs / "refs" / "heads").rglob("*") if p.is_file()}
    return sorted(there | logged)


def _corrupt_loose_objects(store: Path) -> Iterator[Path]:
    for path in sorted(store.glob("[0-9a-f][0-9a-f]/*")):
        name = path.parent.name + path.name
        try:
            sound = hashlib.sha1(zlib.decompress(path.read_bytes()), usedforsecurity=False).hexdigest() == name
        except (OSError, zlib.error):
            sound = False
        if not sound and len(name) == hashlib.sha1(usedforsecurity=False).digest_size * 2:
            yield path


def _copy_missing(source: Path, store: Path) -> None:
    for path in source.rglob("*"):
        there = store / path.relative_to(source)
        if path.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        elif not there.exists():
            fresh = there.with_suffix(".new")
            shutil.copyfile(path, fresh)
            fresh.replace(there)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)
