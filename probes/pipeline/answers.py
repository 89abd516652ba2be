"""The worker's answers to our own messages; those to others are given back at once, in one piece."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daemon.core.cloud import Received
from daemon.core.ledger import Answer, Sent
from daemon.core.seams import World

PASS_MOST = 500  # messages of others that one look goes through
HIDDEN_S = 15.0
GOOD = frozenset({"success", "succeeded", "ok", "done", "completed", "complete"})
BAD = frozenset({"failure", "failed", "error", "rejected", "refused", "timeout"})


@dataclass(slots=True, kw_only=True)
class Answers:
    """Collects answers from a queue; ours are deleted there, as their addressee does.

    Looking costs a receive, so it looks only when the counter says that there is more than the others' answers.
    ``partial`` says why answers may have been missed.
    """

    world: World
    url: str
    found: list[Answer] = field(default_factory=list)
    partial: str = ""
    _others: int = 0

    def look(self, sent: Sequence[Sent]) -> bool:
        """Look for new answers; True when there were some. Raises ChaosdError."""
        facts = self.world.sqs.facts(self.url)
        self._others = min(self._others, facts.visible)  # their addressees have taken some
        if not sent or facts.visible == self._others:
            return False
        held: list[Received] = []
        before = len(self.found)
        try:
            while len(held) < PASS_MOST:
                got = self.world.sqs.receive(self.url, visibility_s=HIDDEN_S)
                if not got:
                    break
                held += self._take(got, sent)
                if facts.max_receives and any(m.receives >= facts.max_receives - 1 for m in held):
                    self.partial = "looking again could push answers to others to their dead-letter queue"
                    break
            else:
                self.partial = f"more than {PASS_MOST} answers to others lie in {self.url}"
        finally:
            if held:
                self.world.sqs.release(self.url, [m.handle for m in held])
        self._others = len(held)
        return len(self.found) > before

    def _take(self, got: Sequence[Received], sent: Sequence[Sent]) -> list[Received]:
        """Keep and delete what answers ours; return the others."""
        at, ours = self.world.clock.instant(), []
        for message in got:
            one = _asked(message, sent)
            if one is not None:
                said = _said(message.body)
                self.found.append(Answer(token=one.token, success=_meaning(said), said=said, at=at))
                ours.append(message)
        if ours:
            self.world.sqs.delete(self.url, [m.handle for m in ours])
        return [m for m in got if m not in ours]


def _asked(message: Received, sent: Sequence[Sent]) -> Sent | None:
    """Return the message that is answered, known by its command or its token, wherever they stand."""
    text = message.body + " ".join(message.attributes.values())
    return next((s for s in sent if s.command in text or s.token in text), None)


def _said(body: str) -> str:
    try:
        parsed = json.loads(body)
    except ValueError:
        return body[:80]
    if not isinstance(parsed, Mapping):
        return body[:80]
    for name in ("status", "result", "outcome", "success", "error"):
        if name in parsed:
            return str(parsed[name]) if name != "error" else "error"
    return ""


def _meaning(said: str) -> bool | None:
    word = said.strip().lower()
    if word in GOOD or word == "true":
        return True
    return False if word in BAD or word == "false" else None
