"""The remote's branches, newest first, from a private mirror: no clone of the worker's is read for them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from daemon.core.errors import TargetAbsentError
from daemon.core.harmless import printable
from daemon.core.panorama import Branch, Standing
from daemon.core.seams import World
from daemon.core.target import Target
from probes.pipeline.mirror import FETCH_S, FIRST_FETCH_S, Mirror, remote_url

PATIENCE_S = 3.0  # for another thread's fetch
BY_NAME_MOST = 100  # more branches than this are fetched by one pattern: a command line has an end
_FORMAT = "%(refname:lstrip=2)%00%(objectname)%00%(committerdate:unix)%00%(authorname)%00%(contents:subject)"
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(slots=True)
class Branches:
    """Follows the branches of a target's remote; may be asked by several threads.

    A look costs one question to the remote; only what is new there is fetched. It raises ChaosdErrors.
    """

    target: Target
    world: World
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)
    _mirror: Mirror | None = field(default=None, init=False, repr=False)
    _heads: dict[str, str] | None = field(default=None, init=False, repr=False)
    _newest: tuple[Branch, ...] = field(default=(), init=False, repr=False)

    def newest(self, most: int) -> tuple[Branch, ...]:
        """Return the ``most`` branches whose last commits are the youngest, youngest first."""
        with self._lock:
            self._follow()
            return self._newest[:most]

    def standing(self, branch: str | None, commit: str) -> tuple[Standing, str | None, int | None]:
        """Return how a commit stands to its branch, the branch, and how many commits it lacks.

        Without a branch the one whose tip it is. Asks the remote only for what the mirror does not know yet.
        """
        if not _COMMIT.fullmatch(commit):  # from outside; it must not become an option of git
            return Standing.UNKNOWN, branch, None
        if not self._lock.acquire(timeout=PATIENCE_S):  # the first fetch of a large remote takes its time
            return Standing.UNKNOWN, branch, None
        try:
            return self._standing(branch, commit)
        finally:
            self._lock.release()

    def _standing(self, branch: str | None, commit: str) -> tuple[Standing, str | None, int | None]:
        mirror = self._known(branch, commit)
        heads = self._heads or {}
        home = branch or next((name for name, tip in heads.items() if tip.startswith(commit)), None)
        tip = heads.get(home) if home else None
        if tip is not None and tip.startswith(commit):
            return Standing.TIP, home, 0
        if not mirror.has(commit):
            return Standing.NOT_PUSHED, home, None
        if tip is None:
            return Standing.UNKNOWN, home, None
        more, less = mirror.ask("rev-list", "--left-right", "--count", f"{commit}...{tip}").split()
        return (Standing.DIVERGED if int(more) else Standing.BEHIND), home, int(less)

    def _known(self, branch: str | None, commit: str) -> Mirror:
        # It may have been pushed and deployed since the last look: that is no reason to call it unpublished.
        if self._mirror is None or (branch or commit) not in (self._heads or {}) or not self._mirror.has(commit):
            return self._follow()
        return self._mirror

    def _follow(self) -> Mirror:
        mirror = self._mirror or self._made()
        heads = mirror.heads()
        if heads != self._heads:
            self._fetch(mirror, heads)
            rows = mirror.ask("for-each-ref", "--sort=-committerdate", f"--format={_FORMAT}", "refs/heads")
            self._newest = tuple(
                _branch(row) for row in rows.splitlines() if row.count("\0") == _FORMAT.count("%00")
            )
            self._heads = heads
        self._mirror = mirror
        return mirror

    def _made(self) -> Mirror:
        if self.target.repository is None:
            raise TargetAbsentError(f"no branches were read: the target {self.target.name} names no repository")
        return Mirror.of(self.target, remote_url(self.target.repository, self.world), self.world, "branches")

    def _fetch(self, mirror: Mirror, heads: dict[str, str]) -> None:
        there = dict(
            row.split()
            for row in mirror.ask("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)").splitlines()
        )
        self._drop(mirror, [name for name in there if name not in heads])
        fresh = [name for name, commit in heads.items() if there.get(name) != commit]
        first = self._heads is None
        mirror.fetch(fresh if len(fresh) <= BY_NAME_MOST else ["*"], timeout_s=FIRST_FETCH_S if first else FETCH_S)

    def _drop(self, mirror: Mirror, gone: Sequence[str]) -> None:
        # A branch `a` that is gone would stand in the way of a new `a/b`.
        if gone:
            orders = "".join(f"delete refs/heads/{name}\n" for name in gone)
            self.world.git.run(mirror.path, "update-ref", "--stdin", stdin=orders)


def _branch(row: str) -> Branch:
    name, commit, at, author, subject = row.split("\0")
    return Branch(
        name=printable(name),
        commit=commit,
        at_s=float(at or 0),
        author=printable(author),
        subject=printable(subject),
    )
