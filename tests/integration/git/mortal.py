"""The real engine in a process of its own that SIGKILLs itself once an event is in the journal; then a recovery."""

import os
import signal
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from daemon import wiring
from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.events import Event
from daemon.core.plan import Request
from daemon.core.settings import Sampling
from daemon.ports.state import StateDirectory
from tests.benchmarks.lag import Unwatched

STEPS = ("Proposed", "Planned", "Injected", "Reverted", "Judged")
PATIENCE_S = 120.0
NOTHING = 33  # there was nothing to strike; any other end than this and SIGKILL is a defect
_FROM = get_context("forkserver")
_FROM.set_forkserver_preload(["tests.integration.git.mortal", "daemon.ports.journal", "daemon.ports.marked"])


def _station(clone: str, state: str, audience: wiring.Audience) -> wiring.Station:
    settings = replace(
        wiring.ad_hoc(clone),
        sampling=Sampling(probe_every_s=0.25, stable_for_s=0.0),
        probes=(),
        steady_state={},
    )
    return wiring.station(settings, StateDirectory(Path(state)).make(), audience)


def _strike(clone: str, state: str, family: str, mode: str, step: str) -> None:
    def die(injection: str, event: Event) -> None:
        del injection
        if type(event).__name__ == step:
            os.kill(os.getpid(), signal.SIGKILL)

    station = _station(clone, state, wiring.Audience(listeners=(die,), watchman=Unwatched()))
    request = Request(
        fault=family,
        target=wiring.AD_HOC,
        parameters={"mode": mode},
        duration_s=0.0,
        origin="cli",
        by="test",
        seed=7,
    )
    try:
        station.control.run(request)
    except (TargetAbsentError, RefusedError):
        sys.exit(NOTHING)


def _recover(clone: str, state: str) -> None:
    station = _station(clone, state, wiring.Audience(watchman=Unwatched()))
    station.control.recover()
    assert not station.journal.outstanding()
    station.close()


def _run(target: object, *arguments: str) -> int | None:
    process = _FROM.Process(target=target, args=arguments)  # type: ignore[arg-type]
    process.start()
    process.join(PATIENCE_S)
    if process.exitcode is None:
        process.kill()
        process.join()
    return process.exitcode


def kill_and_recover(clone: Path, state: Path, family: str, mode: str, step: str) -> bool:
    """Let chaosd be killed at a step, and recover; False when there was nothing to strike."""
    ended = _run(_strike, str(clone), str(state), family, mode, step)
    assert ended in (-signal.SIGKILL, NOTHING), f"{family} {mode} at {step}: ended with {ended}"
    assert _run(_recover, str(clone), str(state)) == 0, f"{family} {mode} at {step}: recover failed"
    return ended == -signal.SIGKILL
