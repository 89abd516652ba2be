"""Are the objects HEAD reaches there and sound? Loose files are verified once, the others asked for together."""

from collections import OrderedDict

from daemon.core.gitclone import Clone
from daemon.core.gitobjects import loose_problem
from daemon.core.gitwalk import Loose, Named, Names, Walk, packed, walk_loose
from daemon.core.model import Finding
from daemon.core.seams import Files, World
from probes.git.conditions import Key, key

_LOOKUPS = 600  # the latest 150 to 200 commits of a worker; what lies deeper is git-fsck's business
_MORE = 200  # than the last look met: a worker goes back and forth between branches
_VERIFIED_BYTES_MAX = 64 << 20  # beyond that a look would take too long: git-fsck's business


class Objects:
    """Remembers what was verified by inode and times, so that nothing new costs nothing but stats.

    A look goes to at most ``lookups`` objects; what it met is remembered, and of earlier looks ``more``.
    """

    def __init__(self, *, lookups: int = _LOOKUPS, more: int = _MORE) -> None:
        self._lookups, self._more = lookups, more
        self._known = Names()
        self._verified: OrderedDict[str, Key] = OrderedDict()
        self._seen: dict[str, Key] = {}
        self._missing: tuple[Named, ...] = ()

    def look(self, world: World, clone: Clone, tip: str | None) -> list[Finding]:
        """Return findings about the objects a commit reaches; files verified before cost only a stat."""
        self._seen, self._missing = {}, ()
        if tip is None:
            return []
        walk = walk_loose(world.files, clone, tip, lookups=self._lookups, known=self._known)
        damaged = self._damaged(world.files, clone, walk)
        self._seen = {found.named.id: self._key(found) for found in walk.loose}
        self._missing = self._ask(world, clone, walk)
        self._forget()
        return damaged + [Finding("object-missing", _name(named)) for named in self._missing]

    def unchanged(self, files: Files, clone: Clone) -> bool:
        """Tell whether each loose file is the one seen last, and what was missing still is; one stat each."""
        if any(files.lstat(clone.object_path(named.id)) for named in self._missing):
            return False
        for identity, before in self._seen.items():
            now = files.lstat(clone.object_path(identity))
            if now is None or key(now) != before:
                return False
        return True

    def lacks(self, identity: str) -> bool:
        """Tell whether the last look found this object missing."""
        return any(named.id == identity for named in self._missing)

    def _damaged(self, files: Files, clone: Clone, walk: Walk) -> list[Finding]:
        findings = []
        for found in walk.loose:
            if self._verified.get(found.named.id) == key(found.stat):
                self._verified.move_to_end(found.named.id)
                continue
            if found.stat.size > _VERIFIED_BYTES_MAX:
                continue
            problem = _problem(files, clone, found)
            if problem is None:
                self._verified[found.named.id] = key(found.stat)
            elif not packed(files, clone, found.named.id):  # git reads the pack first: then it does no harm
                findings.append(Finding("object-corrupt", f"{_name(found.named)}: {problem}"))
        return findings

    def _ask(self, world: World, clone: Clone, walk: Walk) -> tuple[Named, ...]:
        """Ask git, once, for everything named that lies in no loose file."""
        if not walk.elsewhere:
            return ()
        if clone.partial:  # asking would fetch; but no filter leaves commits out (git help rev-list)
            commits = (named for named in walk.elsewhere if named.kind == "commit")
            return tuple(named for named in commits if not packed(world.files, clone, named.id))
        ids = "".join(f"{named.id}\n" for named in walk.elsewhere)
        answer = world.git.run(clone.root, "cat-file", "--batch-check=%(objectname)", stdin=ids)
        if answer.code != 0:
            return ()
        missing = {line.partition(" ")[0] for line in answer.out.splitlines() if line.endswith(" missing")}
        return tuple(named for named in walk.elsewhere if named.id in missing)

    def _key(self, found: Loose) -> Key:
        """Return the key of a file, the remembered one where it is equal: so each is held once."""
        now = key(found.stat)
        before = self._verified.get(found.named.id)
        return before if before == now else now

    def _forget(self) -> None:
        """Forget what was not met lately: a worker never comes back to most of what it has ever committed."""
        most = len(self._seen) + self._more
        self._known.limit(most)
        while len(self._verified) > most:
            self._verified.popitem(last=False)


def _problem(files: Files, clone: Clone, found: Loose) -> str | None:
    if found.stat.kind != "file":
        return f"it is a {found.stat.kind}"
    return loose_problem(clone.algorithm, found.named.id, files.read(clone.object_path(found.named.id)))


def _name(named: Named) -> str:
    return f"{named.kind} {named.id} ({named.name})"
