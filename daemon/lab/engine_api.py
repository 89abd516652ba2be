"""As much of the Docker Engine API as the emulator uses, over a Unix socket.

The emulator starts ECS tasks through ``DOCKER_HOST``. We answer there and run each "container" as a local process
group, so that ``ecs:StopTask``, exit codes, restarts and logs are real without any container engine. ``stop``
answers at once and goes on in the background, as ``ecs:StopTask`` does; a later ``DELETE`` takes effect when the
process has gone.
"""

import contextlib
import json
import logging
import re
import struct
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from daemon.lab.containers import Container
from daemon.lab.engine import TaskEngine

API_VERSION = "1.44"
STDOUT_FRAME = 1

log = logging.getLogger("lab.engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    reference: str
    query: Mapping[str, str]
    body: Mapping[str, Any]


class EngineServer(ThreadingMixIn, UnixStreamServer):
    """Serves ``engine`` on a Unix socket, in background threads, from the moment it is made."""

    daemon_threads = True
    block_on_close = False  # log followers stay as long as the emulator listens
    request_queue_size = 128

    def __init__(self, socket: Path, engine: TaskEngine) -> None:
        socket.unlink(missing_ok=True)
        super().__init__(str(socket), _Handler)
        socket.chmod(0o600)  # whoever can talk to it can run commands as us
        self.engine = engine
        run = {"poll_interval": 0.1}
        threading.Thread(target=self.serve_forever, kwargs=run, name="lab-engine", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's
        log.debug("engine.request_dropped: %s", sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EngineServer
    timeout = 120  # seconds of silence on a kept-alive connection

    def address_string(self) -> str:
        return "engine.sock"  # a Unix peer has no address

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        log.debug(format, *args)

    def do_GET(self) -> None:
        self._dispatch()

    def do_HEAD(self) -> None:
        self._dispatch()

    def do_POST(self) -> None:
        self._dispatch()

    def do_DELETE(self) -> None:
        self._dispatch()

    def _dispatch(self) -> None:
        parts = urlsplit(self.path)
        path = re.sub(r"^/v\d+\.\d+/", "/", unquote(parts.path))
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}") if length else {}
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        verb = "GET" if self.command == "HEAD" else self.command
        for method, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if method == verb and found:
                reference = found.groupdict().get("ref", "")
                getattr(self, answer)(_Request(reference=reference, query=query, body=body))
                return
        self._problem(HTTPStatus.NOT_IMPLEMENTED, f"the lab's task engine does not do {verb} {path}")

    def _reply(self, status: int, payload: Any = None) -> None:
        data = b"" if payload is None else json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Api-Version", API_VERSION)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _problem(self, status: int, message: str) -> None:
        self._reply(status, {"message": message})

    def _container(self, request: _Request) -> Container | None:
        container = self.server.engine.find(request.reference)
        if container is None:
            self._problem(HTTPStatus.NOT_FOUND, f"No such container: {request.reference}")
        return container

    def ping(self, _: _Request) -> None:
        self._reply(HTTPStatus.OK, "OK")

    def version(self, _: _Request) -> None:
        self._reply(HTTPStatus.OK, {"Version": "lab", "ApiVersion": API_VERSION, "MinAPIVersion": "1.24"})

    def image(self, request: _Request) -> None:
        # Every image "exists": what runs is the command, on this machine.
        self._reply(HTTPStatus.OK, {"Id": f"sha256:{'0' * 64}", "RepoTags": [request.reference]})

    def index(self, request: _Request) -> None:
        wanted = json.loads(request.query.get("filters", "{}")).get("label", [])
        rows = []
        for container in self.server.engine.containers():
            labels = container.spec.labels
            held = (label in labels or label in {f"{k}={v}" for k, v in labels.items()} for label in wanted)
            everything = request.query.get("all") in {"1", "true", "True"}
            if all(held) and (everything or container.state == "running"):
                rows.append({"Id": container.id, "State": container.state, "Labels": dict(labels)})
        self._reply(HTTPStatus.OK, rows)

    def create(self, request: _Request) -> None:
        try:
            container = self.server.engine.create(request.query.get("name", ""), request.body)
        except ValueError as error:
            self._problem(HTTPStatus.BAD_REQUEST, str(error))
        else:
            self._reply(HTTPStatus.CREATED, {"Id": container.id, "Warnings": []})

    def inspect(self, request: _Request) -> None:
        if container := self._container(request):
            self._reply(HTTPStatus.OK, _description(container))

    def start(self, request: _Request) -> None:
        if container := self._container(request):
            try:
                container.start()
            except OSError as error:
                self._problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"container not started: {error}")
            else:
                self._reply(HTTPStatus.NO_CONTENT)

    def stop(self, request: _Request) -> None:
        if container := self._container(request):
            self.server.engine.stop(container, float(request.query.get("t", "10")))
            self._reply(HTTPStatus.NO_CONTENT)

    def kill(self, request: _Request) -> None:
        if container := self._container(request):
            container.signal(9)
            self._reply(HTTPStatus.NO_CONTENT)

    def wait(self, request: _Request) -> None:
        if container := self._container(request):
            container.wait()
            self._reply(HTTPStatus.OK, {"StatusCode": container.exit_code})

    def delete(self, request: _Request) -> None:
        if container := self._container(request):
            self.server.engine.remove(container)
            self._reply(HTTPStatus.NO_CONTENT)

    def logs(self, request: _Request) -> None:
        container = self._container(request)
        if container is None:
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/vnd.docker.raw-stream")
        self.send_header("Connection", "close")  # the stream ends with the connection
        self.end_headers()
        self.close_connection = True
        followed = request.query.get("follow") in {"1", "true", "True"}
        lines = container.follow(gone=lambda: False) if followed else iter(container.tail())
        with contextlib.suppress(OSError):  # the listener left
            for line in lines:
                self.wfile.write(struct.pack(">BxxxL", STDOUT_FRAME, len(line)) + line)


def _description(container: Container) -> dict[str, Any]:
    spec = container.spec
    return {
        "Id": container.id,
        "Name": f"/{spec.name}",
        "Created": container.created_at,
        "Image": f"sha256:{'0' * 64}",
        "State": {
            "Status": container.state,
            "Running": container.state == "running",
            "Pid": container.pid if container.state == "running" else 0,
            "ExitCode": container.exit_code,
            "StartedAt": container.started_at,
            "FinishedAt": container.finished_at,
        },
        "Config": {"Image": spec.image, "Labels": dict(spec.labels), "Cmd": list(spec.command), "Tty": False},
        "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {}}},
        "NetworkSettings": {"Networks": {"host": {"IPAddress": "127.0.0.1"}}, "Ports": {}},
    }


ROUTES = (
    ("GET", "/_ping", "ping"),
    ("GET", "/version", "version"),
    ("POST", "/images/create", "image"),
    ("GET", "/images/(?P<ref>.+)/json", "image"),
    ("GET", "/containers/json", "index"),
    ("POST", "/containers/create", "create"),
    ("GET", "/containers/(?P<ref>[^/]+)/json", "inspect"),
    ("GET", "/containers/(?P<ref>[^/]+)/logs", "logs"),
    ("POST", "/containers/(?P<ref>[^/]+)/start", "start"),
    ("POST", "/containers/(?P<ref>[^/]+)/stop", "stop"),
    ("POST", "/containers/(?P<ref>[^/]+)/kill", "kill"),
    ("POST", "/containers/(?P<ref>[^/]+)/wait", "wait"),
    ("DELETE", "/containers/(?P<ref>[^/]+)", "delete"),
)
