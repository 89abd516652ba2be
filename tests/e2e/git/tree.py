"""A repository made by plain git, and the exact look of a tree: content, mode, owner, mtime; directories too."""

import hashlib
import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_OPTIONAL_LOCKS": "0",
}
# One of each way in which a file is changed; the whole catalogue is struck in tests/integration/git.
MODES = (
    ("git-corrupt", "loose-object-truncate"),
    ("git-corrupt", "loose-object-bitflip"),
    ("git-corrupt", "loose-object-missing"),
    ("git-corrupt", "index-truncate"),
    ("git-corrupt", "head-garbage"),
    ("git-corrupt", "ref-empty"),
    ("git-corrupt", "ref-missing-object"),
    ("git-lock", "index-lock"),
    ("git-lock", "ref-lock"),
    ("git-lock", "head-lock"),
)


def git(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(directory), *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def make_repository(path: Path) -> Path:
    """A clone with history, a second branch, a subdirectory and a stash, all loose."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    for number in range(3):
        (path / "src").mkdir(exist_ok=True)
        (path / "src" / f"file{number}.txt").write_text(f"content {number}\n" * 20)
        (path / "README.md").write_text(f"readme {number}\n")
        git(path, "add", "-A")
        assert git(path, "commit", "-qm", f"commit {number}").returncode == 0
    git(path, "branch", "thread-b")
    return path


def look(root: Path) -> dict[str, tuple[object, ...]]:
    """Return every path's kind, mode, owner, mtime and content, whatever it is."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(root):
        for name in [".", *folders, *files]:
            path = Path(folder) / name
            at = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            key = str(path.relative_to(root))
            found[key] = (at.st_mode, at.st_uid, at.st_gid, at.st_mtime_ns, content)
    return found


def changed(before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]]) -> list[str]:
    """Return the paths that differ, with both looks."""
    paths = sorted({*before, *after})
    return [f"{p}: {before.get(p)} -> {after.get(p)}" for p in paths if before.get(p) != after.get(p)]
