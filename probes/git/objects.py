"""Are the objects HEAD reaches there and sound? Loose files are verified once, the others asked for together."""

from daemon.core.gitclone import Clone
from daemon.core.gitobjects import loose_problem
from daemon.core.gitwalk import Children, Loose, Named, Walk, packed, walk_loose
from daemon.core.model import Finding
from daemon.core.seams import Files, World
from probes.git.conditions import key

_LOOKUPS = 2000
_KNOWN_MAX = 20_000
_VERIFIED_BYTES_MAX = 64 << 20  # beyond that a look would take too long: git-fsck's business


class Objects:
    """Remembers what was verified by inode and times, so that nothing new costs nothing but stats."""

    def __init__(self) -> None:
        self._known: Children = {}
        self._verified: dict[str, tuple[int, int, int, int]] = {}
        self._walk: Walk | None = None
        self._missing: tuple[Named, ...] = ()

    def look(self, world: World, clone: Clone, tip: str | None) -> list[Finding]:
        """Return findings about the objects a commit reaches; files verified before cost only a stat."""
        self._walk, self._missing = None, ()
        if tip is None:
            return []
        self._forget_much()
        walk = walk_loose(world.files, clone, tip, lookups=_LOOKUPS, known=self._known)
        damaged = self._damaged(world.files, clone, walk)
        self._walk, self._missing = walk, self._ask(world, clone, walk)
        return damaged + [Finding("object-missing", _name(named)) for named in self._missing]

    def unchanged(self, files: Files, clone: Clone) -> bool:
        """Tell whether each loose file is the one seen last, and what was missing still is; one stat each."""
        if any(files.lstat(clone.object_path(named.id)) for named in self._missing):
            return False
        for found in self._walk.loose if self._walk else ():
            now = files.lstat(clone.object_path(found.named.id))
            if now is None or key(now) != key(found.stat):
                return False
        return True

    def lacks(self, identity: str) -> bool:
        """Tell whether the last look found this object missing."""
        return any(named.id == identity for named in self._missing)

    def _damaged(self, files: Files, clone: Clone, walk: Walk) -> list[Finding]:
        findings = []
        for found in walk.loose:
            if self._verified.get(found.named.id) == key(found.stat) or found.stat.size > _VERIFIED_BYTES_MAX:
                continue
            problem = _problem(files, clone, found)
            if problem is None:
                self._verified[found.named.id] = key(found.stat)
            elif not packed(files, clone, found.named.id):  # git reads the pack first: then it does no harm
                findings.append(Finding("object-corrupt", f"{_name(found.named)}: {problem}"))
        return findings

    def _ask(self, world: World, clone: Clone, walk: Walk) -> tuple[Named, ...]:
        """Ask git, once, for everything named that lies in no loose file."""
        if not walk.elsewhere or clone.partial:  # in a partial clone asking would fetch
            return ()
        ids = "".join(f"{named.id}\n" for named in walk.elsewhere)
        answer = world.git.run(clone.root, "cat-file", "--batch-check=%(objectname)", stdin=ids)
        if answer.code != 0:
            return ()
        missing = {line.partition(" ")[0] for line in answer.out.splitlines() if line.endswith(" missing")}
        return tuple(named for named in walk.elsewhere if named.id in missing)

    def _forget_much(self) -> None:
        if len(self._known) > _KNOWN_MAX or len(self._verified) > _KNOWN_MAX:
            self._known.clear()
            self._verified.clear()


def _problem(files: Files, clone: Clone, found: Loose) -> str | None:
    if found.stat.kind != "file":
        return f"it is a {found.stat.kind}"
    return loose_problem(clone.algorithm, found.named.id, files.read(clone.object_path(found.named.id)))


def _name(named: Named) -> str:
    return f"{named.kind} {named.id} ({named.name})"
