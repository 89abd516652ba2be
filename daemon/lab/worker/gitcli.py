"""Plain git in one directory: argument lists, a timeout, an environment of its own."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 30.0
REMOTE_TIMEOUT_S = 10.0  # a remote that hangs must not cost a message its half minute
REMOTE = ("fetch", "push", "ls-remote")
WHO = {
    "GIT_AUTHOR_NAME": "edit-worker",
    "GIT_AUTHOR_EMAIL": "edit-worker@localhost",
    "GIT_COMMITTER_NAME": "edit-worker",
    "GIT_COMMITTER_EMAIL": "edit-worker@localhost",
}
# No background gc: its process would outlive the task.
ALWAYS = (
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "core.quotePath=false",
    "-c",
    "advice.detachedHead=false",
)


class GitError(Exception):
    """A git command failed; ``text`` is what it said."""

    def __init__(self, arguments: Sequence[str], text: str) -> None:
        super().__init__(f"git {' '.join(arguments)[:200]}: {text.strip()[:500]}")
        self.text = text


@dataclass(frozen=True, slots=True)
class Git:
    """Git in ``directory``."""

    directory: Path
    remote_timeout_s: float | None = REMOTE_TIMEOUT_S

    def run(self, *arguments: str, text: str | None = None) -> str:
        """Run git with ``text`` as its input and return what it prints. Raises GitError."""
        try:
            done = subprocess.run(
                ("git", *ALWAYS, *arguments),
                cwd=self.directory,
                env=dict(os.environ) | WHO | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
                input=text or "",
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=self.remote_timeout_s if arguments[0] in REMOTE else TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GitError(arguments, str(error)) from error
        if done.returncode:
            raise GitError(arguments, done.stderr or done.stdout or f"exit status {done.returncode}")
        return done.stdout

    def succeeds(self, *arguments: str) -> bool:
        """Say whether a command succeeds."""
        try:
            self.run(*arguments)
        except GitError:
            return False
        return True

    @property
    def folder(self) -> Path:
        """The repository's own folder."""
        return self.directory / ".git"
