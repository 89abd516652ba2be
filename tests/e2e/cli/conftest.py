"""The installed command, a repository to hurt, and a look that tells whether anything was touched."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHAOSD = str(Path(sys.executable).parent / "chaosd")
TIMEOUT_S = 60.0


@dataclass
class Ran:
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Cli:
    """Runs the installed ``chaosd`` in an environment of its own, with a state directory of its own."""

    home: Path
    environment: dict[str, str]
    children: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.home / "state"

    def __call__(self, *words: str | Path, before: tuple[str, ...] = (), **environment: str) -> Ran:
        child = self.begin(*words, before=before, **environment)
        out, err = child.communicate(timeout=TIMEOUT_S)
        return Ran(child.returncode, out, err)

    def begin(
        self, *words: str | Path, before: tuple[str, ...] = (), **environment: str
    ) -> "subprocess.Popen[str]":
        child = subprocess.Popen(
            [*before, CHAOSD, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=self.environment | environment,
            start_new_session=True,
        )
        self.children.append(child)
        return child

    def config(self, text: str, name: str = "chaosd.yaml") -> Path:
        path = self.home / name
        path.write_text(text)
        return path


@pytest.fixture
def chaosd(tmp_path: Path) -> Iterator[Cli]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    home = tmp_path / "home"
    home.mkdir()
    cli = Cli(home, {**kept, "HOME": str(home), "CHAOSD_STATE_DIR": str(home / "state"), "PYTHONWARNINGS": ""})
    yield cli
    for child in cli.children:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.communicate()


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    """Run git, with nobody's configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }

    def run(*words: str | Path) -> str:
        done = subprocess.run(
            ["git", *map(str, words)], env=environment, check=True, capture_output=True, text=True, timeout=30
        )
        return done.stdout

    return run


@pytest.fixture
def repository(tmp_path: Path, git: Callable[..., str]) -> Path:
    path = tmp_path / "repository"
    git("init", "--quiet", "--initial-branch=main", path)
    for number in range(3):
        (path / f"file-{number}").write_text(f"{number}\n" * 50)
        git("-C", path, "add", ".")
        git("-C", path, "commit", "--quiet", "--message", f"commit {number}")
    return path


Tree = dict[str, tuple[int, int, str]]


@pytest.fixture
def tree() -> Callable[[Path], Tree]:
    """Return content, mode and mtime of everything under a directory."""

    def look(root: Path) -> Tree:
        return {str(p.relative_to(root)): _facts(p) for p in (root, *sorted(root.rglob("*")))}

    return look


def _facts(path: Path) -> tuple[int, int, str]:
    stat = path.lstat()
    if path.is_symlink():
        content = str(path.readlink())
    else:
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return stat.st_mode, stat.st_mtime_ns, content
