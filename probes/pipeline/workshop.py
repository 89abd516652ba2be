"""What the worker's clones show, looked at without a lock: work that was not pushed, kept back, or left broken."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from daemon.core.errors import ChaosdError, UnreachableError
from daemon.core.gitclone import Clone
from daemon.core.ledger import Condition, Place, Sent, Sighting, Switch
from daemon.core.messages import tokens
from daemon.core.seams import World
from daemon.core.target import Target
from probes.git.clones import clones, repository_of
from probes.git.fsck import GitFsck
from probes.git.health import FAILING, GitHealth
from probes.pipeline.published import DIFF, LOG, Published, read_log, sightings_in

FSCK_S = 60.0
KEPT_MOST = 200  # stashes, dangling commits and untracked files that are searched in one clone
FILE_MOST = 1 << 20

_MOVED = re.compile(r"> (\d+) [+-]\d{4}\t(?:checkout: moving from (\S+) to (\S+))?")


@dataclass(slots=True, kw_only=True)
class Workshop:
    """The clones of one target. Everything raises ChaosdError when they cannot be looked at."""

    world: World
    target: Target
    published: Published
    _logs: dict[str, int] = field(default_factory=dict)

    def begin(self) -> list[Condition]:
        """Remember where the reflogs end and return what is wrong already."""
        found = self._clones()
        for clone in found:
            stat = self.world.files.lstat(clone.path("logs", "HEAD"))
            self._logs[clone.root] = stat.size if stat else 0
        return self.conditions()

    def conditions(self) -> list[Condition]:
        """Return unpushed branches and everything that makes a clone unfit for work."""
        return [c for clone in self._clones() for c in (*self._ahead(clone), *self._unsound(clone))]

    def fsck(self) -> list[Condition]:
        """Return what a full fsck of each clone complains about."""
        return [
            Condition(what="fsck", repository=clone.root, detail=f"{f.name}: {f.detail}", path=f.detail)
            for clone in self._clones()
            for f in GitFsck(timeout=FSCK_S).observe(self._only(clone), self.world).findings
            if f.name in FAILING
        ]

    def kept(self, missing: Collection[str]) -> list[Sighting]:
        """Search stashes, dangling commits and dirty trees for tokens that no branch of the remote has."""
        if not missing:
            return []
        found = [s for clone in self._clones() for s in self._kept(clone)]
        return [s for s in found if s.token in missing]

    def switches(self, sent: Sequence[Sent]) -> list[Switch]:
        """Return the changes of branch that the reflogs tell of since the run began."""
        return [s for clone in self._clones() for s in self._switches(clone, sent)]

    def _clones(self) -> list[Clone]:
        found, absent = clones(self.world.files, repository_of(self.target))
        if not found:
            raise UnreachableError("; ".join(f.detail for f in absent) or "there is no clone")
        return found

    def _only(self, clone: Clone) -> Target:
        return replace(self.target, repository=replace(repository_of(self.target), worktree=(clone.root,)))

    def _ahead(self, clone: Clone) -> Iterator[Condition]:
        rows = self._ask(clone, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads")
        for commit, _, ref in (row.partition(" ") for row in rows.splitlines()):
            branch = ref.removeprefix("refs/heads/")
            if self.published.unpublished(branch, commit):
                tip = self.published.heads.get(branch)
                where = f"at {tip[:10]}" if tip else "absent"
                yield Condition(
                    what="ahead",
                    repository=clone.root,
                    detail=f"{clone.root}: {branch} is at {commit[:10]}, which the remote's (now {where}) has not",
                    branch=branch,
                    commit=commit,
                )

    def _unsound(self, clone: Clone) -> Iterator[Condition]:
        for finding in GitHealth().observe(self._only(clone), self.world).findings:
            if finding.name in FAILING:
                detail = f"{clone.root}: {finding.name}: {finding.detail}"
                # What is there since before the run is known by its place; ages in the text change.
                place = finding.detail.partition(",")[0]
                yield Condition(what=finding.name, repository=clone.root, detail=detail, path=place)

    # --- what is kept back -------------------------------------------------------------------------------

    def _kept(self, clone: Clone) -> Iterator[Sighting]:
        stashes = self._ask(clone, "stash", "list", "--format=%H").split()[:KEPT_MOST]
        for stash in stashes:
            yield from self._commit(clone, stash, Place.STASH)
            untracked = self.world.git.run(clone.root, "rev-parse", "--quiet", "--verify", f"{stash}^3")
            if untracked.code == 0:
                yield from self._commit(clone, untracked.out.strip(), Place.STASH)
        for one in read_log(self._ask(clone, "log", *LOG, "--branches", "--not", "--remotes")):
            for token in one.tokens:
                yield Sighting(token=token, place=Place.UNPUSHED, repository=clone.root, commit=one.id)
        for commit in self._dangling(clone):
            yield from self._commit(clone, commit, Place.DANGLING)
        yield from self._dirty(clone)

    def _commit(self, clone: Clone, commit: str, place: Place) -> Iterator[Sighting]:
        for one in read_log(self._ask(clone, "log", "--no-walk", *LOG, commit)):
            for token in one.tokens:
                yield Sighting(token=token, place=place, repository=clone.root, commit=commit)
        diff = self._ask(clone, "show", "-m", "--first-parent", "--format=", *DIFF, commit)
        yield from sightings_in(diff, place, clone.root, None, commit)

    def _dangling(self, clone: Clone) -> list[str]:
        # --lost-found would write; this only reads. Without reflogs: what only they know is lost to everybody.
        end = self.world.git.run(
            clone.root,
            "fsck",
            "--unreachable",
            "--no-reflogs",
            "--no-progress",
            "--connectivity-only",
            timeout_s=FSCK_S,
        )
        rows = [row.split() for row in end.out.splitlines()]
        return [r[2] for r in rows if r[:2] == ["unreachable", "commit"]][:KEPT_MOST]

    def _dirty(self, clone: Clone) -> Iterator[Sighting]:
        yield from sightings_in(self._ask(clone, "diff", *DIFF, "HEAD"), Place.DIRTY, clone.root, None, None)
        names = self._ask(clone, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
        for name in [n for n in names if n][:KEPT_MOST]:
            text = self.world.files.read(f"{clone.root}/{name}", limit=FILE_MOST).decode("utf-8", "replace")
            for number, line in enumerate(text.split("\n"), 1):
                for token in tokens(line):
                    yield Sighting(token=token, place=Place.DIRTY, repository=clone.root, path=name, line=number)

    # --- changes of branch -------------------------------------------------------------------------------

    def _switches(self, clone: Clone, sent: Sequence[Sent]) -> Iterator[Switch]:
        stat = self.world.files.lstat(path := clone.path("logs", "HEAD"))
        if stat is None:
            return
        start = self._logs.get(clone.root, 0)
        text = self.world.files.read(path, offset=start if start <= stat.size else 0).decode("utf-8", "replace")
        before_s = 0.0
        for moved in _MOVED.finditer(text):
            at_s, origin, branch = float(moved[1]), moved[2], moved[3]
            asked_s = [s.at.wall_s for s in sent if s.branch == branch and s.at.wall_s <= at_s + 1]
            if branch and asked_s:
                # It began after whatever the clone did before, and after a message asked for it. Whole seconds.
                most_s = at_s + 1 - max(before_s, *asked_s, 0.0)
                yield Switch(repository=clone.root, origin=origin, branch=branch, least_s=0.0, most_s=most_s)
            before_s = at_s

    def _ask(self, clone: Clone, *arguments: str) -> str:
        end = self.world.git.run(clone.root, *arguments)
        if end.code:
            said = (end.err.strip().splitlines() or [f"code {end.code}"])[-1]
            raise UnreachableError(f"git {arguments[0]} in {clone.root} failed: {said}")
        return end.out


def unless(problem: ChaosdError) -> str:
    """Return why something could not be seen, in one line."""
    return " ".join(problem.message.split())
