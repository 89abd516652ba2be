"""Plain sockets for the relays: connected, or ended so that the other side is told of it by a reset."""

import asyncio
import socket
import struct
from contextlib import suppress

CONNECT_S = 10.0
_AT_ONCE = struct.pack("ii", 1, 0)  # linger for no time: what is unsent is thrown away, and a reset is sent


async def connect(host: str, port: int) -> socket.socket:
    """Connect to the first address of a name that takes us; raises OSError, after 10 s at the latest each."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failed: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in found:
        one = socket.socket(family, kind, protocol)
        one.setblocking(False)
        try:
            await asyncio.wait_for(loop.sock_connect(one, address), CONNECT_S)
        except (OSError, TimeoutError) as error:
            one.close()
            failed = error if isinstance(error, OSError) and error.strerror else OSError("no answer in time")
        except BaseException:
            one.close()
            raise
        else:
            prompt(one)
            return one
    raise failed


def prompt(one: socket.socket) -> None:
    """Let small pieces go at once: whoever speaks through us has decided already what is worth a packet."""
    with suppress(OSError):  # gone again; the first read says so
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def readable(one: socket.socket) -> None:
    """Wait until a read would not block. Reads nothing, so that nothing is lost when the wait is given up."""
    loop, waiter = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(one, waiter.set)
    try:
        await waiter.wait()
    finally:
        loop.remove_reader(one)


def half_close(one: socket.socket) -> None:
    """Say that nothing more follows."""
    with suppress(OSError):  # the other side has closed it already
        one.shutdown(socket.SHUT_WR)


def reset(one: socket.socket) -> None:
    """End a connection with a reset."""
    with suppress(OSError):  # as above
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    one.close()
