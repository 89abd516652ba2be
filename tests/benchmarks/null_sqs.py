"""An SQS that takes everything and keeps nothing: what remains is what the client costs. Run as a process.

Prints its port. ``GET /arrivals`` answers when each message of which there were any came, and forgets them.
"""

import asyncio
import json
from time import monotonic  # noqa: TID251  a server of the benchmark's own

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"
FACTS = {"Attributes": {"VisibilityTimeout": "30", "MaximumMessageSize": "262144"}}


class NullSqs(asyncio.Protocol):
    """One connection, kept alive; one request after the other."""

    arrivals: list[float] = []  # noqa: RUF012  of all connections together

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._next()) is not None:
            body = json.dumps(self._answer(*request)).encode()
            self._transport.write(HEAD % len(body) + body)  # type: ignore[attr-defined]

    def _next(self) -> tuple[str, bytes] | None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        return headers.get("x-amz-target", lines[0]), rest[:length]

    def _answer(self, action: str, body: bytes) -> object:
        if action.startswith("GET /arrivals"):
            found = list(self.arrivals)
            self.arrivals.clear()
            return found
        if not action.endswith("SendMessageBatch"):
            return FACTS
        entries = json.loads(body)["Entries"]
        self.arrivals.extend([monotonic()] * len(entries))
        done = [{"Id": e["Id"], "MessageId": e["Id"], "MD5OfMessageBody": ""} for e in entries]
        return {"Successful": done, "Failed": []}


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(NullSqs, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  that is the protocol
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
