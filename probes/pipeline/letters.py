"""Our own messages in the dead-letter queue: looked for, never removed here; those of others are given back."""

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.core.cloud import Received
from daemon.core.ledger import Sent
from daemon.core.messages import RUN_ATTRIBUTE, branch
from daemon.core.seams import World
from daemon.core.target import Queue

LOOK_MOST = 500
HIDDEN_S = 15.0


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The run's tokens found there, and how many messages of other runs that ask for no branch of the template."""

    ours: tuple[str, ...] = ()
    unfit: int = 0


def dead_letters(queue: Queue, template: str, run: str, sent: Sequence[Sent], world: World) -> DeadLetters:
    """Return what the dead-letter queue holds of chaosd's messages; raises ChaosdError."""
    url = queue.dead_letter or world.sqs.facts(queue.url).dead_letter_url
    if url is None or not world.sqs.facts(url).visible:
        return DeadLetters()
    held: list[Received] = []
    try:
        while len(held) < LOOK_MOST and (got := world.sqs.receive(url, visibility_s=HIDDEN_S)):
            held += got
    finally:
        if held:
            world.sqs.release(url, [m.handle for m in held])
    ours = [m for m in held if m.attributes.get(RUN_ATTRIBUTE) == run]
    named = [next((s.token for s in sent if s.command in _text(m) or s.token in m.body), None) for m in ours]
    others = [m for m in held if m.attributes.get(RUN_ATTRIBUTE, run) != run]
    return DeadLetters(
        ours=tuple(token for token in named if token),
        unfit=sum(branch(template, m.body) is None for m in others),
    )


def _text(message: Received) -> str:
    return message.attributes.get("commandId", "") + message.body
