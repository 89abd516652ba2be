"""Questions that are asked at every scrape."""

import math
from collections.abc import Callable

from daemon.core.errors import JournalError


def or_unknown(ask: Callable[[], float]) -> Callable[[], float]:
    """Return a question that is answered NaN where the journal does not answer: unknown is not none."""

    def answer() -> float:
        try:
            return float(ask())
        except JournalError:
            return math.nan

    return answer
