"""One connection of a relay: both directions, what slows or stops them, and its end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence

from daemon.core.proxying import HANG, SLOW, Rule
from daemon.proxy.cuts import CutError, Dice
from daemon.proxy.pace import DOWN, UP, Pace
from daemon.proxy.rules import Strike
from daemon.proxy.sockets import half_close, prompt, readable, reset
from daemon.proxy.watch import Watch

CHUNK = 128 * 1024  # of one read; all that a direction holds
DRAIN_S = 30.0  # for a remote to finish what it is at, hooks included, when its client has been cut off


class Way:
    """One direction: where its bytes come from and go to."""

    def __init__(self, direction: str, source: socket.socket, sink: socket.socket) -> None:
        self.direction, self.source, self.sink = direction, source, sink
        self.pace = Pace(direction)
        self.lock = asyncio.Lock()  # of the sink: what was held back may be sent by the other direction's task


class Carrier:
    """Carries the bytes of one client. ``name`` is what the dice are thrown for, ``names`` names its pushes."""

    def __init__(self, client: socket.socket, dice: Dice, name: str, names: Callable[[], str]) -> None:
        client.setblocking(False)
        prompt(client)
        self._client, self._remote = client, client
        self._dice, self._name = dice, name
        self._watch = Watch(dice, names)
        self._fates: dict[str, Strike | None] = {}
        self._spoke = ""
        self._loop = asyncio.get_running_loop()

    def struck(self, effect: str) -> Strike | None:
        """Tell whether a rule of that effect is in force and hits this connection; decided once for each rule."""
        for rule in self._dice.book.standing(self._dice.lane):
            if rule.effect == effect and (strike := self._fate(rule)) is not None:
                return strike
        return None

    def drop(self) -> None:
        """Reset the client; idempotent."""
        reset(self._client)

    async def carry(self, remote: socket.socket) -> None:
        """Carry until both sides have said all, one is gone, or a rule cuts it; closes both sockets."""
        self._remote = remote
        up, down = Way(UP, self._client, remote), Way(DOWN, remote, self._client)
        tasks = [asyncio.ensure_future(self._pump(way, back)) for way, back in ((up, down), (down, up))]
        whole = False
        try:
            await asyncio.gather(*tasks)
            whole = True
        except CutError as cut:
            await _stop(tasks)
            await self._cut(cut)
        except OSError:  # one side is gone: that is what the other is to see, too
            pass
        finally:
            await _stop(tasks)
            for one in (self._client, remote):
                one.close() if whole else reset(one)

    # --- the bytes ---------------------------------------------------------------------------------------

    async def _pump(self, way: Way, back: Way) -> None:
        while True:
            try:
                data = way.source.recv(CHUNK)
            except BlockingIOError:
                await self._more(way, back)
                continue
            await self._pass_on(way, back, data)
            if not data:
                return
            await asyncio.sleep(0)  # others want to be carried, too

    async def _more(self, way: Way, back: Way) -> None:
        """Wait until there is something to read, or for a silence that means something."""
        try:
            async with asyncio.timeout(self._watch.patience_s):
                await readable(way.source)
        except TimeoutError:
            await self._let_go(way, back, ended=False)

    async def _pass_on(self, way: Way, back: Way, data: bytes) -> None:
        begins, self._spoke = self._spoke != way.direction, way.direction
        await self._not_while_hanging()
        if not data:
            await self._let_go(way, back, ended=True)
            async with way.lock:
                await self._send(way, self._watch.rest() if way.direction == DOWN else b"", begins=False)
                half_close(way.sink)
        elif way.direction == UP:
            onwards, loose = self._watch.up(data)
            if loose:  # else a client that does not read would keep its own words from going on
                async with back.lock:
                    await self._send(back, loose, begins=False)
            async with way.lock:
                await self._send(way, onwards, begins=begins)
        else:
            async with way.lock:
                await self._send(way, self._watch.down(data), begins=begins)

    async def _let_go(self, way: Way, back: Way, *, ended: bool) -> None:
        """Nobody says anything, or one has said all: what was held back means something now."""
        onwards, backwards = self._watch.quiet(ended=ended)
        up, down = (way, back) if way.direction == UP else (back, way)
        for one, data in ((up, onwards), (down, backwards)):
            if data:
                async with one.lock:
                    await self._send(one, data, begins=False)

    async def _send(self, way: Way, data: bytes, *, begins: bool) -> None:
        if not data:
            return
        rule = self._slowed(way)
        if rule is None:
            await self._loop.sock_sendall(way.sink, data)
            return
        async for piece in self._slowly(way, data, rule, begins=begins):
            await self._loop.sock_sendall(way.sink, piece)

    def _slowly(self, way: Way, data: bytes, rule: Rule, *, begins: bool) -> AsyncIterator[bytes]:
        def lasts() -> bool:
            return self._dice.book.in_force(rule.injection)

        return way.pace.slowly(data, rule, begins=begins, lasts=lasts)

    # --- the rules ---------------------------------------------------------------------------------------

    def _fate(self, rule: Rule) -> Strike | None:
        if rule.injection not in self._fates:
            self._fates[rule.injection] = self._dice.of(rule, self._name)
        return self._fates[rule.injection]

    async def _not_while_hanging(self) -> None:
        while (strike := self.struck(HANG)) is not None:
            await self._dice.book.over(strike.rule.injection)

    def _slowed(self, way: Way) -> Rule | None:
        strike = self.struck(SLOW)
        return strike.rule if strike and way.pace.concerns(strike.rule) else None

    async def _cut(self, cut: CutError) -> None:
        """Cut the client off, and let the remote come to its end by itself: it leaves nothing half done then."""
        self._dice.book.land(cut.strike)
        self._dice.book.note(cut.strike.rule.injection, cut.how)
        self.drop()
        try:
            await self._loop.sock_sendall(self._remote, cut.first)
            half_close(self._remote)
            async with asyncio.timeout(DRAIN_S):
                while await self._loop.sock_recv(self._remote, CHUNK):
                    pass
        except OSError:  # the remote was quicker; a TimeoutError is one, too
            pass


async def _stop(tasks: Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
