"""The fault proxy without a rule: what it adds to an AWS call, against a direct call and a plain TCP proxy."""

import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from time import perf_counter  # noqa: TID251  a stopwatch measures the real clock

from daemon.core.addresses import Tcp
from daemon.core.settings import ProxySetting
from daemon.ports import proxy_process
from daemon.ports.clock import SystemClock
from daemon.ports.proxying import LocalProxy
from tests.benchmarks.harness import CREDENTIALS, Bench, MeasurementError, Row, Samples, in_turns

CALLS, ROUNDS, CONNECTIONS = 500, 7, 16
DIRECT, RELAY, PROXY = "direct", "plain TCP proxy", "proxy"
ANSWER_S = 30.0
HERE = Path(__file__).parent
BODY = b'{"QueueUrl":"http://127.0.0.1/000000000000/bench","MessageBody":"%s"}' % (b"x" * 256)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the server: a port, and the pid of what stands between (0: nothing)."""

    port: int
    pid: int = 0

    @property
    def request(self) -> bytes:
        scope = f"key/20260101/{CREDENTIALS['AWS_REGION']}/sqs/aws4_request"
        lines = (
            "POST / HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "X-Amz-Target: AmazonSQS.SendMessage",
            "Content-Type: application/x-amz-json-1.0",
            "X-Amz-Date: 20260101T000000Z",
            "User-Agent: bench",
            "amz-sdk-invocation-id: 8a5c0b4e-0000-4000-8000-000000000000",
            f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}",
            f"Content-Length: {len(BODY)}",
        )
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + BODY


@dataclass(frozen=True, slots=True)
class Figures:
    """One round over one way."""

    p50_ms: float
    p99_ms: float
    calls_per_s: float
    calls_per_cpu_s: float


def overhead(bench: Bench) -> Sequence[Row]:
    """Return latency one by one, and throughput of many connections, over all three ways."""
    with _ways(bench) as ways:
        bench.say("calls in turns")
        found = in_turns(bench.rounds(ROUNDS), {name: _round(way) for name, way in ways.items()})

    def row(what: str, unit: str, yardstick: str, of: Callable[[Figures], float], note: str = "") -> Row:
        ours, theirs = (Samples(unit, tuple(map(of, found[name]))) for name in (PROXY, yardstick))
        return Row(what=what, chaosd=ours, yardstick=yardstick, theirs=theirs, note=note)

    many = f"AWS calls through the proxy, {CONNECTIONS} connections"
    rows = [
        one
        for yardstick in (DIRECT, RELAY)
        for one in (
            row("AWS call through the proxy, p50", "ms", yardstick, lambda f: f.p50_ms),
            row("AWS call through the proxy, p99", "ms", yardstick, lambda f: f.p99_ms),
            row(many, "calls/s", yardstick, lambda f: f.calls_per_s),
        )
    ]
    note = "calls by the CPU seconds of the process between client and server, with many connections"
    return [*rows, row("AWS calls per second of a core", "calls/s CPU", RELAY, lambda f: f.calls_per_cpu_s, note)]


def _round(way: Way) -> Callable[[], Figures]:
    def measure() -> Figures:
        took_ms = _one_by_one(way)
        cuts = quantiles(took_ms, n=100, method="inclusive")
        used_s, began_s = _cpu_s(way.pid), perf_counter()
        _at_once(way)
        wall_s = perf_counter() - began_s
        used_s = _cpu_s(way.pid) - used_s
        return Figures(
            p50_ms=cuts[49],
            p99_ms=cuts[98],
            calls_per_s=CALLS * 4 / wall_s,
            calls_per_cpu_s=CALLS * 4 / used_s if used_s else float("nan"),
        )

    return measure


def _one_by_one(way: Way) -> list[float]:
    request, found = way.request, []
    with _connected(way) as connection:
        for _ in range(CALLS):
            began_s = perf_counter()
            connection.sendall(request)
            _expect(connection.recv(65536))
            found.append((perf_counter() - began_s) * 1000)
    return found


def _at_once(way: Way) -> None:
    """Send four times as many calls over several connections, each with one under way."""
    request, left, under_way = way.request, CALLS * 4, 0
    with ExitStack() as stack, selectors.DefaultSelector() as ready:
        for _ in range(CONNECTIONS):
            connection = stack.enter_context(_connected(way))
            ready.register(connection, selectors.EVENT_READ)
            connection.sendall(request)
            left, under_way = left - 1, under_way + 1
        while under_way:
            told = ready.select(ANSWER_S)
            if not told:
                raise MeasurementError("no answer any more")
            for key, _ in told:
                connection = key.fileobj  # type: ignore[assignment]
                _expect(connection.recv(65536))
                under_way -= 1
                if left:
                    connection.sendall(request)
                    left, under_way = left - 1, under_way + 1


def _expect(answer: bytes) -> None:
    """Take an answer that comes in one piece, as these small ones do."""
    if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"}"):
        raise MeasurementError(f"no such answer was expected: {answer[:200]!r}")


def _connected(way: Way) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", way.port), timeout=ANSWER_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _cpu_s(pid: int) -> float:
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _ways(bench: Bench) -> Iterator[dict[str, Way]]:
    with ExitStack() as stack:
        server = stack.enter_context(_serving(bench, "null_sqs.py"))
        relay = stack.enter_context(_serving(bench, "tcp_relay.py", str(server.port)))
        setting = ProxySetting(listen=Tcp(port=0), upstream=f"http://127.0.0.1:{server.port}")
        before = dict(os.environ)
        os.environ.update(CREDENTIALS)
        try:
            process = proxy_process.start(bench.directory("state"), setting)
        finally:
            os.environ.clear()
            os.environ.update(before)
        stack.callback(process.ended)
        stack.callback(lambda: proxy_process.end(process.pid, within_s=ANSWER_S))
        url = LocalProxy(bench.directory("state") / "proxy", SystemClock()).facts().lanes["aws"]
        ours = Way(int(url.rpartition(":")[2]), process.pid)
        yield {DIRECT: Way(server.port), RELAY: relay, PROXY: ours}


@contextmanager
def _serving(bench: Bench, script: str, *words: str) -> Iterator[Way]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / script), *words],
        stdout=subprocess.PIPE,
        env=bench.environment(),
        text=True,
        start_new_session=True,  # as the proxy is: a busy Linux shares the CPU out by sessions
    )
    try:
        assert process.stdout is not None
        yield Way(int(process.stdout.readline()), process.pid)
    finally:
        process.kill()
        process.communicate()
