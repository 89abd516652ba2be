"""Real git servers on loopback, each as a team runs one: git daemon, smart HTTP (plain and TLS), sshd."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.waiting import wait_for

HOST = "127.0.0.1"
BACKEND = "/usr/lib/git-core/git-http-backend"
CHUNK = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where one listens; ``url`` is the repository's through another port, ``settings`` what clients are told."""

    port: int
    scheme: str
    root: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def url(self, port: int) -> str:
        user = "root@" if self.scheme == "ssh" else ""
        path = f"{self.root}/remote.git" if self.scheme == "ssh" else "/remote.git"
        return f"{self.scheme}://{user}{HOST}:{port}{path}"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


@contextmanager
def running(command: list[str], said: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Hold a server in a process group of its own, so that its children end with it."""
    with said.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(5)


# --- git:// ------------------------------------------------------------------------------------------------


@contextmanager
def git_daemon(root: Path) -> Iterator[Server]:
    port = free_port()
    words = ("--reuseaddr", "--export-all", "--enable=receive-pack", f"--listen={HOST}", f"--port={port}")
    with running(["git", "daemon", *words, f"--base-path={root}", str(root)], root / "daemon.log"):
        wait_for("git daemon", lambda: answers(port), 20)
        yield Server(port=port, scheme="git", root=root)


# --- http:// and https:// ------------------------------------------------------------------------------------


class Backend(BaseHTTPRequestHandler):
    """``git http-backend`` behind the standard library's server; one connection serves many requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        body = self.body()
        if body is not None:
            self.answer(body)

    def body(self) -> bytes | None:
        """Read the whole body; None when the client went away in the middle: nothing is run then."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self.chunks()
        wanted = int(self.headers.get("Content-Length", "0"))
        found = self.rfile.read(wanted)
        return found if len(found) == wanted else None

    def chunks(self) -> bytes | None:
        found = b""
        while line := self.rfile.readline():
            size = int(line, 16)
            piece = self.rfile.read(size + 2)
            if len(piece) != size + 2:
                return None
            if not size:
                return found
            found += piece[:-2]
        return None

    def answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        variables = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.root),  # type: ignore[attr-defined]
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "worker",
            "REMOTE_ADDR": HOST,
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        done = subprocess.run([BACKEND], input=body, env=variables, capture_output=True, check=False, timeout=60)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        self.write(head.decode(), rest)

    def write(self, head: str, rest: bytes) -> None:
        """Answer in chunks, as servers that do not know the length do."""
        fields = dict(line.split(": ", 1) for line in head.split("\r\n") if line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for begin in range(0, len(rest), CHUNK):
            piece = rest[begin : begin + CHUNK]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients that are cut off are what these tests are about."""


@contextmanager
def smart_http(root: Path, *, tls: bool = False) -> Iterator[Server]:
    server = _Quiet((HOST, 0), Backend)
    server.root = root  # type: ignore[attr-defined]
    settings = {}
    if tls:
        certificate = root / "certificate.pem"
        make_certificate(certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        settings["http.sslCAInfo"] = str(certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Server(port=server.server_address[1], scheme="https" if tls else "http", root=root, settings=settings)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def make_certificate(path: Path) -> None:
    words = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", f"subjectAltName=IP:{HOST},DNS:git.example")
    key = path.with_suffix(".key")
    subprocess.run(
        ["openssl", *words, *names, "-keyout", str(key), "-out", str(path)], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + key.read_bytes())


# --- ssh:// --------------------------------------------------------------------------------------------------

SSHD = """\
Port {port}
ListenAddress {host}
HostKey {root}/host_key
AuthorizedKeysFile {root}/user_key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
AcceptEnv GIT_PROTOCOL
"""


@contextmanager
def sshd(root: Path) -> Iterator[Server]:
    """A server of its own, with keys of its own, for the user we run as."""
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / name)], check=True)
    port = free_port()
    (root / "sshd_config").write_text(SSHD.format(port=port, host=HOST, root=root))
    Path("/run/sshd").mkdir(exist_ok=True)  # where it separates its rights
    command = [shutil.which("sshd", path="/usr/sbin:/usr/local/sbin") or "sshd", "-D", "-e", "-f"]
    client = f"ssh -F none -i {root}/user_key -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"
    client += f" -o UserKnownHostsFile={root}/known_hosts -o HostKeyAlias=git.example"
    (root / "known_hosts").write_text("git.example " + (root / "host_key.pub").read_text())
    with running([*command, str(root / "sshd_config")], root / "sshd.log"):
        wait_for("sshd", lambda: answers(port), 20)
        yield Server(port=port, scheme="ssh", root=root, settings={"core.sshCommand": client})
