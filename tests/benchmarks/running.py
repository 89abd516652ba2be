"""A daemon to measure."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from daemon.faces.client import Client
from tests.benchmarks.harness import Bench, MeasurementError

CHAOSD = Path(sys.executable).parent / "chaosd"
POLLS, POLL_S = 600, 0.1
END_S = 30


@contextmanager
def daemon(bench: Bench, config: str, more: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run ``chaosd run`` while the block runs; yields its pid once it answers."""
    home = bench.directory("daemon")
    (home / "chaosd.yaml").write_text(config)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [CHAOSD, "-c", "chaosd.yaml", "run", "--listen", "127.0.0.1:0"],
            cwd=home,
            env={**bench.environment(), **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _await(process, bench.scratch / "state" / "control.sock", home / "log")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: "subprocess.Popen[bytes]", socket: Path, log: Path) -> None:
    for _ in range(POLLS):
        if socket.exists() and Client.find(socket) is not None:
            return
        try:
            process.wait(POLL_S)
            break
        except subprocess.TimeoutExpired:
            continue
    raise MeasurementError(f"the daemon did not start: {log.read_text()[-600:]}")
