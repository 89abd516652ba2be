"""The task engine: as much of the Docker Engine API as the emulator uses, over a Unix socket.

The emulator starts ECS tasks through ``DOCKER_HOST``. We answer there and run each "container" as a local process
group (``containers.py``), so that ``ecs:StopTask``, exit codes, restarts and logs are real without containers.

``stop`` answers at once and goes on in the background, as ``ecs:StopTask`` does; a later ``DELETE`` takes effect
when the process has gone. The emulator always asks for 5 s, so a task definition's own ``stopTimeout`` comes in
through the container's environment (``STOP_TIMEOUT_S``).
"""

import contextlib
import json
import logging
import re
import struct
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from daemon.lab.containers import Container, ContainerSpec, environment_of, seconds_until
from daemon.lab.processes import ProcessTable

API_VERSION = "1.44"
STOP_TIMEOUT_VARIABLE = "STOP_TIMEOUT_S"
STDOUT_FRAME = 1

log = logging.getLogger("lab.engine")


class TaskEngine:
    """The containers of one lab. ``environment`` is the base of every container's environment."""

    def __init__(self, *, directory: Path, environment: Mapping[str, str], table: ProcessTable) -> None:
        self._directory = directory
        self._environment = dict(environment)
        self._table = table
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab-start")
        self._lock = threading.Lock()
        self._containers: dict[str, Container] = {}
        self._closed = False
        self._server: _Server | None = None

    def listen(self, socket: Path) -> None:
        """Serve the engine API on ``socket`` in background threads."""
        socket.unlink(missing_ok=True)
        self._server = _Server(str(socket), self)
        socket.chmod(0o600)  # whoever can talk to it can run commands as us
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.1}, name="lab-engine", daemon=True).start()

    def create(self, name: str, body: Mapping[str, Any]) -> Container:
        """Make a container, not started. Raises ValueError without a command or after ``close``."""
        command = tuple(body.get("Entrypoint") or ()) + tuple(body.get("Cmd") or ())
        if not command:
            raise ValueError("container not created: it has no command; name one in the task definition")
        spec = ContainerSpec(
            name=name,
            image=str(body.get("Image", "")),
            command=command,
            environment=self._environment | environment_of(body.get("Env") or ()),
            directory=Path(body.get("WorkingDir") or self._directory),
            labels=dict(body.get("Labels") or {}),
        )
        with self._lock:
            if self._closed:
                raise ValueError("container not created: the lab is shutting down")
            container = Container(spec, starter=self._starter, table=self._table)
            self._containers[container.id] = container
        return container

    def find(self, reference: str) -> Container | None:
        """Return the container with this id, beginning of an id, or name."""
        with self._lock:
            for container in self._containers.values():
                if container.spec.name == reference or (reference and container.id.startswith(reference)):
                    return container
        return None

    def containers(self) -> tuple[Container, ...]:
        """Return all containers that were not removed."""
        with self._lock:
            return tuple(self._containers.values())

    def remove(self, container: Container, *, force: bool = False) -> None:
        """Forget a container once it has ended; with ``force`` it is ended now."""

        def forget() -> None:
            if force:
                container.stop(0)
            container.wait()
            with self._lock:
                self._containers.pop(container.id, None)

        threading.Thread(target=forget, name="lab-remove", daemon=True).start()

    def stop(self, container: Container, timeout_s: float) -> None:
        """Begin to stop a container and return; its own ``STOP_TIMEOUT_S`` wins over ``timeout_s`` (seconds)."""
        own = container.spec.environment.get(STOP_TIMEOUT_VARIABLE)
        limit = float(own) if own else timeout_s
        threading.Thread(target=container.stop, args=(limit,), name="lab-stop", daemon=True).start()

    def stop_all(self, grace_s: float) -> None:
        """Stop everything that runs, all at once, and wait until it has gone: at most ``grace_s`` + 5 seconds."""
        running = [container for container in self.containers() if container.state == "running"]
        for container in running:
            threading.Thread(target=container.stop, args=(grace_s,), name="lab-stop", daemon=True).start()
        deadline_s = time.monotonic() + grace_s + 5.0
        for container in running:
            container.wait(seconds_until(deadline_s))
        with self._lock:
            for container in running:
                self._containers.pop(container.id, None)

    def close(self, grace_s: float) -> None:
        """Start nothing any more, stop what runs, stop answering."""
        with self._lock:
            self._closed = True
        self.stop_all(grace_s)
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._starter.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    reference: str
    query: Mapping[str, str]
    body: Mapping[str, Any]


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False  # log followers stay as long as the emulator listens
    request_queue_size = 128

    def __init__(self, path: str, engine: TaskEngine) -> None:
        super().__init__(path, _Handler)
        self.engine = engine

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's
        log.debug("engine.request_dropped: %s", sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
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
