"""Bytes slowed down: so many a second, and a delay whenever the other side answers."""

import asyncio
from collections.abc import AsyncIterator, Callable

from daemon.core.proxying import Rule

SLICE_S = 0.1  # of one piece, and of one sleep: so soon the end of a rule is noticed
UP, DOWN = "to-remote", "from-remote"


class Pace:
    """The pace of one direction of a connection, under whatever rule asks for one."""

    def __init__(self, direction: str) -> None:
        self._direction = direction
        self._free_s = 0.0  # when the next byte may go, by the loop's clock

    def concerns(self, rule: Rule) -> bool:
        """Tell whether a rule slows this direction."""
        return rule.parameters.get("direction", "both") in ("both", self._direction)

    async def slowly(
        self, data: bytes, rule: Rule, *, begins: bool, lasts: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces, each when its time has come; all the rest at once when it ``lasts`` no more.

        ``begins``: these are the first after something went the other way, so the delay is due.
        """
        now_s = asyncio.get_running_loop().time
        rate = float(rule.parameters.get("rate", 0))
        self._free_s = max(self._free_s, now_s())
        if begins:
            self._free_s += float(rule.parameters.get("delay_s", 0))
        step = max(1, int(rate * SLICE_S)) if rate > 0 else len(data)
        for begin in range(0, len(data), step):
            while (left_s := self._free_s - now_s()) > 0 and lasts():  # noqa: ASYNC110  the clock is what it waits for
                await asyncio.sleep(min(left_s, SLICE_S))
            if not lasts():
                yield data[begin:]
                return
            piece = data[begin : begin + step]
            self._free_s = max(self._free_s, now_s()) + (len(piece) / rate if rate > 0 else 0)
            yield piece
