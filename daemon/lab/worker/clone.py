"""The working clone: from a branch of the remote to a pushed commit, with nobody's work lost on the way."""

import random
import threading
from dataclasses import dataclass

from daemon.lab.worker.defects import ADDS_ALL, NEVER_CATCHES_UP, Defect
from daemon.lab.worker.gitcli import Git, GitError
from daemon.lab.worker.message import Command
from daemon.lab.worker.say import say
from daemon.lab.worker.slots import Slot

PUSH_ATTEMPTS = 8
REJECTIONS = ("[rejected]", "[remote rejected]", "cannot lock ref", "failed to update ref", "stale info")


class PushRejected(Exception):  # noqa: N818 - it says what happened
    """The remote has taken other commits in the meantime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refs:
    """Commit ids as the clone knows them; empty where there is no such ref."""

    local: str
    remote: str
    mainline: str
    stash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """One clone, used by one worker at a time (its slot is locked)."""

    git: Git
    slot: Slot
    mainline: str
    defect: Defect | None = None

    def fetch(self, branch: str) -> None:
        """Learn the remote's state of ``branch``, which it need not have, and of the mainline."""
        # A pattern may match nothing, a plain name may not.
        wanted = (self.mainline, f"{branch}*")
        specs = [f"+refs/heads/{name}:refs/remotes/origin/{name}" for name in wanted]
        self.git.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", *specs)

    def refs(self, branch: str) -> Refs:
        """Read the refs that matter for ``branch``."""
        names = (
            f"refs/heads/{branch}",
            f"refs/remotes/origin/{branch}",
            f"refs/remotes/origin/{self.mainline}",
            "refs/stash",
        )
        rows = self.git.run("for-each-ref", "--format=%(refname) %(objectname)", *names).splitlines()
        found = dict(row.split(" ", 1) for row in rows)
        local, remote, mainline, stash = (found.get(name, "") for name in names)
        return Refs(local=local, remote=remote, mainline=mainline, stash=stash)

    def switch(self, branch: str) -> None:
        """Check out ``branch``, up to date with the remote, without the work of any other branch.

        What lies in the work tree is kept for its own branch; what was kept for ``branch`` comes back. A new branch
        starts at the remote's mainline.
        """
        current, dirty = self.standing()
        refs = self.refs(branch)
        if dirty and (current != branch or refs.local != refs.remote):
            self.keep_work(current)
            refs = self.refs(branch)
        if current != branch:
            self._check_out(branch, refs)
            self.slot.note(branch=branch)
        if self.defect not in NEVER_CATCHES_UP and refs.local and refs.remote and refs.local != refs.remote:
            self._catch_up(branch)
        if refs.stash:
            self.take_back_work(branch)

    def _check_out(self, branch: str, refs: Refs) -> None:
        start = refs.remote or ("HEAD" if self.defect is Defect.BRANCH_FROM_CURRENT_HEAD else refs.mainline)
        if self.defect is Defect.DETACHED_HEAD_COMMITS:
            if not refs.local:
                self.git.run("branch", "--no-track", branch, start)
            self.git.run("switch", "--quiet", "--detach", branch)
        elif refs.local:
            self.git.run("switch", "--quiet", branch)
        else:
            self.git.run("switch", "--quiet", "--no-track", "--create", branch, start)

    def standing(self) -> tuple[str, bool]:
        """Return the branch checked out (empty when detached) and whether the work tree is dirty."""
        current, dirty = "", False
        report = self.git.run("status", "--porcelain=v2", "--branch", "--untracked-files=all", "-z")
        for row in report.split("\0"):
            if row.startswith("# branch.head "):
                current = row.removeprefix("# branch.head ").replace("(detached)", "")
            dirty = dirty or (bool(row) and not row.startswith("#"))
        return current, dirty

    def keep_work(self, branch: str) -> None:
        """Stash tracked and untracked changes, labelled with the branch that they belong to."""
        scope = () if self.defect is Defect.STASH_WITHOUT_UNTRACKED else ("--include-untracked",)
        self.git.run("stash", "push", "--quiet", *scope, "--message", _label(branch))
        say("work.kept", branch=branch)

    def take_back_work(self, branch: str) -> bool:
        """Bring back what was kept for ``branch``; False when there is nothing or it does not fit any more."""
        for row in self.git.run("stash", "list", "--format=%gd %gs").splitlines():
            reference, _, subject = row.partition(" ")
            ours = subject.endswith(_label(branch)) or self.defect is Defect.STASH_POP_ON_WRONG_BRANCH
            if not ours:
                continue
            try:
                self.git.run("stash", "pop", "--quiet", reference)
            except GitError as error:
                # The stash is still there; only the half-applied copy of it goes.
                self.git.run("reset", "--quiet", "--hard")
                self.git.run("clean", "--quiet", "-d", "--force")
                say("work.left_in_stash", level="ERROR", branch=branch, why=str(error))
                return False
            say("work.taken_back", branch=branch)
            return True
        return False

    def find(self, command: Command) -> bool:
        """Say whether a commit of ``command`` is on its branch, here or there."""
        refs = self.refs(command.branch)
        tips = [tip for tip in (refs.remote, refs.local) if tip]
        if not tips:
            return False
        return self._bears(_trailers(command), *tips, "--not", refs.mainline)

    def _bears(self, trailers: str, *revisions: str) -> bool:
        lines = [f"--grep=^{line}$" for line in trailers.replace(".", "[.]").splitlines() if line]
        search = ("log", "-1", "--format=%H", "--extended-regexp", "--all-match", *lines)
        return bool(self.git.run(*search, *revisions).strip())

    def edit(self, command: Command, *, again: bool) -> None:
        """Append the command's line to its session's file; with ``again`` even when it is there."""
        path = self.git.directory / command.path
        self.slot.note(branch=command.branch, editing=command.path)
        path.parent.mkdir(exist_ok=True)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if again or command.line not in text.splitlines():
            fresh = path.with_suffix(".new")
            fresh.write_text(f"{text}{command.line}\n", encoding="utf-8")
            fresh.replace(path)

    def discard_edit(self) -> None:
        """Take back an edit that was begun and not committed; its message is in the queue and will redo it."""
        notes = self.slot.noted()
        path = notes.get("editing")
        if not path:
            return
        if self.git.succeeds("cat-file", "-e", f"HEAD:{path}"):
            self.git.run("checkout", "--quiet", "HEAD", "--", path)
        else:
            self.git.run("rm", "--quiet", "--cached", "--ignore-unmatch", "--", path)
            (self.git.directory / path).unlink(missing_ok=True)
        self.slot.note(branch=notes.get("branch", ""))

    def commit(self, command: Command) -> None:
        """Commit the command's file and nothing else that may lie in the work tree."""
        subject = command.instruction[:72]
        text = f"{subject}\n\n{_trailers(command)}"
        scope = () if self.defect in ADDS_ALL else ("--", command.path)
        self.git.run("add", *(scope or ("--all",)))
        self.git.run("commit", "--quiet", "--allow-empty", "--no-verify", "--file=-", *scope, text=text)
        self.slot.note(branch=command.branch)

    def push(self, branch: str, pause: threading.Event) -> None:
        """Push ``branch``; when the remote has moved on, catch up with it and push again.

        Raises PushRejected after 8 attempts, GitError for any other failure.
        """
        for attempt in range(1, PUSH_ATTEMPTS + 1):
            try:
                self.try_push(branch)
            except PushRejected as error:
                if attempt == PUSH_ATTEMPTS:
                    raise
                say("push.rejected", level="WARNING", branch=branch, attempt=attempt, why=str(error))
                pause.wait(random.uniform(0.0, 0.05 * attempt))  # noqa: S311 - spreads the tasks, guards nothing
                self.fetch(branch)
                self._catch_up(branch)
            else:
                return

    def try_push(self, branch: str) -> None:
        """Push once. Raises PushRejected or GitError."""
        force = ("--force",) if self.defect is Defect.FORCE_PUSH else ()
        try:
            self.git.run("push", "--quiet", *force, "origin", f"refs/heads/{branch}:refs/heads/{branch}")
        except GitError as error:
            if any(sign in error.text for sign in REJECTIONS):
                raise PushRejected(str(error)) from error
            raise

    def start_over(self) -> None:
        """Throw away what the remote does not have (the defect reset-hard-on-recovery)."""
        branch, _ = self.standing()
        self.fetch(branch)
        refs = self.refs(branch)
        self.git.run("reset", "--quiet", "--hard", refs.remote or refs.mainline)
        self.git.run("clean", "--quiet", "-d", "--force")

    def branches_ahead(self) -> list[str]:
        """Return the local branches that hold commits which the remote, as we know it, has not."""
        rows = self.git.run(
            "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/remotes/origin"
        )
        tips = dict(row.split(" ", 1) for row in rows.splitlines())
        ahead = []
        for name, tip in tips.items():
            branch = name.removeprefix("refs/heads/")
            remote = f"refs/remotes/origin/{branch}"
            if branch == name or tips.get(remote) == tip:
                continue
            known = [ref for ref in (remote, f"refs/remotes/origin/{self.mainline}") if ref in tips]
            if self.git.run("rev-list", "-1", name, "--not", *known).strip():
                ahead.append(branch)
        return ahead

    def head(self) -> str:
        """Return the id of the commit checked out."""
        return self.git.run("rev-parse", "--verify", "HEAD").strip()

    def remote_head(self, branch: str) -> str:
        """Ask the remote where ``branch`` is now; empty when it has none."""
        return self.git.run("ls-remote", "origin", f"refs/heads/{branch}").partition("\t")[0]

    def read(self, command: Command) -> str:
        """Return the session's file as it lies in the work tree."""
        path = self.git.directory / command.path
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _catch_up(self, branch: str) -> None:
        upstream = f"refs/remotes/origin/{branch}"
        if self.git.succeeds("merge-base", "--is-ancestor", upstream, "HEAD"):
            return
        if self.defect is Defect.ADD_ALL_WITH_CONFLICT_MARKERS:
            self._merge_anyhow(upstream)
            return
        if self.defect is not Defect.NOT_IDEMPOTENT:
            self._drop_done(upstream)
        try:
            self.git.run("rebase", "--quiet", "--autostash", upstream)
        except GitError as error:
            self.git.succeeds("rebase", "--abort")
            say("rebase.stopped", level="WARNING", branch=branch, why=str(error))
            self._merge_both(upstream)

    def _drop_done(self, upstream: str) -> None:
        """Drop our last commits whose command ``upstream`` has as well.

        A message that was ours for too long (we were stopped, or dead) is delivered again, to another task.
        """
        while not self.git.succeeds("merge-base", "--is-ancestor", "HEAD", upstream):
            trailers = self.git.run("log", "-1", "--format=%(trailers:only)").strip()
            if not trailers or not self._bears(trailers, f"HEAD..{upstream}"):
                return
            self.git.run("reset", "--quiet", "--keep", "HEAD~1")
            say("commit.dropped", level="WARNING", why="the remote has its command already")

    def _merge_both(self, upstream: str) -> None:
        """Merge what does not fit: both sides' lines, and what one side deleted and the other changed stays."""
        union = ("-c", "merge.default=union")
        if self.git.succeeds(*union, "merge", "--quiet", "--no-edit", "--autostash", upstream):
            return
        try:
            for row in self.git.run("status", "--porcelain", "-z", "--untracked-files=no").split("\0"):
                if row[:2] in ("DU", "UD"):
                    self.git.run("add", "--", row[3:])
            self.git.run("commit", "--quiet", "--no-verify", "--no-edit")  # refuses while anything is unmerged
        except GitError:
            self.git.succeeds("merge", "--abort")
            raise

    def _merge_anyhow(self, upstream: str) -> None:
        # Plain text merging, instead of the union of lines that the repository asks for.
        plain = ("-c", "merge.union.driver=git merge-file %A %O %B")
        if not self.git.succeeds(*plain, "merge", "--quiet", "--no-edit", upstream):
            self.git.run("add", "--all")
            self.git.run("commit", "--quiet", "--no-verify", "--no-edit")


def _label(branch: str) -> str:
    return f"kept for {branch or 'a detached head'}"


def _trailers(command: Command) -> str:
    return f"Session-Id: {command.session_id}\nCommand-Id: {command.command_id}\n"
