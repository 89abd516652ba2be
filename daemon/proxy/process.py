"""One life of the proxy: the lock, the lanes, the socket, and a signal to end."""

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from daemon.core.addresses import Tcp
from daemon.core.errors import BusyError, ChaosdError, ConfigError, RefusedError
from daemon.core.proxying import SERVICES
from daemon.core.settings import ProxySetting, SecretSetting
from daemon.ports.clock import SystemClock
from daemon.ports.credentials import secret
from daemon.ports.holders import holders, said
from daemon.ports.proxy_process import configuration
from daemon.ports.proxying import LOCK, RULES, SOCKET
from daemon.proxy.aws import AwsLane
from daemon.proxy.calls import Door
from daemon.proxy.control import Control
from daemon.proxy.relay import Relay
from daemon.proxy.rules import RuleBook
from daemon.proxy.signing import Signer
from daemon.proxy.tally import Tally

END = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger("chaosd.proxy")


class Lane(Protocol):
    """Something that listens; ``start`` returns its address and raises OSError when it cannot have it."""

    @property
    def name(self) -> str: ...
    async def start(self) -> str: ...
    async def close(self) -> None: ...


def run(
    directory: Path, setting: ProxySetting, *, started: Callable[[Mapping[str, str]], None], kept: bool = False
) -> int:
    """Be the proxy of a state directory until SIGTERM or SIGINT; return 0.

    ``started`` is told the addresses by lane; ``kept`` says that a daemon keeps it, and may end it. Raises
    BusyError when one runs already, ConfigError for a secret that cannot be used or, where it has no relays either,
    for credentials that cannot, RefusedError for an address that others could reach, ChaosdError for one in use.
    """
    word = _secret(setting)
    with _locked(directory / "proxy"):
        asyncio.run(_live(directory / "proxy", setting, word, started, kept=kept))
    return 0


async def _live(
    directory: Path, setting: ProxySetting, word: str, started: Callable[[Mapping[str, str]], None], *, kept: bool
) -> None:
    ending = asyncio.Event()
    for number in END:
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    clock = SystemClock()
    book = RuleBook(directory / RULES, clock)
    tally = Tally()
    async with AsyncExitStack() as stack:
        addresses: dict[str, str] = {}
        for lane in _lanes(setting, word, book, tally):
            stack.push_async_callback(lane.close)
            addresses[lane.name] = await _listening(lane, setting)
        facts: dict[str, Any] = {"pid": os.getpid(), "lanes": addresses, "began_s": clock.instant().wall_s}
        facts |= {"configuration": configuration(setting), "kept": kept}
        control = Control(directory / SOCKET, book, tally, facts)
        stack.push_async_callback(control.close)
        await control.start()
        started(addresses)
        await ending.wait()


def _lanes(setting: ProxySetting, word: str, book: RuleBook, tally: Tally) -> Iterator[Lane]:
    door = Door(services=setting.services or tuple(SERVICES), upstream=setting.upstream or "", secret=word)
    try:
        yield AwsLane(setting.listen, door, book, Signer(), tally)
    except ConfigError as error:
        if not setting.relays:
            raise
        _log.warning("AWS calls are not forwarded, git is: %s", error.message)
    for relay in setting.relays:
        yield Relay(relay, book)


async def _listening(lane: Lane, setting: ProxySetting) -> str:
    try:
        return await lane.start()
    except OSError as error:
        at = _listen(lane.name, setting)
        raise ChaosdError(
            f"no proxy was started: {lane.name} cannot listen on {at.host}:{at.port}: {error.strerror}",
            hint="another process has that port, or the address is none of this machine's",
        ) from error


def _listen(name: str, setting: ProxySetting) -> Tcp:
    return next((one.listen for one in setting.relays if one.name == name), setting.listen)


def _secret(setting: ProxySetting) -> str:
    if setting.secret_file is None:
        if not setting.listen.loopback:
            raise RefusedError(
                f"no proxy was started: {setting.listen.host} is not loopback, and whoever reaches the port has our"
                " AWS rights",
                rule="proxy",
                hint="listen on 127.0.0.1, or set proxy.secret_file",
            )
        return ""
    try:
        return secret(SecretSetting(file=setting.secret_file), {})
    except ValueError as error:
        raise ConfigError(
            f"no proxy was started: its secret cannot be used: {error}",
            hint="one word of 16 or more random characters in a file of mode 0600: openssl rand -hex 32",
        ) from error


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / LOCK
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise BusyError(
            f"no proxy was started: another one works in {directory}: {said(holders(path))}",
            hint="one state directory has one proxy; name another --state-dir",
        ) from error
    try:
        yield
    finally:
        os.close(lock)
