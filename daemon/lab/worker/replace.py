"""Replace the repository folder of a clone by a fresh one, underneath the same work tree.

Every local branch and stash that can still be read moves over; the old folder is kept under ``rescued/`` when one
could not.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from daemon.lab.worker.gitcli import Git, GitError
from daemon.lab.worker.say import say
from daemon.lab.worker.slots import Slot

RESCUED_MAX = 3


def replace_repository(git: Git, slot: Slot, *, remote: str, branch: str, mainline: str) -> None:
    """Clone ``remote`` anew and swap it in, with ``branch`` checked out as far as git is concerned.

    An empty work tree is filled; any other stays as it is, so that work not committed shows as such.
    Raises GitError or OSError when the remote cannot be cloned; the clone is then as it was.
    """
    slot.clone.mkdir(parents=True, exist_ok=True)
    fresh = slot.scratch / f"{slot.name}-fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    # Own copies of the objects: what breaks here must not break the remote.
    Git(slot.scratch).run("clone", "--quiet", "--no-hardlinks", "--no-checkout", remote, str(fresh))
    new = Git(fresh)
    lost = _move_over(git.folder, new) if git.folder.is_dir() else []
    if not new.succeeds("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"):
        start = f"refs/remotes/origin/{branch}"
        if not new.succeeds("rev-parse", "--verify", "--quiet", start):
            start = f"refs/remotes/origin/{mainline}"
        new.run("update-ref", f"refs/heads/{branch}", start)
    new.run("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    _swap(git.folder, fresh / ".git", slot, keep=bool(lost))
    shutil.rmtree(fresh, ignore_errors=True)
    nothing_there = all(entry.name == ".git" for entry in slot.clone.iterdir())
    git.run("reset", "--quiet", "--hard" if nothing_there else "--mixed")
    slot.note(branch=branch)


def _move_over(old: Path, new: Git) -> list[str]:
    lost = []
    for name, commit in _readable_refs(old):
        if name.startswith(("refs/heads/", "refs/kept/")) or name == "refs/stash":
            try:
                _move_ref(old, new, name, commit)
            except GitError as error:
                lost.append(name)
                say("ref.lost", level="ERROR", ref=name, why=str(error))
    return lost


def _move_ref(old: Path, new: Git, name: str, commit: str) -> None:
    if new.succeeds("cat-file", "-e", f"{commit}^{{commit}}"):
        new.run("update-ref", name, commit)
    else:
        new.run("fetch", "--quiet", "--no-tags", "--update-head-ok", str(old), f"+{name}:{name}")


def _readable_refs(old: Path) -> Iterator[tuple[str, str]]:
    found: dict[str, str] = {}
    packed = old / "packed-refs"
    if packed.exists():
        for row in packed.read_text(errors="replace").splitlines():
            commit, _, name = row.partition(" ")
            if name.startswith("refs/"):
                found[name] = commit
    for path in (old / "refs").rglob("*"):
        if path.is_file():
            found[path.relative_to(old).as_posix()] = path.read_text(errors="replace").strip()
    yield from found.items()


def _swap(current: Path, fresh: Path, slot: Slot, *, keep: bool) -> None:
    if current.exists():
        rescued = slot.scratch.parent / "rescued"
        rescued.mkdir(exist_ok=True)
        number = len(list(rescued.iterdir()))
        aside = rescued / f"{slot.name}-{number}.git"
        current.rename(aside)
        fresh.rename(current)
        if not keep or number >= RESCUED_MAX:
            shutil.rmtree(aside, ignore_errors=True)
    else:
        fresh.rename(current)
