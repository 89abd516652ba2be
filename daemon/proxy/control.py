"""What the proxy says of itself, over a Unix socket in the state directory: facts only, nothing can be changed."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from daemon.core.proxying import Hits
from daemon.ports.state import socket_name
from daemon.proxy.rules import RuleBook
from daemon.proxy.tally import Tally


class Control:
    """The socket. ``facts`` are what does not change while the proxy runs: pid, lanes, configuration."""

    def __init__(self, path: Path, book: RuleBook, tally: Tally, facts: Mapping[str, Any]) -> None:
        self._path, self._book, self._tally, self._facts = path, book, tally, facts
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; a socket that a killed proxy left is replaced. The lock must be ours."""
        app = web.Application()
        app.add_routes([web.get("/facts", self._tell), web.get("/rules/{injection}", self._tell_rule)])
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        with suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX)
        mask = os.umask(0o177)
        try:
            with socket_name(self._path) as name:
                listener.bind(name)
        finally:
            os.umask(mask)
        await web.SockSite(self._runner, listener).start()

    async def close(self) -> None:
        """Say nothing more; idempotent."""
        if self._runner is not None:
            await self._runner.cleanup()
            with suppress(FileNotFoundError):
                self._path.unlink()

    async def _tell(self, _: web.Request) -> web.Response:
        tally = self._tally
        calls = [
            {"service": service, "operation": operation, "end": end, "calls": count}
            for (service, operation, end), count in sorted(tally.calls.items())
        ]
        rules = {name: asdict(hits) for name, hits in self._book.rules().items()}
        counted = {"calls": calls, "refused": dict(tally.refused), "struck": dict(self._book.struck)}
        return web.json_response({**self._facts, "rules": rules, "broken": self._book.broken, **counted})

    async def _tell_rule(self, request: web.Request) -> web.Response:
        injection = request.match_info["injection"]
        hits: Hits | None = self._book.hits(injection)
        found = {
            "pid": os.getpid(),
            "in_force": self._book.in_force(injection),
            "hits": asdict(hits) if hits else None,
            "broken": self._book.broken.get(injection, ""),
        }
        return web.json_response(found)
