"""The relay of a git remote without a rule: clones, small pushes and plain bytes, against a direct connection."""

import os
import socket
import threading
import time  # noqa: TID251  waits for real processes to listen
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from random import Random
from subprocess import DEVNULL, PIPE, Popen, run

from tests import proxies
from tests.benchmarks.harness import (
    Bench,
    MeasurementError,
    Row,
    Samples,
    at_least,
    at_most,
    in_turns,
    milliseconds,
    spawn,
    wall,
)

HOST = "127.0.0.1"
ROUNDS, PUSHES = 10, 10
PACK_BYTES = 64 << 20
STREAM_BYTES = 512 << 20
CHUNK = 256 * 1024
READY_S = 20.0
WHO = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "init.defaultBranch=main")


def relay(bench: Bench) -> list[Row]:
    """Wall time of a clone and of a small push, and bytes per second, through the relay and past it."""
    root = bench.directory("relay")
    bench.say("making a pack of 64 MiB")
    _repositories(bench, root)
    with ExitStack() as around:
        remote = around.enter_context(_git_daemon(root, bench))
        sink = around.enter_context(_sink())
        through = around.enter_context(_relays(bench, root, {"git": remote, "bytes": sink}))
        bench.say("clones and pushes, in turns")
        numbers = count()
        found = in_turns(
            bench.rounds(ROUNDS),
            {
                "clone": lambda: _clone(bench, root, through["git"], next(numbers)),
                "clone direct": lambda: _clone(bench, root, remote, next(numbers)),
                "push": lambda: _pushes(bench, root, through["git"], numbers),
                "push direct": lambda: _pushes(bench, root, remote, numbers),
                "bytes": lambda: _stream(through["bytes"]),
                "bytes direct": lambda: _stream(sink),
            },
        )
    return _rows({name: tuple(values) for name, values in found.items()})


def _rows(found: dict[str, tuple[float, ...]]) -> list[Row]:
    note = "git daemon on loopback; the relay runs in a `chaosd proxy` of its own, without a rule"
    pairs = (
        ("clone", "clone of a pack of 64 MiB through the relay", "ms", at_most(1.1)),
        ("push", "small push through the relay", "ms", at_most(1.1)),
        ("bytes", "plain bytes through the relay, one connection", "MiB/s", at_least(0.25)),
    )
    return [
        Row(
            what=what,
            chaosd=Samples(unit, found[name]),
            yardstick="direct",
            theirs=Samples(unit, found[f"{name} direct"]),
            limit=limit,
            note=note,
        )
        for name, what, unit, limit in pairs
    ]


# --- what is measured --------------------------------------------------------------------------------------


def _clone(bench: Bench, root: Path, port: int, number: int) -> float:
    to = root / f"clone-{number}"
    words = ("git", "clone", "--quiet", "--bare", f"git://{HOST}:{port}/remote.git", to)
    took = wall([spawn(words, cwd=root, env=bench.environment())]).median
    run(("rm", "-rf", str(to)), check=True)
    return took


def _pushes(bench: Bench, root: Path, port: int, numbers: Iterator[int]) -> float:
    """Return the mean time of one push of one commit; making the commits does not count."""
    env, clone = bench.environment(), root / "clone"
    took = []
    for _ in range(PUSHES):
        name = f"refs/heads/b{next(numbers)}"
        tree = ("git", *WHO, "commit-tree", "-p", "HEAD", "-m", name, "HEAD^{tree}")
        made = run(tree, cwd=clone, env=env, check=True, capture_output=True, text=True).stdout.strip()
        words = ("git", "push", "--quiet", f"git://{HOST}:{port}/small.git", f"{made}:{name}")
        took.append(spawn(words, cwd=clone, env=env).wall_ms)
    return sum(took) / len(took)


def _stream(port: int) -> float:
    """Return MiB per second of one connection that only sends; the sink says when it has it all."""
    piece = bytes(CHUNK)

    def send() -> None:
        with socket.create_connection((HOST, port)) as client:
            for _ in range(STREAM_BYTES // CHUNK):
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            if client.recv(1) != b"k":
                raise MeasurementError("the bytes did not arrive")

    return (STREAM_BYTES >> 20) / milliseconds(send) * 1000


# --- what it is measured with ------------------------------------------------------------------------------


def _repositories(bench: Bench, root: Path) -> None:
    """Make a remote with one large pack, a small one, and a clone to push from."""
    env, clone = bench.environment(), root / "clone"
    for words in (
        *(("git", *WHO, "init", "--quiet", "--bare", str(root / name)) for name in ("remote.git", "small.git")),
        ("git", *WHO, "init", "--quiet", str(clone)),
    ):
        run(words, env=env, check=True)
    (clone / "small").write_text("small\n")
    _commit(clone, env)
    run(("git", "push", "--quiet", str(root / "small.git"), "main"), cwd=clone, env=env, check=True)
    (clone / "large").write_bytes(Random(1).randbytes(PACK_BYTES))
    _commit(clone, env)
    run(("git", "push", "--quiet", str(root / "remote.git"), "main"), cwd=clone, env=env, check=True)
    run(("git", "reset", "--quiet", "--hard", "HEAD~1"), cwd=clone, env=env, check=True)


def _commit(clone: Path, env: dict[str, str]) -> None:
    for words in (("add", "--all"), ("commit", "--quiet", "--message", "more")):
        run(("git", *WHO, *words), cwd=clone, env=env, check=True)


@contextmanager
def _git_daemon(root: Path, bench: Bench) -> Iterator[int]:
    port = _free_port()
    where = run(("git", "--exec-path"), stdout=PIPE, text=True, check=True).stdout.strip()
    words = ("--export-all", "--enable=receive-pack", "--reuseaddr", f"--listen={HOST}", f"--port={port}")
    command = (f"{where}/git-daemon", *words, f"--base-path={root}", str(root))
    with Popen(command, env=bench.environment(), stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL) as server:
        try:
            _await(port)
            yield port
        finally:
            server.terminate()


@contextmanager
def _relays(bench: Bench, root: Path, upstreams: dict[str, int]) -> Iterator[dict[str, int]]:
    ports = {name: _free_port() for name in upstreams}
    relays = ", ".join(
        f'{{name: {n}, listen: "{HOST}:{ports[n]}", upstream: "{HOST}:{upstreams[n]}"}}' for n in upstreams
    )
    config = root / "chaosd.yaml"
    config.write_text(f'version: 1\nproxy: {{listen: "{HOST}:0", relays: [{relays}]}}\n')
    with proxies.running(bench.scratch / "proxied", options=("-c", str(config))):
        yield ports


@contextmanager
def _sink() -> Iterator[int]:
    """Take bytes in a process of its own, so that it shares no interpreter with who sends them."""
    port = _free_port()
    child = os.fork()
    if not child:
        _swallow(port)
    try:
        _await(port)
        yield port
    finally:
        os.kill(child, 15)
        os.waitpid(child, 0)


def _swallow(port: int) -> None:
    buffer = bytearray(CHUNK)
    with socket.create_server((HOST, port)) as listener:
        while True:
            client, _ = listener.accept()
            with client, suppress(OSError):
                while client.recv_into(buffer):
                    pass
                client.sendall(b"k")


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def _await(port: int) -> None:
    until_s = time.monotonic() + READY_S
    while True:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        if time.monotonic() > until_s:
            raise MeasurementError(f"nobody listens on port {port}")
        threading.Event().wait(0.05)
