"""Drives one demo: lab up, daemon up, wait for every act, daemon down, look for leftovers, lab down, look again."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from daemon.core.errors import ChaosdError
from daemon.faces.cli.demo import keepsake, leftovers, plan
from daemon.faces.cli.demo.ended import Ended
from daemon.faces.cli.demo.process import DaemonProcess
from daemon.faces.cli.demo.view import View
from daemon.faces.cli.lab import translated
from daemon.faces.cli.signals import Fuse, SignalError, interruptible
from daemon.faces.report.collect import Period
from daemon.lab import lab
from daemon.lab.model import CREDENTIALS, LabInfo
from daemon.ports.clock import SystemClock

LOOK_S = 0.5
ROUNDS_MOST = 2  # an act that a busy machine had no time for comes again in the next round


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What kind of demo is asked for."""

    directory: Path
    at_least_s: float
    defect: str | None
    port: int | None
    report: Path


class Demo:
    """One session. ``run`` once."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._clock = SystemClock()
        self._begun = self._clock.instant()
        self._view = View(self._clock)
        self._ended = Ended()
        self._port = wish.port or _free_port()

    def run(self) -> Ended:
        """Play all acts and take everything down again, whatever happens; raises only when it cannot begin."""
        self._ended.metrics_url = f"http://127.0.0.1:{self._port}/metrics"
        endpoint, others = "", leftovers.users_of(self._wish.directory)
        with interruptible() as fuse:
            try:
                with self._view, self._lab(fuse) as info:
                    endpoint = info.endpoint_url
                    self._play(info, fuse)
            except SignalError:
                self._view.say("interrupted, and taken down")
            finally:
                fuse.armed = False
                leftovers.remove_if_empty(self._wish.directory)
            ports = [self._port, leftovers.port_of(endpoint)]
            self._ended.left += leftovers.after(self._wish.directory, ports, others=others)
            self._ended.interrupted = next(iter(fuse.caught.numbers), 0)
        return self._ended

    @contextmanager
    def _lab(self, fuse: Fuse) -> Iterator[LabInfo]:
        def ready(step: str) -> None:
            self._view.say(step)
            fuse.arm()  # from here on the lab ends what it has begun

        self._view.say(f"starting the lab in {self._wish.directory}")
        fuse.armed = False
        with translated(), lab.run_foreground(self._wish.directory, defect=self._wish.defect, ready=ready) as info:
            try:
                yield info
            finally:
                fuse.armed = False
                self._view.say("taking the lab down")

    def _play(self, info: LabInfo, fuse: Fuse) -> None:
        environment = _environment()
        os.environ.clear()  # what we look at in the end is the lab, too
        os.environ.update(environment)
        daemon = DaemonProcess(info.directory, plan.config(info, port=self._port), environment)
        try:
            fuse.armed = False
            with daemon:
                fuse.arm()
                daemon.await_ready(self._clock)
                self._view.say(f"the daemon is up: curl {self._ended.metrics_url}")
                self._watch(daemon)
                fuse.armed = False
                self._view.say("stopping the daemon: it undoes what is still there")
        finally:
            fuse.armed = False
        self._ended.left += leftovers.before(info, daemon.state, self._clock)
        self._keep(info.directory, daemon)

    def _keep(self, directory: Path, daemon: DaemonProcess) -> None:
        """Write the report while the journal is still there; a demo without one is a demo all the same."""
        period = Period(self._begun.wall_s, self._clock.instant().wall_s)
        try:
            keepsake.write(self._wish.report, state=daemon.state, config=directory / "chaosd.yaml", period=period)
        except ChaosdError as error:
            self._view.say(error.message)
        else:
            self._ended.report = str(self._wish.report)

    def _watch(self, daemon: DaemonProcess) -> None:
        begun_s = self._clock.instant().mono_s
        while True:
            self._view.update(*daemon.situation())
            self._ended.results = self._view.results()
            self._ended.missing = self._view.missing()
            passed_s = self._clock.instant().mono_s - begun_s
            enough = not self._ended.missing and passed_s >= self._wish.at_least_s and not self._view.busy
            if enough or passed_s > self._wish.at_least_s + ROUNDS_MOST * plan.round_s():
                return
            if not daemon.alive:
                raise ChaosdError(f"the demo broke off: the daemon ended\n{daemon.last_words()}")
            self._clock.wait(Event(), LOOK_S)


def _environment() -> dict[str, str]:
    """Return the daemon's environment: nothing of the user's AWS, proxy or chaosd settings reaches the lab."""
    foreign = ("AWS_", "CHAOSD_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.lower().endswith("_proxy")
    }
    return {**kept, **CREDENTIALS, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
