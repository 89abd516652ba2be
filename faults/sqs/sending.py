"""Send batches on time: absolute deadlines, per-entry retries, an end within one batch when asked to stop."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from daemon.core.cloud import Message
from daemon.core.errors import ChaosdError
from daemon.core.seams import Flag, World

ATTEMPTS = 4
PAUSE_S = 0.1
LANES = 4
LANE_PER_S = 100.0  # what one connection surely holds: a batch of 10 in 100 ms


def lanes(rate: float, *, fifo: bool) -> int:
    """Return how many connections a rate needs (0: as fast as possible); one for FIFO, where order counts."""
    return LANES if not fifo and (rate <= 0 or rate > LANE_PER_S) else 1


def send(
    url: str, batches: Iterable[tuple[float, Sequence[Message]]], world: World, stop: Flag, *, width: int = 1
) -> int:
    """Send each batch when it is due, seconds after now; return how many messages SQS has taken.

    Ends early, without an error, once ``stop`` is set. Raises ChaosdError when messages stay refused after
    ``ATTEMPTS`` attempts, and what the port raises, at once: a batch without an answer is never sent again.
    """
    start_s, sent, refused = world.clock.instant().mono_s, 0, Counter[str]()
    under_way: deque[Future[tuple[int, Counter[str]]]] = deque()
    with ThreadPoolExecutor(max_workers=width) as pool:
        for due_s, batch in batches:
            if _stopped(world, stop, start_s + due_s):
                break
            under_way.append(pool.submit(_deliver, url, batch, world, stop))
            # Never more than one batch a lane: what was not begun need not be stopped.
            if len(under_way) == width:
                sent += _end(under_way, refused)
        while under_way:
            sent += _end(under_way, refused)
    if refused and not stop.is_set():
        raise ChaosdError(
            f"{refused.total()} messages were not sent to {url}: SQS refused them: {dict(refused)}",
            hint="the codes are SQS's own; those that were sent are being removed",
        )
    return sent


def _stopped(world: World, stop: Flag, at_s: float) -> bool:
    early_s = at_s - world.clock.instant().mono_s
    return stop.is_set() if early_s <= 0 else world.clock.wait(stop, early_s)


def _end(under_way: "deque[Future[tuple[int, Counter[str]]]]", refused: Counter[str]) -> int:
    sent, codes = under_way.popleft().result()
    refused.update(codes)
    return sent


def _deliver(url: str, batch: Sequence[Message], world: World, stop: Flag) -> tuple[int, Counter[str]]:
    """Send one batch, then only its refused entries again; return how many were taken and the codes of the rest."""
    left, codes = list(batch), Counter[str]()
    for attempt in range(ATTEMPTS):
        answers = world.sqs.send(url, left)
        left = [message for message, code in zip(left, answers, strict=True) if code is not None]
        codes = Counter(code for code in answers if code is not None)
        last = attempt == ATTEMPTS - 1
        if not left or last or world.clock.wait(stop, PAUSE_S * 2**attempt):
            break
    return len(batch) - len(left), codes
