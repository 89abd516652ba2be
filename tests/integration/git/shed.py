"""Real repositories made by plain git, pictures of them, and a file port that dies."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from daemon.core.model import Order, Undo
from daemon.core.target import Repository, Target
from daemon.ports.files import LocalFiles
from daemon.ports.git import LocalGit
from faults import CATALOGUE
from faults.git.corrupt import GitCorrupt
from faults.git.lock import GitLock
from tests.fakes import Death, FakeClock, FakeWorld, Switch

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "C",
    "GIT_COMMITTER_EMAIL": "c@example.com",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_CONFIG_COUNT": "4",
    "GIT_CONFIG_KEY_0": "init.defaultBranch",
    "GIT_CONFIG_VALUE_0": "main",
    "GIT_CONFIG_KEY_1": "gc.auto",
    "GIT_CONFIG_VALUE_1": "0",
    "GIT_CONFIG_KEY_2": "protocol.file.allow",
    "GIT_CONFIG_VALUE_2": "always",
    "GIT_CONFIG_KEY_3": "safe.directory",
    "GIT_CONFIG_VALUE_3": "*",
}
# One of each way in which a file is changed; all modes are tried in test_git_catalogue.
SAMPLE = {
    "loose-object-truncate",
    "loose-object-bitflip",
    "loose-object-missing",
    "index-truncate",
    "head-garbage",
    "ref-empty",
    "ref-missing-object",
    "index-lock",
    "ref-lock",
    "head-lock",
}
MODES = tuple((fault, mode.name) for fault in (GitCorrupt, GitLock) for mode in fault.modes if mode.name in SAMPLE)
NAMES = [name for _, name in MODES]


def run(directory: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git as a worker would; the caller looks at the exit code."""
    ceiling = {"GIT_CEILING_DIRECTORIES": str(Path(directory).resolve().parent)}
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(
        command, env=ENVIRONMENT | ceiling, capture_output=True, text=True, errors="replace", check=False
    )


def git(directory: Path | str, *arguments: str) -> str:
    """Run git and insist that it succeeds."""
    done = run(directory, *arguments)
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def commit(root: Path, message: str, **files: str) -> str:
    """Commit files, named with ``__`` for ``/`` and ``_`` for ``.``; return the commit."""
    for name, text in files.items():
        write(root, name.replace("__", "/").replace("_", "."), text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return git(root, "rev-parse", "HEAD")


def build(directory: Path, *, object_format: str = "sha1") -> Path:
    """Make a remote and a clone with packed history, and on top of it loose commits on a thread's branch."""
    remote, clone = directory / "remote.git", directory / "clone"
    git(directory, "init", "-q", "--bare", f"--object-format={object_format}", str(remote))
    git(directory, "init", "-q", f"--object-format={object_format}", str(clone))
    git(clone, "remote", "add", "origin", str(remote))
    commit(clone, "one", README_md="# site\n", src__app_js="let a = 1;\n" * 40, docs__guide_md="guide\n" * 30)
    commit(clone, "two", src__util_js="export const u = 2;\n" * 50)
    git(clone, "push", "-q", "-u", "origin", "main")
    git(clone, "gc", "-q")
    git(clone, "checkout", "-q", "-b", "thread-a")
    commit(clone, "three", src__app_js="let a = 3;\n" * 40, src__pages__index_md="hello\n" * 20)
    git(clone, "push", "-q", "-u", "origin", "thread-a")
    commit(clone, "four", docs__guide_md="guide four\n" * 30)
    commit(clone, "five", src__app_js="let a = 5;\n" * 40)
    return clone


def copy(template: Path, directory: Path) -> Path:
    """Copy a built clone with its remote, times included."""
    shutil.copytree(template.parent, directory, symlinks=True, dirs_exist_ok=True)
    clone = directory / "clone"
    git(clone, "remote", "set-url", "origin", str(directory / "remote.git"))
    git(clone, "status")  # the index learns the new inodes now, not in the middle of a test
    return clone


def picture(root: Path) -> dict[str, Any]:
    """Return everything that has to come back: content, mode, owner and mtime of files and directories."""
    seen = {}
    for directory, folders, files in os.walk(root):
        for name in (".", *files):
            path = Path(directory, name)
            stat = path.lstat()
            content = sorted((*folders, *files)) if name == "." else _content(path)
            seen[str(path.relative_to(root))] = (stat.st_mode, stat.st_mtime_ns, stat.st_uid, stat.st_gid, content)
    return seen


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    if not path.is_file():
        return "special"
    with path.open("rb") as file:
        return f"{path.stat().st_size} {hashlib.sha256(file.read(_HASHED_BYTES_MAX)).hexdigest()}"


class Counting(LocalFiles):
    """Counts what is read."""

    reads = 0

    def read(self, path: str, *, offset: int = 0, limit: int = 1 << 30, straight: bool = False) -> bytes:
        self.reads += 1
        return super().read(path, offset=offset, limit=limit, straight=straight)


def world_of(directory: Path, files: Any = None) -> FakeWorld:
    """Return a world with the real files and the real git; only its clock is turned by hand."""
    clock = FakeClock(wall_s=directory.stat().st_mtime)
    return FakeWorld(str(directory / "private"), files=files or LocalFiles(), git=LocalGit(), clock=clock)


def target_of(*paths: Path | str) -> Target:
    return Target(name="t", repository=Repository(worktree=tuple(str(path) for path in paths)))


def order_of(*paths: Path | str, seed: int = 7, allow: tuple[str, ...] | None = None) -> Order:
    # By the process: our holders are found by the injection, and another test must not end them.
    injection = f"inj-{os.getpid()}"
    return Order(injection=injection, target=target_of(*paths), dice=Random(seed), allow_repositories=allow)


def through_json(undo: Undo) -> Undo:
    """Return the record as another process would read it from the journal."""
    return msgspec.json.decode(msgspec.json.encode(undo), type=Undo)


def strike(family: str, mode: str, clone: Path, world: FakeWorld, **more: Any) -> tuple[Any, Undo]:
    """Inject a mode into a clone; return its fault, which takes it back, and the undo record."""
    kind: Any = CATALOGUE[family]
    undo = through_json(kind(mode=mode, **more).prepare(order_of(clone), world))
    kind.inject(undo, world, Switch())
    return kind, undo


_HASHED_BYTES_MAX = 64 << 20  # of a sparse file of many gigabytes


class Doomed:
    """File port that dies at the n-th moment and stays dead.

    Moments lie before and after each effect, and where a real effect has several system calls, between them.
    """

    EFFECTS = frozenset(
        (
            "put",
            "create",
            "remove",
            "make_directory",
            "remove_directory",
            "set_mtime",
            "move",
            "patch",
            "duplicate",
            "make_special",
            "dress",
        )
    )

    def __init__(self, dies_at: int) -> None:
        self._files = LocalFiles()
        self._dies_at = dies_at
        self.moments = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._files, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if name not in self.EFFECTS:
                self._still_alive()
                return real(*arguments, **named)
            self._moment()
            self._halfway(name, *arguments, **named)
            answer = real(*arguments, **named)
            self._moment()
            return answer

        return call

    def _halfway(self, name: str, path: str, content: Any = b"", like: Any = None, **named: Any) -> None:
        """Leave what is left between two system calls of an effect: a half temporary, a directory's new time."""
        if name == "make_directory":
            self._half_made_directory(path)
        elif name == "move":
            self._half_moved(path, content)
        elif name == "patch":
            self._half_patched(path, content, like)
        elif name in ("duplicate", "make_special"):
            Path(named["temporary"]).unlink(missing_ok=True)
            Path(named["temporary"]).write_bytes(b"half")
            self._moment()
        elif "temporary" in named:
            Path(named["temporary"]).unlink(missing_ok=True)
            Path(named["temporary"]).write_bytes(content[: len(content) // 2])
            self._moment()
            if name == "create" and not Path(path).exists():
                self._files.put(named["temporary"], content, like, temporary=f"{named['temporary']}-dressed")
                os.link(named["temporary"], path)
                self._moment()
                Path(path).unlink()
        elif name in ("remove", "remove_directory") and os.path.lexists(path):
            self._half_removed(path)

    def _half_moved(self, path: str, destination: str) -> None:
        if Path(path).is_file() and not Path(destination).exists():
            os.link(path, destination)
            self._moment()
            Path(destination).unlink()

    def _half_made_directory(self, path: str) -> None:
        if not os.path.lexists(path):
            Path(path).mkdir(0o700)
            self._moment()
            Path(path).rmdir()

    def _half_removed(self, path: str) -> None:
        """Take the name away, with the directory's time not given back yet."""
        if Path(path).is_dir() and any(Path(path).iterdir()):
            return
        with TemporaryDirectory(prefix="chaosd-removed-") as aside:
            Path(path).rename(f"{aside}/gone")
            self._moment()
            Path(f"{aside}/gone").rename(path)

    def _half_patched(self, path: str, like: Any, pieces: Any) -> None:
        """Write half of the bytes, with the file's rights and times not given back yet."""
        if not Path(path).is_file() or Path(path).stat().st_ino != like.inode:
            return
        with Path(path).open("r+b") as file:
            for piece in pieces:
                file.seek(piece.offset)
                file.write(piece.new[: len(piece.new) // 2])
        self._moment()

    def _moment(self) -> None:
        self.moments += 1
        self._still_alive()

    def _still_alive(self) -> None:
        if 0 < self._dies_at <= self.moments:
            raise Death
