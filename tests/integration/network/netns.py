"""Network namespaces of a test's own: two, with a wire between them, and sockets in either.

Nothing of the host's own network is touched: every rule a test makes is made in a namespace that it made, and that
goes away with it.
"""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
NETWORK = "10.77.0"
NEAR, FAR, OTHER = f"{NETWORK}.1", f"{NETWORK}.2", f"{NETWORK}.3"
FAR6 = "fd77::2"
BACKLOG = 256
_NUMBERS = count()


def run(*words: str, check: bool = True) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert not check or done.returncode == 0, (words, done.stderr)
    return done.stdout


def within(namespace: str, act: Callable[[], T]) -> T:
    """Run ``act`` in a thread that is in the namespace; sockets it makes stay there, whoever uses them."""
    found: list[T] = []
    raised: list[Exception] = []

    def enter() -> None:
        handle = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            assert ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) == 0, ctypes.get_errno()
            found.append(act())
        except (OSError, AssertionError) as error:
            raised.append(error)
        finally:
            os.close(handle)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(60)
    if raised:
        raise raised[0]
    return found[0]


@dataclass
class Pair:
    """The worker's namespace and the world's. The world has two addresses; both ends listen."""

    near: str
    far: str
    opened: list[socket.socket] = field(default_factory=list)

    def rules(self) -> str:
        """Return all that is configured in the worker's namespace."""
        inside = ("nsenter", f"--net=/run/netns/{self.near}")
        return run(*inside, "nft", "list", "ruleset") + run(*inside, "tc", "qdisc", "show")

    def listen(self, where: str, address: str, port: int, *, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """Open a socket in a namespace; the kernel takes up connections to it, and keeps datagrams."""

        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            return made

        made = within(where, make)
        if kind == socket.SOCK_STREAM:
            made.listen(BACKLOG)
        self.opened.append(made)
        return made

    def client(self, where: str, kind: int = socket.SOCK_STREAM, source: str | None = None) -> socket.socket:
        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET, kind)
            if source:
                made.bind((source, 0))
            return made

        return within(where, make)

    def connects(
        self, address: str, port: int, *, where: str | None = None, source: str | None = None, wait_s: float = 0.5
    ) -> str:
        """Say how a connection from the worker ends: ``open``, ``refused``, or ``hangs``."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with closing(within(where or self.near, lambda: socket.socket(family))) as caller:
            if source:
                caller.bind((source, 0))
            caller.settimeout(wait_s)
            try:
                caller.connect((address, port))
            except ConnectionRefusedError:
                return "refused"
            except TimeoutError:
                return "hangs"
            return "open"


@contextmanager
def pair() -> Iterator[Pair]:
    """Make two namespaces with a wire between them; they and all in them are gone afterwards."""
    number = next(_NUMBERS)
    near, far = (f"chaosd-{os.getpid()}-{number}{end}" for end in "ab")
    made = Pair(near, far)
    try:
        for name in (near, far):
            run("ip", "netns", "add", name)
        run("ip", "link", "add", "va", "netns", near, "type", "veth", "peer", "name", "vb", "netns", far)
        for name, device, addresses in (
            (near, "va", (f"{NEAR}/24", "fd77::1/64")),
            (far, "vb", (f"{FAR}/24", f"{OTHER}/24", f"{FAR6}/64")),
        ):
            for address in addresses:
                more = ("nodad",) if ":" in address else ()
                run("ip", "-n", name, "address", "add", address, "dev", device, *more)
            for link in ("lo", device):
                run("ip", "-n", name, "link", "set", link, "up")
        run("ip", "-n", near, "route", "add", "default", "via", FAR)
        yield made
    finally:
        for one in made.opened:
            one.close()
        for name in (near, far):
            run("ip", "netns", "delete", name, check=False)
