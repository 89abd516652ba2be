"""When each message of a burst is due: pure, so that a rate can be promised and tested without sending anything."""

from collections.abc import Iterable, Iterator
from math import sqrt

from daemon.core.cloud import Message
from daemon.core.messages import size_bytes

SPIKE, RAMP, SUSTAINED = "spike", "ramp", "sustained"
BATCH_MOST = 10
TOGETHER_S = 0.1  # messages due this close to each other share a batch


def send_times(shape: str, count: int, rate: float) -> tuple[float, ...]:
    """Return the due times of ``count`` messages in seconds after the start, ascending from 0.

    ``sustained``: ``rate`` messages a second, evenly. ``ramp``: from none to ``rate`` a second, growing evenly,
    so it takes twice as long. ``spike``, or a rate of 0: all at once.
    """
    if shape == SPIKE or rate <= 0:
        return (0.0,) * count
    if shape == RAMP:
        # The number sent by time t is rate * t^2 / 2T with T = 2 * count / rate; solved for t.
        return tuple(2 * sqrt(count * n) / rate for n in range(count))
    return tuple(n / rate for n in range(count))


def batches(timed: Iterable[tuple[float, Message]], room: int) -> Iterator[tuple[float, tuple[Message, ...]]]:
    """Cut messages with their due times into batches: at most 10, ``room`` bytes, ``TOGETHER_S`` apart.

    The order is kept; a batch is due when its first message is; a message larger than the room travels alone.
    """
    gathered: list[Message] = []
    starts_s, filled = 0.0, 0
    for due_s, message in timed:
        size = size_bytes(message)
        full = len(gathered) == BATCH_MOST or filled + size > room or due_s - starts_s > TOGETHER_S
        if gathered and full:
            yield starts_s, tuple(gathered)
            gathered.clear()
        if not gathered:
            starts_s, filled = due_s, 0
        gathered.append(message)
        filled += size
    if gathered:
        yield starts_s, tuple(gathered)
