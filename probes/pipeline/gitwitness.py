"""What a git scenario left behind, seen from outside: the remote through a mirror, the clone without a lock.

Work is searched wherever git keeps it: on branches of the remote, on every ref of the clone, in stashes, in the
work trees of all its worktrees, and last in commits that nothing reaches.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from daemon.core.errors import ChaosdError, UnreachableError
from daemon.core.gitcases import Look, Piece, Run, Work
from daemon.core.ledger import Condition, Ledger, Part, Place, Sent, Sighting
from daemon.core.messages import tokens
from daemon.core.seams import World
from daemon.core.target import Target
from probes.git.clones import repository_of
from probes.git.fsck import GitFsck
from probes.git.health import FAILING, GitHealth
from probes.pipeline.mirror import Mirror, remote_url
from probes.pipeline.published import DIFF, LOG, Published, read_log, sightings_in
from probes.pipeline.workshop import FILE_MOST, FSCK_S, KEPT_MOST, Workshop, unless

T = TypeVar("T")
_HEADS = "refs/heads/"


@dataclass(frozen=True, slots=True)
class Tree:
    """A work tree of the clone and the branch checked out there, empty when there is none."""

    path: str
    branch: str


@dataclass(slots=True, kw_only=True)
class Onlooker:
    """Implements ``gitcases.GitWitness`` for one clone and its remote."""

    world: World
    target: Target
    clone: str
    published: Published
    workshop: Workshop
    _before: tuple[Condition, ...] = ()
    _blind: dict[Part, str] = field(default_factory=dict)

    @classmethod
    def of(cls, target: Target, world: World) -> "Onlooker":
        """Return a witness of the target's one clone; raises ChaosdError when it has no repository or remote."""
        repository = repository_of(target)
        url = remote_url(repository, world)
        published = Published(mirror=Mirror.of(target, url, world, "git"), mainline=repository.mainline)
        workshop = Workshop(world=world, target=target, published=published)
        return cls(world=world, target=target, clone=repository.worktree[0], published=published, workshop=workshop)

    def begin(self) -> None:
        self.published.begin()
        self.workshop.begin()
        self._before = tuple(self._conditions())

    def look(self, message: Sent, runs: Sequence[Run], messages: Sequence[Sent], pieces: Sequence[Piece]) -> Look:
        self._blind = {}
        self._several(Part.REMOTE, self.published.news)
        sightings = self._several(Part.REMOTE, self.published.survey)
        conditions = self._several(Part.REMOTE, self.published.markers)
        conditions += self._several(Part.CLONES, self._conditions)
        sent = (*messages, *(p.sent for p in pieces))
        missing = {s.token for s in sent} - {s.token for s in sightings if s.branch == _home(sent, s)}
        kept = self._several(Part.CLONES, lambda: list(self._kept())) if missing else []
        ledger = Ledger(
            run=message.scenario,
            sent=sent,
            remote=self.published.mirror.url,
            mainline=self.published.mainline,
            sightings=(*sightings, *(s for s in kept if s.token in missing)),
            conditions=tuple(conditions),
            before=self._before,
            switches=tuple(self._several(Part.CLONES, lambda: self.workshop.switches(messages))),
            blind=dict(self._blind),
        )
        return Look(
            message=message,
            runs=tuple(runs),
            pieces=tuple(pieces),
            ledger=ledger,
            rewritten=tuple(self._several(Part.REMOTE, lambda: self._rewritten(pieces))),
            stashes=self._stashes(),
        )

    def _several(self, part: Part, look: Callable[[], Sequence[T]]) -> list[T]:
        try:
            return list(look())
        except ChaosdError as error:
            self._blind[part] = unless(error)
            return []

    # --- soundness ---------------------------------------------------------------------------------------

    def _conditions(self) -> list[Condition]:
        """Return all that is wrong with the clone; nobody is at work, so that any lock is one left behind."""
        target = replace(self.target, repository=replace(repository_of(self.target), worktree=(self.clone,)))
        found = [
            *GitHealth(lock_age=0.0).observe(target, self.world).findings,
            *GitFsck(timeout=FSCK_S).observe(target, self.world).findings,
        ]
        return [
            Condition(what=f.name, repository=self.clone, detail=f"{f.name}: {f.detail}", path=f.detail)
            for f in found
            if f.name in FAILING or f.name == "fsck-failed"
        ]

    def _rewritten(self, pieces: Sequence[Piece]) -> list[Condition]:
        heads, mirror = self.published.heads, self.published.mirror
        owed = [(b, tip) for b, tip in self.published.start.items() if heads.get(b) != tip]
        owed += [(p.sent.branch or "", p.commit or "") for p in pieces if p.work is Work.PUSHED]
        return [
            Condition(
                what="rewritten",
                repository=mirror.url,
                detail=f"{branch} of the remote no longer has {commit[:10]}, which was pushed there",
                branch=branch,
                commit=commit,
            )
            for branch, commit in owed
            if branch not in heads or not mirror.holds(commit, heads[branch])
        ]

    # --- where work is -----------------------------------------------------------------------------------

    def _kept(self) -> Iterator[Sighting]:
        for ref in self._ask("for-each-ref", "--format=%(refname)").split():
            if not ref.startswith(("refs/remotes/", "refs/stash")):
                yield from self._on_ref(ref)
        for stash in self._ask("stash", "list", "--format=%H").split()[:KEPT_MOST]:
            yield from self._in_commit(stash, Place.STASH, None)
            untracked = self.world.git.run(self.clone, "rev-parse", "--quiet", "--verify", f"{stash}^3")
            if untracked.code == 0:
                yield from self._in_commit(untracked.out.strip(), Place.STASH, None)
        for tree in self._trees():
            yield from self._dirty(tree)
        for commit in self._unreachable():
            yield from self._in_commit(commit, Place.DANGLING, None)

    def _on_ref(self, ref: str) -> Iterator[Sighting]:
        known = "".join(f"^{tip}\n" for tip in self.published.start.values())
        text = self._ask("log", *LOG, "--stdin", stdin=f"{ref}\n{known}")
        for commit in read_log(text):
            yield from self._in_commit(commit.id, Place.UNPUSHED, ref.removeprefix(_HEADS))

    def _in_commit(self, commit: str, place: Place, branch: str | None) -> Iterator[Sighting]:
        for one in read_log(self._ask("log", "--no-walk", *LOG, commit)):
            for token in one.tokens:
                yield Sighting(token=token, place=place, repository=self.clone, branch=branch, commit=commit)
        diff = self._ask("show", "-m", "--first-parent", "--format=", *DIFF, commit)
        for seen in sightings_in(diff, place, self.clone, branch, commit):
            # On a branch the line is there to be found; elsewhere only the commit shows it.
            yield seen if branch else replace(seen, path=None, line=None)

    def _trees(self) -> list[Tree]:
        trees = []
        for entry in self._ask("worktree", "list", "--porcelain").split("\n\n"):
            facts = dict(row.partition(" ")[::2] for row in entry.splitlines())
            if "worktree" in facts and "prunable" not in facts:
                trees.append(Tree(facts["worktree"], facts.get("branch", "").removeprefix(_HEADS)))
        return trees

    def _dirty(self, tree: Tree) -> Iterator[Sighting]:
        diff = self._ask("diff", *DIFF, "HEAD", at=tree.path)
        for seen in sightings_in(diff, Place.DIRTY, tree.path, None, None):
            yield replace(seen, branch=tree.branch)
        names = self._ask("ls-files", "--others", "--exclude-standard", "-z", at=tree.path).split("\0")
        for name in [n for n in names if n][:KEPT_MOST]:
            text = self.world.files.read(f"{tree.path}/{name}", limit=FILE_MOST).decode("utf-8", "replace")
            for number, line in enumerate(text.split("\n"), 1):
                for token in tokens(line):
                    yield Sighting(
                        token=token,
                        place=Place.DIRTY,
                        repository=tree.path,
                        branch=tree.branch,
                        path=name,
                        line=number,
                    )

    def _unreachable(self) -> list[str]:
        options = ("--unreachable", "--no-reflogs", "--no-progress", "--connectivity-only")
        end = self.world.git.run(self.clone, "fsck", *options, timeout_s=FSCK_S)
        rows = [row.split() for row in end.out.splitlines()]
        return [r[2] for r in rows if r[:2] == ["unreachable", "commit"]][:KEPT_MOST]

    def _stashes(self) -> tuple[str, ...] | None:
        try:
            return tuple(self._ask("stash", "list", "--format=%H").split())
        except UnreachableError:
            return None

    def _ask(self, *arguments: str, at: str = "", stdin: str | None = None) -> str:
        end = self.world.git.run(at or self.clone, *arguments, stdin=stdin)
        if end.code:
            said = (end.err.strip().splitlines() or [f"code {end.code}"])[-1]
            raise UnreachableError(f"git {arguments[0]} in {at or self.clone} failed: {said}")
        return end.out


def _home(sent: Sequence[Sent], seen: Sighting) -> str | None:
    return next((s.branch for s in sent if s.token == seen.token), None)
