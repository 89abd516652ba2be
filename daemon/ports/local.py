"""The machine's web client and command runner: bounded in time and in what they read."""

import http.client
import os
import selectors
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from daemon.core.errors import TargetAbsentError, UnreachableError, UsageError
from daemon.core.seams import Clock, Completed

_BODY_BYTES_MAX = 1 << 20
_OUTPUT_BYTES_MAX = 1 << 20
_CHUNK_BYTES = 1 << 16
_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ")


class LocalHttp:
    """Plain GET without proxies, cookies or redirects: the status is what that very address answered.

    ``timeout_s`` bounds connecting, and then once more the whole exchange.
    """

    def get(self, url: str, *, timeout_s: float) -> tuple[int, bytes]:
        connection, path = _connection(url, timeout_s)
        expired = threading.Event()
        try:
            connection.connect()
            # The socket's own timeout counts from byte to byte; a server that drips needs one for the whole.
            timer = threading.Timer(timeout_s, _cut, (connection.sock, expired))
            timer.daemon = True
            timer.start()
            try:
                return _exchange(connection, path)
            finally:
                timer.cancel()
                if expired.is_set():  # also when the body, cut off, looked complete for want of a length
                    raise TimeoutError
        except (OSError, http.client.HTTPException) as error:
            late = isinstance(error, TimeoutError)
            why = f"no complete answer within {timeout_s:g} s" if late else (str(error) or type(error).__name__)
            raise UnreachableError(f"no answer from {url}: {why}") from None
        finally:
            connection.close()


def _exchange(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path, headers={"User-Agent": "chaosd", "Connection": "close"})
    with connection.getresponse() as response:
        body = response.read(_BODY_BYTES_MAX)
        if len(body) < _BODY_BYTES_MAX and response.length:
            raise http.client.IncompleteRead(body, response.length)
        return response.status, body


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

    def run(self, arguments: Sequence[str], *, timeout_s: float) -> Completed:
        if not arguments:
            raise UsageError("not run: the command is empty")
        process = self._start(arguments)
        self._running.add(process.pid)
        try:
            return self._finish(process, arguments, timeout_s)
        finally:
            self._running.discard(process.pid)

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
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
                if process.returncode is None:  # not waited for yet, so its group's id cannot be anyone else's
                    with suppress(ProcessLookupError, PermissionError):  # macOS: only zombies left in the group
                        os.killpg(process.pid, signal.SIGKILL)
        return Completed(code=code, out=out, err=err)

    def _read(self, process: subprocess.Popen[bytes], deadline_s: float) -> tuple[str, str]:
        """Read both streams to their ends; raises TimeoutExpired."""
        texts: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        with selectors.DefaultSelector() as ready:
            for name, stream in (("out", process.stdout), ("err", process.stderr)):
                if stream is not None:
                    ready.register(stream, selectors.EVENT_READ, name)
            while ready.get_map():
                left_s = deadline_s - self._clock.instant().mono_s
                events = ready.select(left_s) if left_s > 0 else []
                if not events:
                    raise subprocess.TimeoutExpired(process.args, 0)
                for key, _ in events:
                    chunk = os.read(key.fd, _CHUNK_BYTES)
                    if not chunk:
                        ready.unregister(key.fileobj)
                    text = texts[key.data]
                    text += chunk[: _OUTPUT_BYTES_MAX - len(text)]
        return texts["out"].decode(errors="replace"), texts["err"].decode(errors="replace")
