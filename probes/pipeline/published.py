"""What the remote's branches carry of our messages, learned from a private mirror; it costs what is new."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from daemon.core.errors import UnreachableError
from daemon.core.ledger import Condition, Place, Sighting
from daemon.core.messages import tokens
from probes.pipeline.mirror import FIRST_FETCH_S, Mirror

MARK = r"\[c-[0-9a-f]{11}\]"
MARKER = r"^(<<<<<<<|>>>>>>>) "
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

_MARKER = re.compile(r"^(?:<{7}|>{7}) ")
_HUNK = re.compile(r"^@@ -\S+ \+(\d+)")
DIFF = (
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "-U0",
    f"-G({MARK}|{MARKER})",
)


@dataclass(frozen=True, slots=True)
class Added:
    """A line that a difference adds."""

    path: str
    line: int
    text: str


def added(diff: str) -> list[Added]:
    """Return the lines that a ``-U0`` difference adds, with their numbers in the new file."""
    found, path, number, body = [], "", 0, False
    for row in diff.split("\n"):  # splitlines would also split at what Unicode calls a line
        if row.startswith("diff --git "):
            body = False
        elif not body and row.startswith("+++ "):
            path = row[4:].removeprefix("b/").rstrip("\t")
        elif hunk := _HUNK.match(row):
            number, body = int(hunk[1]), True
        elif body and row.startswith("+"):
            found.append(Added(path, number, row[1:]))
            number += 1
    return found


def sightings_in(
    diff: str, place: Place, repository: str, branch: str | None, commit: str | None
) -> list[Sighting]:
    """Return the tokens in the lines that a difference adds."""
    return [
        Sighting(
            token=token,
            place=place,
            repository=repository,
            branch=branch,
            commit=commit,
            path=line.path,
            line=line.line,
        )
        for line in added(diff)
        for token in tokens(line.text)
    ]


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its date is whole seconds since the epoch."""

    id: str
    at_s: float
    merge: bool
    tokens: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Published:
    """The remote's branches: ``start`` are their tips when the run began, ``heads`` those of the last look."""

    mirror: Mirror
    mainline: str
    start: Mapping[str, str] = field(default_factory=dict)
    heads: Mapping[str, str] = field(default_factory=dict)
    _read: dict[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, ...], bool] = field(default_factory=dict)
    _new: dict[str, bool] = field(default_factory=dict)

    def begin(self) -> None:
        """Learn the tips from before the run; only the mainline is fetched. Raises UnreachableError."""
        self.start = self.heads = self.mirror.heads()
        self.mirror.fetch([self.mainline] if self.mainline in self.start else [], timeout_s=FIRST_FETCH_S)

    def news(self) -> list[Sighting]:
        """Ask the remote, fetch what has moved, and return the tokens in it that were not there before."""
        self.heads = self.mirror.heads()
        moved = [b for b, tip in self.heads.items() if tip != self._read.get(b, self.start.get(b))]
        self.mirror.fetch(moved)
        found: list[Sighting] = []
        for branch in moved:
            tip, last = self.heads[branch], self._read.get(branch)
            found += self._messages(branch, tip, last)
            found += self._lines(branch, tip, last or self._base(branch, tip))
            self._read[branch] = tip
        return found

    def touched(self) -> list[str]:
        """Return the branches that have moved since the run began and are still there."""
        return [b for b, tip in self.heads.items() if tip != self.start.get(b)]

    def survey(self) -> list[Sighting]:
        """Return the tokens that the branches carry now and had not when the run began."""
        found: list[Sighting] = []
        for branch in self.touched():
            tip = self.heads[branch]
            found += self._messages(branch, tip, None)
            found += self._lines(branch, tip, self._base(branch, tip))
        return found

    def markers(self) -> list[Condition]:
        """Return the conflict markers that the branches have now and had not when the run began."""
        touched = [(b, self.heads[b]) for b in self.touched()]
        return [c for b, tip in touched for c in self._markers(self._diff(self._base(b, tip), tip), b, tip)]

    def commits(self, tip: str, *, known: Sequence[str] = ()) -> list[Commit]:
        """Return the commits of ``tip`` that neither ``known`` nor the run's beginning has, oldest first."""
        return read_log(self.mirror.ask("log", *LOG, tip, "--not", *self._old(), *known))

    def dates(self) -> dict[str, Commit]:
        """Return, by token, the first commit whose message has it."""
        found: dict[str, Commit] = {}
        for branch in self.touched():
            for commit in self.commits(self.heads[branch]):
                for token in commit.tokens:
                    found.setdefault(token, commit)
        return found

    def holds(self, tip: str, commits: Collection[str]) -> bool:
        """Tell whether ``tip`` is one of the commits or has one of them behind it."""
        return any(self.mirror.holds(commit, tip) for commit in commits)

    def ending_at(self, commit: str) -> tuple[str, ...]:
        """Return the branches that have come to end at ``commit``, maybe abbreviated, since the run began."""
        return tuple(b for b in self.touched() if self.heads[b].startswith(commit) and self._is_new(self.heads[b]))

    def after(self, commit: str) -> list[Sighting]:
        """Return the last token in the messages of each branch that goes on after a commit made during the run."""
        if not self.mirror.has(commit):
            return []
        known = self.mirror.ask("rev-parse", "--verify", commit).strip()
        held = set(self.mirror.ask("for-each-ref", "--format=%(refname:lstrip=2)", f"--contains={known}").split())
        going_on = [b for b in self.touched() if b in held and self.heads[b] != known]
        if not going_on or not self._is_new(known):
            return []
        return [s for b in going_on for s in self._messages(b, self.heads[b], known)[-1:]]

    def unpublished(self, branch: str, commit: str) -> bool:
        """Tell whether a clone's commit of a branch is on no branch of the remote that it could be on."""
        if commit in self.heads.values():
            return False
        wanted = [b for b in (branch, self.mainline) if b in self.heads]
        key = (commit, *(self.heads[b] for b in wanted))
        if key not in self._known:
            self.mirror.fetch(wanted)
            self._known[key] = not any(self.mirror.holds(commit, self.heads[b]) for b in wanted)
        return self._known[key]

    def _is_new(self, commit: str) -> bool:
        """Tell whether no branch had a commit of the mirror when the run began, as far as the mirror goes back."""
        if commit not in self._new:
            fresh = commit not in self.start.values()
            self._new[commit] = fresh and bool(self.mirror.ask("rev-list", "-1", commit, "--not", *self._old()))
        return self._new[commit]

    def _messages(self, branch: str, tip: str, last: str | None) -> list[Sighting]:
        return [
            Sighting(token=token, place=Place.MESSAGE, repository=self.mirror.url, branch=branch, commit=commit.id)
            for commit in self.commits(tip, known=[last] if last else [])
            if not commit.merge
            for token in dict.fromkeys(commit.tokens)
        ]

    def _lines(self, branch: str, tip: str, base: str) -> list[Sighting]:
        return sightings_in(self._diff(base, tip), Place.LINE, self.mirror.url, branch, tip)

    def _markers(self, diff: str, branch: str, tip: str) -> list[Condition]:
        return [
            Condition(
                what="conflict-markers",
                repository=self.mirror.url,
                detail=f"{branch}: {line.path}:{line.line}: {line.text[:60]}",
                branch=branch,
                commit=tip,
                path=line.path,
                line=line.line,
            )
            for line in added(diff)
            if _MARKER.match(line.text)
        ]

    def _diff(self, base: str, tip: str) -> str:
        return self.mirror.ask("-c", "core.quotePath=false", "diff", *DIFF, base, tip)

    def _base(self, branch: str, tip: str) -> str:
        """Return where a branch was when the run began: its tip then, or where it left the mainline."""
        if branch in self.start and self.mirror.has(self.start[branch]):
            return self.start[branch]
        main = self.start.get(self.mainline)
        if main is None:
            return EMPTY_TREE
        try:
            return self.mirror.ask("merge-base", main, tip).strip() or EMPTY_TREE
        except UnreachableError:  # no history in common
            return EMPTY_TREE

    def _old(self) -> list[str]:
        names = {self.mainline, *self._read}
        return [tip for b in sorted(names) if (tip := self.start.get(b)) and self.mirror.has(tip)]


LOG = ("-z", "--reverse", "--format=%H%x01%ct%x01%P%x01%B")


def read_log(text: str) -> list[Commit]:
    """Return the commits of a log in the format ``LOG``."""
    rows = (row.split("\x01", 3) for row in text.split("\0") if row.strip())
    return [
        Commit(id=row[0].strip(), at_s=float(row[1]), merge=" " in row[2].strip(), tokens=tuple(tokens(row[3])))
        for row in rows
        if len(row) == 4  # noqa: PLR2004  the format's four fields
    ]
