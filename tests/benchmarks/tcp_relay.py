"""A plain TCP proxy, the yardstick for one that reads, signs and forwards. Run as a process.

``tcp_relay.py PORT`` listens before that port of this machine, and prints its own.
"""

import asyncio
import sys


class Side(asyncio.Protocol):
    """One of a pair of connections."""

    other: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.other.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self.other.close()


class Front(Side):
    """The client's side: it waits for the other one."""

    def __init__(self, port: int) -> None:
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._task = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        other, back = await asyncio.get_running_loop().create_connection(Side, "127.0.0.1", self._port)
        self.other, back.other = other, self.transport
        self.transport.resume_reading()


async def main() -> None:
    """Serve until killed."""
    port = int(sys.argv[1])
    server = await asyncio.get_running_loop().create_server(lambda: Front(port), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  that is the protocol
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
