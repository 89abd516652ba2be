"""What the target's deployment shows, of whose work it is, and since when we know it."""

from collections.abc import Mapping
from dataclasses import dataclass

from daemon.core.cloud import StoredObject
from daemon.core.ledger import Deployed
from daemon.core.model import Instant
from daemon.core.seams import World
from daemon.core.target import Deployment
from probes.pipeline.published import Published
from probes.pipeline.trace import commit_shown


@dataclass(frozen=True, slots=True)
class Shown:
    """What the deployment shows, and when exactly this was first seen there."""

    head: StoredObject
    since: Instant


@dataclass(slots=True, kw_only=True)
class Site:
    """One deployment, looked at again and again. ``shown`` is None while there is nothing.

    Everything raises ChaosdError when it cannot be seen.
    """

    world: World
    place: Deployment
    published: Published
    shown: Shown | None = None
    _last: Shown | None = None

    def look(self) -> bool:
        """Look once; True when it shows something new."""
        head, now = self.world.s3.head(self.place.bucket, self.place.key), self.world.clock.instant()
        if head is None:
            self.shown = None
            return False
        if self._last is None or self._last.head != head:
            self._last = Shown(head, now)
        # What was away for a while and is the same has not been deployed again.
        changed, self.shown = self.shown != self._last, self._last
        return changed

    def held(self, commits: Mapping[str, str | None]) -> set[str]:
        """Return the tokens whose commit it shows, or whose mark is in it when it names none."""
        if self.shown is None or not commits:
            return set()
        shown = commit_shown(self.shown.head)
        if shown is not None:
            return {t for t, commit in commits.items() if commit and self.published.mirror.holds(commit, shown)}
        body = self.world.s3.get(self.place.bucket, self.place.key) or b""
        return {t for t, commit in commits.items() if t.encode() in body or (commit or t).encode() in body}

    def overtaken(self, since: Instant) -> bool:
        """Tell whether it has changed since then, to the end of a branch, whoever's."""
        if self.shown is None or self.shown.since <= since:
            return False
        commit = commit_shown(self.shown.head)
        return commit is not None and bool(self.published.ending_at(commit))

    def deployed(self, commits: Mapping[str, str | None]) -> Deployed | None:
        """Return what it shows of the tokens, and of other work; None when nothing is there."""
        if self.shown is None:
            return None
        commit = commit_shown(self.shown.head)
        tip_of = self.published.ending_at(commit) if commit else ()
        return Deployed(
            place=f"s3://{self.place.bucket}/{self.place.key}",
            commit=commit,
            tip_of=tip_of,
            holds=frozenset(self.held(commits)),
            unchanged_since=self.shown.since,
            behind=tuple(self.published.after(commit)) if commit and not tip_of else (),
        )


def uncertain(found: Deployed | None) -> bool:
    """Tell whether it may be the work of others on its way, which another look would tell."""
    return found is not None and found.commit is not None and not found.tip_of and not found.holds
