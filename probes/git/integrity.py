"""Is what a clone holds what git once wrote? Every byte that is new since the last look is hashed once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import ChaosdError, TargetAbsentError
from daemon.core.gitclone import Clone, follow, read_head, read_ref, tip
from daemon.core.gitobjects import MalformedError, commit_links, printable
from daemon.core.gitpacks import read_object
from daemon.core.model import Finding, Reading, Status
from daemon.core.parameters import parameter
from daemon.core.seams import World
from daemon.core.target import Repository, Target
from probes.git import conditions, setlooks
from probes.git.clones import clones, repository_of
from probes.git.history import History
from probes.git.reflooks import Refs, read_refs
from probes.git.setlooks import Settings
from probes.git.stores import Stores, borrowed
from probes.git.survey import odd, rights, survey
from probes.git.worklooks import Others, Work

# What may well be wanted is told and does not fail.
TOLD = frozenset(
    (
        "bitmap-broken",
        "branch-held",
        "gc-stuck",
        "hook-present",
        "in-the-way",
        "leftover",
        "litter",
        "reflog-broken",
        "reflog-lost",
        "remote-address",
        "remote-config",
        "remote-hook",
        "remote-moved",
        "remote-unknown",
        "staged-changes",
        "stash-foreign",
        "stash-lost",
        "untracked-files",
        "worktree-changed",
        "worktree-odd",
    )
)


class Watch:
    """What is remembered of one clone."""

    def __init__(self) -> None:
        self.stores, self.refs, self.work, self.settings = Stores(), Refs(), Work(), Settings()
        self.others, self.history = Others(), History()

    def look(self, world: World, clone: Clone, remote: str) -> list[Finding]:
        files = world.files
        branch, commit = _here(world, clone)
        there = survey(files, clone.root)
        parts: tuple[Callable[[], list[Finding]], ...] = (
            lambda: rights(files, clone, there),
            lambda: self.stores.look(files, clone, commit),
            lambda: borrowed(files, clone),
            lambda: self.history.look(files, clone, commit),
            lambda: self.refs.look(files, clone),
            lambda: _no_commit(world, clone, branch, commit),
            lambda: _stash_parts(world, clone),
            lambda: _status(world, clone) if commit else [],
            lambda: self.work.look(files, clone, commit, there),
            lambda: odd(files, clone, there),
            lambda: self.others.look(files, clone, read_refs(files, clone)[0]),
            lambda: self.settings.look(files, clone, remote, branch),
            lambda: setlooks.beside(files, clone),
            lambda: conditions.operations(clone, conditions.signature(files, clone)),
        )
        findings: list[Finding] = []
        for part in parts:
            try:
                findings += part()
            except (ChaosdError, MalformedError) as error:
                findings.append(Finding("not-looked-at", str(error)))
        return list(dict.fromkeys(findings))


def _here(world: World, clone: Clone) -> tuple[str | None, str | None]:
    try:
        return read_head(world.files, clone).ref, tip(world.files, clone)
    except (MalformedError, ChaosdError):
        return None, None


def _no_commit(world: World, clone: Clone, branch: str | None, commit: str | None) -> list[Finding]:
    """Find a branch that names something else than a commit."""
    found = read_object(world.files, clone, commit) if commit else None
    wrong = found is not None and found.kind != "commit"
    return [Finding("ref-broken", f"{branch} names a {found.kind}")] if wrong and found else []


def _stash_parts(world: World, clone: Clone) -> list[Finding]:
    """Find commits that the newest stash entry is made of and that are gone."""
    top = read_ref(world.files, clone, "refs/stash")
    found = read_object(world.files, clone, top) if top else None
    parents = commit_links(found.payload, clone.algorithm)[1] if found and found.kind == "commit" else ()
    gone = [name for name in parents if read_object(world.files, clone, name) is None]
    return [Finding("object-missing", f"{name}, of the newest stash entry") for name in gone]


def _status(world: World, clone: Clone) -> list[Finding]:
    """Find work that was not committed, as git itself tells it."""
    answer = world.git.run(clone.root, "status", "--porcelain=v2", "--untracked-files=normal")
    lines = answer.out.splitlines() if answer.code == 0 else []
    new = sum(line[:2] == "? " for line in lines)
    staged = sum(line[:1] in "12" and line[2:3] not in ". " for line in lines)
    findings = [Finding("untracked-files", f"{new} files or directories")] if new else []
    return findings + ([Finding("staged-changes", f"{staged} files")] if staged else [])


def _unopened(world: World, repository: Repository) -> list[Finding]:
    """Say what in its configuration keeps a clone from being opened."""
    findings = []
    for path in (path for pattern in repository.worktree for path in world.files.glob(pattern)):
        root, linked = world.files.resolve(path), False
        dot_git = f"{root}/.git"
        stat = world.files.lstat(dot_git)
        if stat is not None and stat.kind == "file":
            try:
                git_dir, shared = follow(world.files, dot_git)
            except TargetAbsentError as error:
                findings.append(Finding("repository-absent", str(error)))
                continue
            dot_git, linked = shared or git_dir, bool(shared)
        config = f"{dot_git}/config"
        if world.files.lstat(config) is not None:
            findings += setlooks.suspicious(
                world.files, world.files.read(config), root=root, git_dir=dot_git, linked=linked
            )
    return findings


@dataclass(kw_only=True)
class GitIntegrity:
    """Hashes what is new in the target's clones, and holds it against what names it; no lock, nothing written."""

    name: ClassVar[str] = "git-integrity"
    summary: ClassVar[str] = (
        "contents against their ids, refs against reflogs, files against the index: what is silent"
    )
    calls: ClassVar[tuple[Call, ...]] = NONE
    measures: ClassVar[Mapping[str, str]] = {
        "clones": "clones that were looked at",
        "hashed": "files that were hashed in this look: what is new since the last one",
        "left_bytes": "bytes that are left for the next looks",
        "findings": "things found",
    }

    most: int = parameter(100, "how many findings of one clone are told", least=1)
    _watched: dict[str, Watch] = field(default_factory=dict, init=False, repr=False, compare=False)

    def observe(self, target: Target, world: World) -> Reading:
        repository = repository_of(target)
        try:
            found, findings = clones(world.files, repository)
        except TargetAbsentError:
            found, findings = [], _unopened(world, repository)
            if not findings:
                raise
        self._watched = {clone.root: self._watched.get(clone.root) or Watch() for clone in found}
        remote = "origin" if set("/:") & set(repository.remote) else repository.remote
        sums = {"clones": float(len(found)), "hashed": 0.0, "left_bytes": 0.0}
        for clone in found:
            watch = self._watched[clone.root]
            said = watch.look(world, clone, remote)
            prefix = f"{clone.root}: " if len(found) > 1 else ""
            findings += [Finding(f.name, printable(prefix + f.detail)) for f in said[: self.most]]
            sums["hashed"] += watch.stores.hashed + watch.work.hashed
            sums["left_bytes"] += watch.stores.left_bytes
        failing = any(f.name not in TOLD for f in findings)
        sums["findings"] = float(len(findings))
        sound = Status.UNKNOWN if sums["left_bytes"] else Status.OK  # what was not hashed yet may be damaged
        return Reading(status=Status.FAILING if failing else sound, measures=sums, findings=tuple(findings))
