"""Follow one message: is it committed on its branch of the remote, is that commit deployed."""

import re
from dataclasses import dataclass, field

from daemon.core.cloud import StoredObject
from daemon.core.errors import UnreachableError
from daemon.core.model import Finding, Instant
from daemon.core.seams import World
from daemon.core.target import Deployment
from probes.pipeline.mirror import Mirror

COMMIT_KEYS = ("commit", "git-commit", "commit-id", "revision")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is waited for. Not ``known``: it cannot be seen whether it happened."""

    stage: str
    detail: str
    known: bool = True


@dataclass(slots=True, kw_only=True)
class Trace:
    """One message under way. ``known`` are the commits from before it, ``before`` the deployment from then.

    ``committed`` and ``deployed`` are when they were first seen.
    """

    world: World
    mirror: Mirror
    token: str
    branch: str
    known: tuple[str, ...]
    deployment: Deployment | None
    before: StoredObject | None
    committed: Instant | None = None
    deployed: Instant | None = None
    notes: list[Finding] = field(default_factory=list)
    _commit: str = ""
    _tip: str = ""

    def look(self) -> Waiting | None:
        """Look once; None when all is done. What is unreachable now may answer at the next look."""
        try:
            return self._await_commit() or self._await_deployment()
        except UnreachableError as error:
            return Waiting("unanswered", error.message, known=False)

    def _await_commit(self) -> Waiting | None:
        if self.committed is None:
            if self._learn_tip():
                self._commit = self.mirror.find(self.token, self._tip, self.known) or ""
            if not self._commit:
                return Waiting("not-committed", f"{self.token} is not on branch {self.branch} of {self.mirror.url}")
            self.committed = self.world.clock.instant()
        return None

    def _learn_tip(self) -> bool:
        """Fetch the branch when it has moved; True when there is something new to search."""
        tip = self.mirror.tips((self.branch,)).get(self.branch, "")
        if not tip or tip == self._tip or tip in self.known:
            return False
        self.mirror.fetch((self.branch,))
        self._tip = tip
        return True

    def _await_deployment(self) -> Waiting | None:
        if self.deployment is None or self.deployed is not None:
            return None
        head = self.world.s3.head(self.deployment.bucket, self.deployment.key)
        waiting = self._judge(self.deployment, head)
        if waiting is None:
            self.deployed = self.world.clock.instant()
        return waiting

    def _judge(self, place: Deployment, head: StoredObject | None) -> Waiting | None:
        where = f"{place.bucket}/{place.key}"
        if head is None:
            return Waiting("not-deployed", f"there is no {where}")
        shown = commit_shown(head)
        if shown is None:
            return self._judge_content(place, head)
        if self.mirror.holds(self._commit, shown) or (self._learn_tip() and self.mirror.holds(self._commit, shown)):
            return None
        old = self.before is not None and commit_shown(self.before) == shown
        if old or any(k.startswith(shown) for k in self.known) or self.mirror.holds(shown, self._commit):
            return Waiting("not-deployed", f"{where} shows {shown}, not {self._commit} or a later commit of it")
        # Ours may have been shown between two looks. That is neither a success seen nor a failure seen.
        return Waiting("overtaken", f"{where} shows {shown} of other work, not {self._commit}", known=False)

    def _judge_content(self, place: Deployment, head: StoredObject) -> Waiting | None:
        """Look for our marks in an object that names no commit; else take any change since for ours, and say so."""
        body = self.world.s3.get(place.bucket, place.key) or b""
        if self.token.encode() in body or self._commit.encode() in body:
            return None
        if self.before is not None and head.etag == self.before.etag:
            return Waiting("not-deployed", f"{place.bucket}/{place.key} has not changed since the message was sent")
        self.notes.append(Finding("deployment-unmarked", "it names no commit; taken for ours because it changed"))
        return None


def commit_shown(head: StoredObject) -> str | None:
    """Return the commit an object's metadata name, None when they name none."""
    named = (head.metadata.get(key, "").strip().lower() for key in COMMIT_KEYS)
    return next((commit for commit in named if _COMMIT.fullmatch(commit)), None)
