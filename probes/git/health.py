"""Is a clone fit for work? Looked at without a lock, without writing, and almost for nothing when unchanged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import printable
from daemon.core.model import Finding, Reading, Status
from daemon.core.parameters import parameter
from daemon.core.seams import FileStat, World
from daemon.core.target import Target
from probes.git import conditions
from probes.git.clones import clones, repository_of
from probes.git.counts import Distances, files_of
from probes.git.objects import Objects

_TRIES = 3  # a file may vanish between two looks of ours while git packs refs or prunes objects
FAILING = frozenset(
    (
        "git-failed",
        "head-broken",
        "head-detached",
        "index-broken",
        "object-corrupt",
        "object-missing",
        "operation-in-progress",
        "ref-broken",
        "repository-absent",
        "stale-lock",
        "unmerged-paths",
    )
)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one clone."""

    findings: tuple[Finding, ...]
    measures: Mapping[str, float]


class Watch:
    """What is remembered of one clone from look to look."""

    def __init__(self) -> None:
        self._locks = conditions.Locks()
        self._objects = Objects()
        self._distances = Distances()
        self._signature: conditions.Signature | None = None
        self._asked_s = 0.0
        self._kept = Look((), {})

    def look(self, world: World, clone: Clone, remote: str, stale_s: float, refresh_s: float) -> Look:
        now = world.clock.instant()
        found = conditions.signature(world.files, clone)
        locked, age_s = self._locks.look(clone, found, now, stale_s)
        signature = _signature(found)
        fresh = now.mono_s - self._asked_s < refresh_s and self._distances.complete
        if not fresh or signature != self._signature or not self._objects.unchanged(world.files, clone):
            self._signature = None  # until the look has succeeded
            self._kept = self._ask(world, clone, remote, found)
            self._signature, self._asked_s = signature, now.mono_s
        measures = {**self._kept.measures, "locks": float(len(self._locks)), "lock_age_seconds": age_s}
        return Look((*locked, *self._kept.findings), measures)

    def _ask(self, world: World, clone: Clone, remote: str, found: Mapping[str, FileStat]) -> Look:
        files = world.files
        findings, ref, tip = conditions.head(files, clone)
        findings += conditions.operations(clone, found)
        findings += conditions.index(files, clone)
        objects = self._objects.look(world, clone, tip)
        if ref and tip and self._objects.lacks(tip) and conditions.logged(files, clone, ref) != tip:
            # The branch was never at this commit: it is the ref that is wrong, no object was lost.
            objects = [f for f in objects if tip not in f.detail]
            objects.append(Finding("ref-broken", f"{ref} names {tip}, which does not exist"))
        findings += objects
        measures = {"stashes": float(conditions.stashes(files, clone))}
        if not any(f.name == "head-broken" for f in findings):
            findings, more = self._count(world, clone, remote, findings)
            measures |= more
        return Look(tuple(findings), measures)

    def _count(
        self, world: World, clone: Clone, remote: str, findings: list[Finding]
    ) -> tuple[list[Finding], dict[str, float]]:
        status, measures = files_of(world, clone)
        if any(f.name in FAILING for f in findings):
            status = [f for f in status if f.name != "git-failed"]  # it fails because of what was found
        distances, more = self._distances.look(world, clone, remote)
        return [*findings, *status, *distances], measures | more


def _signature(found: Mapping[str, FileStat]) -> conditions.Signature:
    """Locks come and go and are looked at anyway; what git writes under them changes other files."""
    return {path: conditions.key(stat) for path, stat in found.items() if not path.endswith(".lock")}


@dataclass(kw_only=True)
class GitHealth:
    """Names everything that stops or endangers work in the target's clones; takes no lock and writes nothing."""

    name: ClassVar[str] = "git-health"
    summary: ClassVar[str] = (
        "stale locks, broken HEAD, refs, index and objects, operations in progress, unpushed work"
    )
    calls: ClassVar[tuple[Call, ...]] = NONE
    measures: ClassVar[Mapping[str, str]] = {
        "clones": "clones that were looked at",
        "locks": "lock files present",
        "lock_age_seconds": "age of the oldest lock file",
        "stashes": "entries in the stash",
        "dirty_files": "changed, unmerged and untracked files, at most `refresh` old",
        "ahead": "commits of local branches that the remote is not known to have",
        "behind": "commits of the remote that local branches lack",
    }

    lock_age: float = parameter(1.0, "age from which a lock counts as stale; git holds one for moments", unit="s")
    refresh: float = parameter(60.0, "longest time after which git status is asked again", unit="s")
    _watched: dict[str, Watch] = field(default_factory=dict, init=False, repr=False, compare=False)

    def observe(self, target: Target, world: World) -> Reading:
        for attempt in range(1, _TRIES + 1):
            try:
                return self._observe(target, world)
            except TargetAbsentError:
                if attempt == _TRIES:
                    raise
        raise AssertionError

    def _observe(self, target: Target, world: World) -> Reading:
        repository = repository_of(target)
        found, findings = clones(world.files, repository)
        self._watched = {clone.root: self._watched.get(clone.root) or Watch() for clone in found}
        remote = "origin" if set("/:") & set(repository.remote) else repository.remote
        sums: dict[str, float] = {"clones": float(len(found))}
        for clone in found:
            look = self._watched[clone.root].look(world, clone, remote, self.lock_age, self.refresh)
            prefix = f"{clone.root}: " if len(found) > 1 else ""
            findings += [Finding(f.name, printable(prefix + f.detail)) for f in look.findings]
            for name, value in look.measures.items():
                sums[name] = (
                    max(sums.get(name, 0.0), value) if name == "lock_age_seconds" else sums.get(name, 0.0) + value
                )
        failing = any(finding.name in FAILING for finding in findings)
        return Reading(status=Status.FAILING if failing else Status.OK, measures=sums, findings=tuple(findings))
