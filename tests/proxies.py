"""chaosd's fault proxy as a process of its own, for tests that put a worker behind it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from daemon.core.errors import ChaosdError
from daemon.core.proxying import ProxyFacts
from daemon.ports.clock import SystemClock
from daemon.ports.proxying import LocalProxy
from tests.waiting import wait_for

CHAOSD = str(Path(sys.executable).parent / "chaosd")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
READY_S, END_S = 120.0, 60.0  # a machine with much else to do is slow to start a process


def of(state: Path) -> LocalProxy:
    """Return the proxy of a state directory, as faults see it."""
    return LocalProxy(state / "proxy", SystemClock())


def facts(state: Path) -> ProxyFacts | None:
    """Return what a running proxy says of itself; None when none answers."""
    with suppress(ChaosdError):
        return of(state).facts()
    return None


def in_force(state: Path) -> bool:
    """Tell whether the proxy of a state directory has a rule in force."""
    found = facts(state)
    return bool(found and found.rules)


def undisturbed(config: str) -> str:
    """Return the lab's configuration with a steady state that no fault of AWS calls touches.

    Else what the faults make of clones and queues would look like impact and recovery, and end them early.
    """
    return re.sub(r"steady_state: .*", "steady_state: {editor: [tasks]}", config)


@contextmanager
def running(state: Path, *words: str, options: Sequence[str] = ()) -> Iterator[None]:
    """Hold ``chaosd OPTIONS --state-dir STATE proxy WORDS`` while the block runs."""
    log = state.with_name(f"{state.name}-proxy.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [CHAOSD, *options, "--state-dir", str(state), "proxy", *words],
            stdout=output,
            stderr=output,
            env={**os.environ, **CREDENTIALS},
        )
    try:
        wait_for("the proxy", lambda: process.poll() is not None or facts(state), READY_S)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
