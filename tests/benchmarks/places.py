"""What is expensive to make and therefore kept: the peer's environment and the repositories."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.harness import Bench, MeasurementError

PEER = ("chaostoolkit==1.19.0", "chaostoolkit-lib==1.44.0")
DIRECTORIES, FILES_MOST = 100, 5000
OBJECTS_PER_COMMIT = 4  # commit, two trees, blob
HUGE, LARGE, SMALL = 1_000_000, 200_000, 100
# A repository made by another version of this recipe is not the same yardstick.
RECIPE = 1


def peer(bench: Bench) -> Path:
    """Return the command ``chaos`` of Chaos Toolkit without plug-ins, in an environment of its own."""
    home = bench.cache / f"peer-{PEER[0].rpartition('=')[2]}"
    command = home / "bin" / "chaos"
    if not command.exists():
        bench.say("installing Chaos Toolkit")
        shutil.rmtree(home, ignore_errors=True)
        base = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
        run([base, "-m", "venv", str(home)], cwd=bench.scratch)
        run([str(home / "bin/pip"), "install", "--quiet", *PEER], cwd=bench.scratch)
    return command


def repository(bench: Bench, objects: int) -> Path:
    """Return a repository with that many packed objects and, from one fresh commit, four loose ones on top."""
    home = bench.cache / f"repository-{RECIPE}-{objects}"
    if not (home / ".git").exists():
        bench.say(f"building a repository of {objects:,} objects")
        building = home.with_suffix(".building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        _build(building, objects)
        building.rename(home)
    return home


def _build(place: Path, objects: int) -> None:
    git(place, "init", "--quiet", "--initial-branch=main", ".")
    git(place, "config", "gc.auto", "0")
    loader = subprocess.Popen(
        ["git", "-c", "fastimport.unpackLimit=1", "fast-import", "--quiet"], cwd=place, stdin=subprocess.PIPE
    )
    assert loader.stdin is not None
    for chunk in _stream(objects // OBJECTS_PER_COMMIT):
        loader.stdin.write(chunk)
    loader.stdin.close()
    if loader.wait():
        raise MeasurementError(f"git fast-import exited {loader.returncode}")
    git(place, "reset", "--quiet", "--hard", "main")
    fresh_commit(place)


def _stream(commits: int) -> Iterator[bytes]:
    files = min(FILES_MOST, commits)
    for number in range(commits):
        file = number % files
        body = f"file {file} as of commit {number}\n".encode() * 3
        head = f"commit refs/heads/main\ncommitter b <b@localhost> {1_700_000_000 + number} +0000\ndata 2\nc\n"
        yield head.encode()
        yield f"M 644 inline d{file % DIRECTORIES}/f{file}\ndata {len(body)}\n".encode() + body + b"\n"


def fresh_commit(place: Path) -> None:
    """Commit a change of one file: a loose commit, two loose trees and a loose blob."""
    path = place / "d0" / "f0"
    path.parent.mkdir(exist_ok=True)
    path.write_text("changed by the benchmark\n" * 20)
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--message", "fresh")


def new_repository(place: Path) -> Path:
    """Make a repository with a single commit."""
    place.mkdir(parents=True)
    git(place, "init", "--quiet", "--initial-branch=main", ".")
    fresh_commit(place)
    return place


def git(place: Path, *arguments: str) -> None:
    who = {"GIT_AUTHOR_NAME": "b", "GIT_AUTHOR_EMAIL": "b@localhost"}
    who |= {"GIT_COMMITTER_NAME": "b", "GIT_COMMITTER_EMAIL": "b@localhost"}
    run(["git", *arguments], cwd=place, env={**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull})


def run(arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a command of the preparations; raises MeasurementError unless it exits 0."""
    done = subprocess.run(arguments, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MeasurementError(f"{' '.join(arguments)} exited {done.returncode}: {done.stderr[-400:]}")
