"""The machine's web client and command runner: bounded in time and in what they read."""

import http.client
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

from daemon.core.errors import TargetAbsentError, UnreachableError, UsageError
from daemon.core.seams import Clock, Completed

_BODY_BYTES_MAX = 1 << 20
_OUTPUT_BYTES_MAX = 1 << 20
_CHUNK_BYTES = 1 << 16
_LAST_WORDS_S = 1.0  # for reading what lies in the pipes when the command has ended
_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ")


class LocalHttp:
    """Plain HTTP without proxies, cookies or redirects: the status is what that very address answered.

    ``timeout_s`` bounds connecting, and then once more the whole exchange.
    """

    def get(self, url: str, *, timeout_s: float) -> tuple[int, bytes]:
        answer = self.send(Message("GET", url), timeout_s=timeout_s)
        return answer.status, answer.body

    def send(self, message: "Message", *, timeout_s: float) -> "Answer":
        """Send one request; raises UnreachableError, which names a secret address by its host alone."""
        connection, path = _connection(message.url, timeout_s)
        expired = threading.Event()
        try:
            connection.connect()
            # The socket's own timeout counts from byte to byte; a server that drips needs one for the whole.
            timer = threading.Timer(timeout_s, _cut, (connection.sock, expired))
            timer.daemon = True
            timer.start()
            try:
                return _exchange(connection, message, path)
            finally:
                timer.cancel()
                if expired.is_set():  # also when the body, cut off, looked complete for want of a length
                    raise TimeoutError
        except (OSError, http.client.HTTPException) as error:
            late = isinstance(error, TimeoutError)
            why = f"no complete answer within {timeout_s:g} s" if late else (str(error) or type(error).__name__)
            raise UnreachableError(f"no answer from {message.shown}: {why}") from None
        finally:
            connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A request; the address of a ``secret`` one is never told beyond its host."""

    method: str
    url: str = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: bool = False

    @property
    def shown(self) -> str:
        return self.url if not self.secret else urlsplit(self.url).hostname or "?"


def _exchange(connection: http.client.HTTPConnection, message: Message, path: str) -> Answer:
    headers = {"User-Agent": "chaosd", "Connection": "close", **message.headers}
    connection.request(message.method, path, body=message.body, headers=headers)
    with connection.getresponse() as response:
        body = response.read(_BODY_BYTES_MAX)
        if len(body) < _BODY_BYTES_MAX and response.length:
            raise http.client.IncompleteRead(body, response.length)
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=body,
        )


def _connection(url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError(f"not requested: {url!r} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host or any(c <= " " or c > "~" for c in url):
        raise UsageError(f"not requested: {url!r} is no http or https address")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return kind(host, port, timeout=timeout_s), path


def _cut(wire: socket.socket, expired: threading.Event) -> None:
    expired.set()
    with suppress(OSError):  # ended by itself just now
        wire.shutdown(socket.SHUT_RDWR)


class LocalCommands:
    """Runs commands as argument lists, each in a process group of its own, with a small environment.

    Of our own environment only ``PATH``, ``HOME``, user, ``TMPDIR`` and ``TZ`` are passed on, so a command never
    sees chaosd's credentials; ``environment`` adds to it. Output beyond 1 MiB per stream is read and dropped.
    """

    def __init__(self, clock: Clock, environment: Mapping[str, str] | None = None) -> None:
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._clock = clock
        self._environment = {**passed, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **(environment or {})}
        self._running: set[int] = set()

    def pids(self) -> frozenset[int]:
        """Return the commands running now, for the process table to spare: their arguments may name the victim."""
        return frozenset(self._running)

    def run(
        self,
        arguments: Sequence[str],
        *,
        timeout_s: float,
        directory: str | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> Completed:
        if not arguments:
            raise UsageError("not run: the command is empty")
        with _input(stdin) as source:
            process = self._start(arguments, directory, {**self._environment, **(environment or {})}, source)
        self._running.add(process.pid)
        try:
            return self._finish(process, arguments, timeout_s)
        finally:
            self._running.discard(process.pid)

    def _start(
        self, arguments: Sequence[str], directory: str | None, environment: Mapping[str, str], source: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                list(arguments),
                cwd=directory,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise TargetAbsentError(f"not run: {arguments[0]} cannot be started: {error}") from None

    def _finish(self, process: subprocess.Popen[bytes], arguments: Sequence[str], timeout_s: float) -> Completed:
        deadline_s = self._clock.instant().mono_s + timeout_s
        with process:
            try:
                out, err = self._read(process, deadline_s)
                code = process.wait(max(0.001, deadline_s - self._clock.instant().mono_s))
            except subprocess.TimeoutExpired:
                raise UnreachableError(
                    f"stopped: {arguments[0]} did not end within {timeout_s:g} s",
                    hint="give the probe a longer timeout, or make the command faster",
                ) from None
            finally:
                if process.returncode is None:
                    _kill_group(process)
        return Completed(code=code, out=out, err=err)

    def _read(self, process: subprocess.Popen[bytes], deadline_s: float) -> tuple[str, str]:
        """Read both streams until the command has ended and they are empty; raises TimeoutExpired."""
        texts: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        with selectors.DefaultSelector() as ready, _end_of(process) as ended:
            for name, stream in (("out", process.stdout), ("err", process.stderr)):
                if stream is not None:
                    ready.register(stream, selectors.EVENT_READ, name)
            if ended is not None:
                ready.register(ended, selectors.EVENT_READ, "end")
            over = False
            while ready.get_map():
                left_s = deadline_s - self._clock.instant().mono_s
                events = ready.select(left_s) if left_s > 0 else []
                if not events and not over:
                    raise subprocess.TimeoutExpired(process.args, 0)
                if not events:
                    break  # what has left the group still holds a stream: it is none of ours any more
                for key, _ in events:
                    _take(key, ready, texts)
                    if key.data == "end":
                        _kill_group(process)  # what it left running holds the streams open
                        over, deadline_s = True, self._clock.instant().mono_s + _LAST_WORDS_S
        return texts["out"].decode(errors="replace"), texts["err"].decode(errors="replace")


def _take(key: selectors.SelectorKey, ready: selectors.BaseSelector, texts: Mapping[str, bytearray]) -> None:
    """Read what one stream has; a stream at its end is not waited for any more."""
    chunk = b"" if key.data == "end" else os.read(key.fd, _CHUNK_BYTES)
    if not chunk:
        ready.unregister(key.fileobj)
        return
    text = texts[key.data]
    text += chunk[: _OUTPUT_BYTES_MAX - len(text)]


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the whole group of a process that is not waited for yet: its id cannot be anyone else's."""
    with suppress(ProcessLookupError, PermissionError):  # macOS: only zombies left in the group
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _end_of(process: subprocess.Popen[bytes]) -> Iterator[int | None]:
    """Give a descriptor that is readable once the process has ended; None where the system has no such thing."""
    descriptor = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def _input(text: str | None) -> Iterator[IO[bytes]]:
    """Give the command's input: a file, so that a command that does not read it holds nobody up."""
    with tempfile.TemporaryFile() as file:
        file.write((text or "").encode("utf-8", "surrogateescape"))
        file.seek(0)
        yield file
