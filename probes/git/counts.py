"""What only git can count: dirty and unmerged files, commits ahead and behind; asked when something changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from daemon.core.gitclone import Clone
from daemon.core.model import Finding
from daemon.core.seams import Completed, World

_PAIRS_MAX = 32  # more branches than that are counted over several looks
Against: TypeAlias = str | tuple[str, ...]  # one commit, or all that the remote is known to have
_FORMAT = ("%(refname)", "%(objectname)", "%(upstream)", "%(HEAD)")


@dataclass(frozen=True, slots=True)
class Branch:
    """A local branch and what it is compared with; ``against`` None: no ref of the remote is known for it."""

    name: str
    id: str
    against: str | None
    against_id: str | None


def files_of(world: World, clone: Clone) -> tuple[list[Finding], dict[str, float]]:
    """Return unmerged paths and the number of dirty files; a git that refuses is a finding."""
    answer = world.git.run(clone.root, "status", "--porcelain=v2", "--untracked-files=normal")
    if answer.code != 0:
        return [Finding("git-failed", f"git status: {first_line(answer)}")], {}
    lines = [line for line in answer.out.splitlines() if line[:2] in ("1 ", "2 ", "? ", "u ")]
    unmerged = [Finding("unmerged-paths", line.split(" ", 10)[-1]) for line in lines if line.startswith("u ")]
    return unmerged, {"dirty_files": float(len(lines))}


def first_line(answer: Completed) -> str:
    """Return the line in which git says why."""
    lines = [line for line in (answer.err or answer.out).splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("fatal:")), lines[0] if lines else f"exit {answer.code}")


class Distances:
    """Counts commits ahead and behind per branch, anew when one of the ids compared has changed.

    What is remembered is one count for each branch there is.
    """

    def __init__(self) -> None:
        self._counted: dict[tuple[str, Against], tuple[int, int]] = {}
        self.complete = True

    def look(self, world: World, clone: Clone, remote: str) -> tuple[list[Finding], dict[str, float]]:
        """Return a finding per branch that differs from the remote, and the sums; never a failing one."""
        branches, published = _branches(world, clone, remote)
        before, self._counted = self._counted, {}
        left, ahead, behind = _PAIRS_MAX, 0, 0
        self.complete = True
        findings = []
        for branch in branches:
            pair = (branch.id, branch.against_id or published)
            counted = self._counted.get(pair) or before.get(pair)
            if counted is None:
                if left == 0:
                    self.complete = False
                    continue
                left -= 1
                counted = _count(world, clone, branch, published)
            self._counted[pair] = more, less = counted
            ahead, behind = ahead + more, behind + less
            findings += _differing(branch, more, less)
        return findings, {"ahead": float(ahead), "behind": float(behind)}


def _branches(world: World, clone: Clone, remote: str) -> tuple[list[Branch], tuple[str, ...]]:
    """Return the branches to compare, the checked-out one first, and the ids the remote is known to have."""
    form = "%00".join(_FORMAT)
    answer = world.git.run(clone.root, "for-each-ref", f"--format={form}", "refs/heads", "refs/remotes")
    rows = [row for line in answer.out.splitlines() if len(row := line.split("\0")) == len(_FORMAT)]
    rows.sort(key=lambda row: (row[3] != "*", row[0]))
    ids = {row[0]: row[1] for row in rows}
    prefix = f"refs/remotes/{remote}/"
    published = tuple(sorted({identity for name, identity in ids.items() if name.startswith(prefix)}))
    branches = []
    for name, identity, upstream, _ in rows:
        if not name.startswith("refs/heads/"):
            continue
        against = upstream if upstream in ids else prefix + name.removeprefix("refs/heads/")
        known = ids.get(against)
        if known or published:  # without any ref of a remote there is nothing to compare with
            branches.append(Branch(name.removeprefix("refs/heads/"), identity, against if known else None, known))
    return branches, published


def _count(world: World, clone: Clone, branch: Branch, published: Iterable[str]) -> tuple[int, int]:
    if branch.id == branch.against_id:
        return 0, 0
    span = (
        [f"{branch.id}...{branch.against_id}"] if branch.against_id else [branch.id, *(f"^{p}" for p in published)]
    )
    lines = "".join(f"{line}\n" for line in span)
    answer = world.git.run(clone.root, "rev-list", "--count", "--left-right", "--stdin", stdin=lines)
    words = answer.out.split()
    if answer.code != 0 or not words:
        return 0, 0
    left, right = int(words[0]), int(words[-1])  # of one span without a middle, all is on the right
    return (left, right) if branch.against_id else (left + right, 0)


def _differing(branch: Branch, ahead: int, behind: int) -> list[Finding]:
    against = (branch.against or "").removeprefix("refs/remotes/") or "the remote"
    findings = [Finding("branch-ahead", f"{branch.name}: {ahead} ahead of {against}")] if ahead else []
    return findings + ([Finding("branch-behind", f"{branch.name}: {behind} behind {against}")] if behind else [])
