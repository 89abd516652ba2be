"""A private bare mirror of what matters in the worker's remote; it only reads there, and can be made anew."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.core.errors import TargetAbsentError, UnreachableError
from daemon.core.seams import Completed, Git, World
from daemon.core.target import Repository, Target

FIRST_FETCH_S = 600.0
FETCH_S = 60.0
LOOSE_MOST = 5000  # each canary leaves a few objects; above this they are packed


def remote_url(repository: Repository, world: World) -> str:
    """Return where the remote is: itself when it is a path or URL, else what the worker's clone calls so.

    Raises TargetAbsentError when no clone knows the name.
    """
    if "/" in repository.remote or ":" in repository.remote:
        return repository.remote
    for pattern in repository.worktree:
        for path in world.files.glob(pattern):
            asked = world.git.run(path, "config", "--get", f"remote.{repository.remote}.url")
            url = asked.out.strip()
            if asked.code == 0 and url:
                return url if url.startswith("/") or ":" in url else world.files.resolve(f"{path}/{url}")
    raise TargetAbsentError(
        f"not observed: no clone in {', '.join(repository.worktree)} has a remote {repository.remote!r}",
        hint="set repository.remote to the remote's URL or path",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """The mirror of one remote at ``path``. Everything raises UnreachableError when git cannot do it."""

    git: Git
    path: str
    url: str

    @classmethod
    def of(cls, target: Target, url: str, world: World, use: str = "canary") -> "Mirror":
        """Return the target's mirror for one ``use``, made when it is not there."""
        name = hashlib.sha256(f"{target.name} {url}".encode()).hexdigest()[:12]
        made = cls(git=world.git, path=f"{world.private}/{use}-{name}.git", url=url)
        _checked(world.git.run(world.private, "init", "--quiet", "--bare", made.path), "make the mirror")
        made._tidy()
        return made

    def tips(self, branches: Sequence[str]) -> dict[str, str]:
        """Ask the remote for the branches' commits now; those it has not are left out."""
        wanted = [f"refs/heads/{b}" for b in branches]
        rows = self._run("ls-remote", "--quiet", "--", self.url, *wanted, what=f"ask {self.url}", timeout_s=FETCH_S)
        pairs = (row.split("\t", 1) for row in rows.out.splitlines() if "\t" in row)
        return {ref.removeprefix("refs/heads/"): commit for commit, ref in pairs if ref in wanted}

    def heads(self) -> dict[str, str]:
        """Ask the remote for the commits of all its branches now."""
        rows = self._run(
            "ls-remote", "--quiet", "--heads", "--", self.url, what=f"ask {self.url}", timeout_s=FETCH_S
        )
        pairs = (row.split("\t", 1) for row in rows.out.splitlines() if "\t" in row)
        return {ref.removeprefix("refs/heads/"): commit for commit, ref in pairs}

    def ask(self, *arguments: str) -> str:
        """Return what a reading command says of the mirror."""
        return self._run(*arguments, what="read the mirror").out

    def has(self, commit: str) -> bool:
        """Tell whether the mirror has the commit."""
        return self.git.run(self.path, "cat-file", "-e", f"{commit}^{{commit}}").code == 0

    def fetch(self, branches: Sequence[str], *, timeout_s: float = FETCH_S) -> None:
        """Get the branches, however they have been rewritten; what is there already is not fetched again."""
        if branches:
            specs = [f"+refs/heads/{b}:refs/heads/{b}" for b in branches]
            options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
            self._run("fetch", *options, "--", self.url, *specs, what=f"fetch from {self.url}", timeout_s=timeout_s)

    def find(self, token: str, tip: str, known: Sequence[str]) -> str | None:
        """Return the oldest commit of ``tip`` but not of ``known`` with the token in its message or its changes."""
        exclude = ("--not", *known) if known else ()
        for how in (("--fixed-strings", f"--grep={token}"), (f"-S{token}", "-m")):
            rows = self._run("log", "--format=%H", "--reverse", *how, tip, *exclude, what="search the mirror")
            if rows.out:
                return rows.out.split()[0]
        return None

    def holds(self, commit: str, newer: str) -> bool:
        """Tell whether ``newer``, maybe abbreviated, is the commit or a descendant; False when it is not known."""
        if commit.startswith(newer):
            return True
        return self.git.run(self.path, "merge-base", "--is-ancestor", commit, newer).code == 0

    def _tidy(self) -> None:
        count = self._run("count-objects", what="look at the mirror").out.split()
        if count and int(count[0]) > LOOSE_MOST:
            self._run("gc", "--quiet", what="pack the mirror", timeout_s=FIRST_FETCH_S)

    def _run(self, *arguments: str, what: str, timeout_s: float = 30.0) -> Completed:
        return _checked(self.git.run(self.path, *arguments, timeout_s=timeout_s), what, self.path)


def _checked(end: Completed, what: str, mirror: str = "") -> Completed:
    if end.code == 0:
        return end
    said = next((line for line in reversed(end.err.strip().splitlines()) if line.strip()), f"code {end.code}")
    again = f"; the mirror {mirror} may be removed at any time, it is made anew" if mirror else ""
    raise UnreachableError(f"git could not {what}: {said}", hint=f"check the remote and its access{again}")
