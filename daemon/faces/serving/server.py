"""The web server: waitress, which also says who is at the other end of a Unix socket."""

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import waitress
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask

from daemon.core.addresses import Tcp
from daemon.core.errors import ConfigError
from daemon.faces.serving import problems
from daemon.faces.serving.probing import LOOKS_MAX
from daemon.faces.serving.reading import WAITS_MAX
from daemon.faces.serving.streaming import STREAMS_MAX
from daemon.ports.state import socket_name

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 4  # for what is answered at once, besides one for each stream, look and verdict that is waited for
LOOP_S = 30
IDLE_S = 60  # a client that says nothing for that long loses its connection
HEAD_MAX = 16 << 10
BODY_MAX = 1 << 20
PEER = "chaosd.peer_uid"
_XUCRED_UID = 4  # macOS: struct xucred is version, uid, ...


class _Task(WSGITask):  # type: ignore[misc]  # waitress ships no types
    """Adds the peer's user to the environment, where no header can stand: headers begin with HTTP_."""

    def get_environment(self) -> dict[str, Any]:
        environment: dict[str, Any] = super().get_environment()
        environment[PEER] = self.channel.peer_uid
        return environment


class _ErrorTask(ErrorTask):  # type: ignore[misc]  # as above
    """Answers what is no request at all, too large, or broke, in the one form of all our refusals."""

    def execute(self) -> None:
        found, path = self.request.error, getattr(self.request, "path", "")  # it may have none that can be read
        body = json.dumps(problems.plain(found.code, str(found.body), path)).encode()
        self.status = f"{found.code} {found.reason}"
        self.response_headers += [("Content-Type", problems.MEDIA), ("Cache-Control", "no-store")]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]  # as above
    """Asks the kernel who connected, at the moment of connecting."""

    task_class = _Task
    error_task_class = _ErrorTask

    def __init__(self, server: Any, sock: socket.socket, *rest: Any, **more: Any) -> None:
        self.peer_uid = peer_uid(sock)
        super().__init__(server, sock, *rest, **more)


class Server:
    """Serves one application on one address, on threads of its own."""

    def __init__(self, application: "WSGIApplication", listen: Tcp | Path) -> None:
        # Its loop looks around at this interval though nothing happens; sockets wake it whenever something does.
        common: dict[str, Any] = {
            "threads": THREADS + STREAMS_MAX + LOOKS_MAX + WAITS_MAX,
            "map": {},
            "ident": "chaosd",
            "asyncore_loop_timeout": LOOP_S,
            "channel_timeout": IDLE_S,
            "max_request_header_size": HEAD_MAX,
            "max_request_body_size": BODY_MAX,
            "channel_request_lookahead": 1,  # reads on while it streams, so that who has gone is noticed
        }
        if isinstance(listen, Tcp):
            self._server = waitress.create_server(application, host=listen.host, port=listen.port, **common)
        else:
            listen.unlink(missing_ok=True)  # the state directory's lock says that nobody else serves here
            with socket_name(listen) as name:
                self._server = waitress.create_server(
                    application, unix_socket=name, unix_socket_perms="600", **common
                )
        for server in _each(self._server):
            server.channel_class = _Channel
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    @property
    def port(self) -> int:
        """Return the TCP port really bound."""
        return int(self._server.effective_port)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Tell whether its thread still serves."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop listening; requests under way are cut off."""
        self._server.close()


def _each(server: Any) -> Iterable[Any]:
    """Return the servers behind one: a name with several addresses has several."""
    found = [one for one in getattr(server, "map", {}).values() if hasattr(one, "channel_class")]
    return found or [server]


def peer_uid(connection: socket.socket) -> int | None:
    """Return the user at the other end of a Unix socket, as the kernel says; None for TCP."""
    if connection.family != socket.AF_UNIX:
        return None
    try:
        if sys.platform == "darwin":
            credentials = connection.getsockopt(0, 1, 76)  # SOL_LOCAL, LOCAL_PEERCRED
            return int(struct.unpack_from("I", credentials, _XUCRED_UID)[0])
        size = struct.calcsize("3i")
        return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1])
    except (OSError, AttributeError):
        return None


def our_uids() -> frozenset[int]:
    """Return who may use the private socket: this user, and root, whom nothing keeps out anyway."""
    return frozenset((0, os.geteuid()))


def listening(application: "WSGIApplication", address: Tcp | Path) -> Server:
    """Return a server that listens; raises ConfigError where that is not possible."""
    try:
        return Server(application, address)
    except OSError as error:
        where = f"{address.host}:{address.port}" if isinstance(address, Tcp) else address
        raise ConfigError(
            f"nothing was started: cannot listen on {where}: {error.strerror or error}",
            hint="choose another api.listen, or stop what listens there",
        ) from error
