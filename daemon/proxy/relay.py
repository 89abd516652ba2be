"""A TCP relay for a git remote: bytes pass as they are, until a rule of its lane says otherwise.

Half-closing passes, and so does back-pressure: a direction holds one read of bytes (and what ``cuts`` holds
back of a report) and reads on when the other side has taken them. It needs no knowledge of names or keys:
git://, http, https and ssh all pass.
"""

import asyncio
import itertools
import logging
import socket
from collections.abc import Callable
from functools import partial

from daemon.core.proxying import REFUSE
from daemon.core.settings import RelaySetting
from daemon.proxy.carrying import Carrier
from daemon.proxy.cuts import Dice
from daemon.proxy.rules import RuleBook
from daemon.proxy.sockets import connect, reset

BACKLOG = 128
MOST = 400  # connections at a time: each takes two files, and 1024 is what many processes may open
LOOK_S = 0.1  # between looks for a rule that resets what is open already
PAUSE_S = 0.1  # after the system had no file left for a connection
_log = logging.getLogger("chaosd.proxy")


class Relay:
    """One relay: ``name`` is its lane. For the event loop's thread, as its book."""

    def __init__(
        self, setting: RelaySetting, book: RuleBook, *, tell: Callable[[str], None] = _log.warning
    ) -> None:
        self._setting = setting
        self._dice = Dice(book, setting.name)
        self._tell = tell
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[Carrier, asyncio.Task[None]] = {}
        self._numbers = itertools.count(1)
        self._pushes = itertools.count(1)

    @property
    def name(self) -> str:
        return self._setting.name

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    async def start(self) -> str:
        """Listen and return where, as ``HOST:PORT``. Raises OSError when that address cannot be had."""
        at = self._setting.listen
        family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
        self._listener = socket.create_server((at.host, at.port), family=family, backlog=BACKLOG)
        self._listener.setblocking(False)
        self._begin(self._accept(self._listener))
        self._begin(self._attend())
        host, port = self._listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def close(self) -> None:
        """Listen no more and reset what is open; idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    def _begin(self, work: "asyncio._CoroutineLike[None]") -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:  # too many open files, or a client that has gone again
                self._tell(f"relay {self.name}: a connection was not taken: {error.strerror}")
                await asyncio.sleep(PAUSE_S)
                continue
            if len(self._open) >= MOST:
                self._tell(f"relay {self.name}: a connection was reset: {MOST} are open, and that is the most")
                reset(client)
                continue
            carrier = Carrier(client, self._dice, f"connection {next(self._numbers)}", self._name_push)
            self._open[carrier] = task = self._begin(self._serve(carrier))
            task.add_done_callback(partial(self._ended, carrier))

    def _ended(self, carrier: Carrier, _: asyncio.Task[None]) -> None:
        """Reset the client if nobody has: its task may end before it begins, or on the way to the remote."""
        self._open.pop(carrier, None)
        carrier.drop()

    def _name_push(self) -> str:
        return f"push {next(self._pushes)}"

    async def _serve(self, carrier: Carrier) -> None:
        at = self._setting.upstream
        if carrier.struck(REFUSE):
            carrier.drop()
            return
        try:
            remote = await connect(at.host, at.port)
        except OSError as error:
            self._tell(f"relay {self.name}: a connection was reset: no way to {at.host}:{at.port}: {error}")
            carrier.drop()
            return
        await carrier.carry(remote)

    async def _attend(self) -> None:
        """Reset what is open already once a rule says so."""
        while True:
            await asyncio.sleep(LOOK_S)
            rule = self._dice.standing(REFUSE) if self._open else None
            if rule is None or rule.parameters.get("open") != "reset":
                continue
            for carrier, task in list(self._open.items()):
                if carrier.struck(REFUSE):
                    task.cancel()
