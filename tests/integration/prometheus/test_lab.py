"""Every expression and alert as shipped, on a real Prometheus that scrapes a real daemon in the lab."""

import json
import os
import signal
import socket
import sys
import time  # noqa: TID251 - the history ends now
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from daemon.lab import lab
from daemon.lab.provision import clients
from daemon.ports.clock import SystemClock
from daemon.ports.proxying import LocalProxy
from tests import promql
from tests.integration.prometheus import history
from tests.integration.prometheus.kit import (
    PATIENCE_S,
    RULES,
    Service,
    Told,
    fires,
    free_port,
    resolves,
    serving,
    sound,
)
from tests.integration.prometheus.server import PROMETHEUS, Server, running
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus on this system (Debian: prometheus)")
BROKEN = [sys.executable, str(Path(__file__).with_name("broken.py"))]
CONFIG = """\
  blackouts: []
sampling: {{stable_for: 1s}}
api: {{listen: "127.0.0.1:{port}"}}
proxy: {{listen: "127.0.0.1:{proxy}"}}
notify: [{{name: nobody, kind: webhook, url: "{refusing}"}}]
experiments:
  - {{name: stop, fault: ecs-task-stop, target: editor, every: {every}, for: 10s}}
  - {{name: lock, fault: git-lock, target: editor, every: 1h, for: 1s, set: {{mode: index-lock}}}}
  - {{name: burst, fault: sqs-burst, target: editor, every: 1h, for: 10s, set: {{messages: 20, rate: 10/s}}}}
  - {{name: busy, fault: ecs-task-stop, target: editor, every: 1h, for: 20s, workload: basic}}
"""
BURST = {"fault": "sqs-burst", "parameters": {"messages": 20, "rate": "10/s"}, "duration_s": 10}
STOP = {"fault": "ecs-task-stop", "duration_s": 10}
LOCK = {"fault": "git-lock", "parameters": {"mode": "index-lock"}}
CORRUPT = {"fault": "git-corrupt", "parameters": {"mode": "head-garbage"}, "duration_s": 0.6}
BUSY = {
    "fault": "ecs-task-stop",
    "duration_s": 20,
    "workload": {"scenario": "basic", "strike": 2, "set": {"messages": 6, "gap": "300ms", "settle": "14s"}},
}
THROTTLE = {"fault": "aws-throttle", "duration_s": 600}
FOR_A_DAY = {"ChaosdRecoverySlower"}  # its end cannot be waited for


@dataclass
class Play:
    """The lab, its daemon and Prometheus; what was told, and the most series that each expression returned."""

    server: Server
    service: Service
    room: Path
    base: str
    port: int
    proxy: int
    told: Told = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    def configure(self, *, every: str = "1h") -> None:
        # Prometheus itself is the destination that refuses everything.
        text = CONFIG.format(
            port=self.port, proxy=self.proxy, refusing=f"{self.server.address}/nowhere", every=every
        )
        self.service.config.write_text(self.base + text)

    def inject(self, asked: Mapping[str, object]) -> str:
        return self.service.inject({"target": "editor", **asked})

    def judged(self, injection: str) -> str:
        def verdict() -> Any:
            return self.service.call("GET", f"/api/v1/injections/{injection}?wait=25")["verdict"]

        return str(wait_for(f"the verdict on {injection}", verdict, 600, 0.2))

    def victim(self, injection: str) -> Any:
        found = self.service.call("GET", f"/api/v1/injections/{injection}")
        return found["injection"]["victim"] if found["injection"]["injected_at"] else None

    def count(self) -> None:
        """Keep, for each expression, the most series it ever returned."""
        loaded = {rule["name"]: rule["query"] for rule in self.server.rules()}
        texts = {e.where: loaded[e.where] for e in promql.of_rules()}
        texts |= {e.where: e.text for e in promql.of_dashboards()}
        for where, text in texts.items():
            self.asked[where] = max(self.asked.get(where, 0), len(self.server.series(text)))

    def fires(self, alert: str) -> None:
        fires(self.server, alert, self.told)
        self.count()

    def resolves(self, *alerts: str) -> None:
        for alert in alerts:
            resolves(self.server, alert, self.told)

    def planted(self, alert: str, breaks: Callable[[], object], mends: Callable[[], object]) -> None:
        """Break the lab, see the alert; mend it, see it go."""
        breaks()
        self.fires(alert)
        mends()
        self.resolves(alert)


@contextmanager
def playing(home: Path) -> Iterator[Play]:
    info = lab.up(home / "lab", tasks=2, build_s=3.0, defect="drop-on-sigterm")
    prometheus, room, port, proxy = home / "prometheus", home / "broken", free_port(), free_port()
    prometheus.mkdir()
    room.mkdir()
    try:
        history.write(prometheus, time.time())
        environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "BROKEN": str(room)}
        service = Service(home, home / "chaosd.yaml", BROKEN, environment)
        with running(prometheus, {"chaosd": [f"127.0.0.1:{port}"]}, RULES) as server:
            # No worker is behind it: what it does is asked by the test itself.
            base = info.config_yaml().replace("    limits:", "    proxy: {aws: true}\n    limits:")
            play = Play(server, service, room, base, port, proxy)
            play.configure()
            with serving(service):
                wait_for("it is scraped", lambda: server.series('up{job="chaosd"} == 1'), PATIENCE_S, 0.2)
                yield play
    finally:
        lab.down(info.directory)


@pytest.mark.torture
@pytest.mark.timeout(3000)
def test_every_expression_returns_data_and_every_alert_fires_and_resolves(tmp_path: Path) -> None:
    with playing(tmp_path) as play:
        sound(play.server)
        play.fires("ChaosdRecoverySlower")
        work(play)
        break_the_proxy(play)
        break_the_daemon(play)
        break_the_undo(play)
    for where, series in play.asked.items():
        print(f"{series:4d}  {where}")  # noqa: T201  the table that this run is for
    print(json.dumps(play.told, indent=1))  # noqa: T201
    assert [where for where, series in play.asked.items() if series == 0] == []
    names = {rule["alert"] for rule in promql.rules() if "alert" in rule}
    assert set(play.told) == names
    assert {name for name, ends in play.told.items() if "resolved" not in ends} == FOR_A_DAY


def work(play: Play) -> None:
    """Do what ends well, then what loses a message."""
    burst = play.inject(BURST)
    play.fires("ChaosdExperimentRunning")
    play.judged(burst)
    play.fires("ChaosdNotificationsLost")
    play.judged(play.inject(STOP))
    play.count()
    play.judged(play.inject(BUSY))
    play.fires("ChaosdInvariantViolated")
    # Taken back before the worker looks; where a machine is busy the worker may be first, or no look in time.
    assert any(play.judged(play.inject(CORRUPT)) == "not-recovered" for _ in range(10))
    play.fires("ChaosdNotRecovered")
    play.resolves("ChaosdExperimentRunning", "ChaosdInvariantViolated", "ChaosdNotRecovered")


def break_the_proxy(play: Play) -> None:
    throttled = play.inject(THROTTLE)
    wait_for("it is in force", lambda: play.victim(throttled), PATIENCE_S, 0.2)
    sqs = clients(f"http://127.0.0.1:{play.proxy}").sqs

    def disturbed() -> bool:
        with suppress(ClientError):
            sqs.list_queues()
        play.count()
        return all(play.asked[panel.where] for panel in panels)

    panels = [e for e in promql.of_dashboards() if "chaosd_proxy_" in e.text]
    assert panels
    wait_for("every expression about the proxy has data", disturbed, PATIENCE_S, 0.5)
    play.service.call("POST", f"/api/v1/injections/{throttled}/revert", {})
    state = LocalProxy(play.room.parent / "state" / "proxy", SystemClock())
    with ExitStack() as squatting:

        def squat() -> None:
            """Take the port before the proxy can have it back."""
            os.kill(state.facts().pid, signal.SIGKILL)
            listener = squatting.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections may linger
            wait_for("its port is free", lambda: bound(listener, play.proxy), PATIENCE_S, 0.01)

        play.planted("ChaosdProxyDown", squat, squatting.close)
    sqs.close()


def bound(listener: socket.socket, port: int) -> bool:
    """Tell whether the socket has the port now."""
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return False
    listener.listen()
    return True


def break_the_daemon(play: Play) -> None:
    service, journal, scheduler = play.service, play.room / "journal", play.room / "scheduler"
    play.planted("ChaosdDown", service.stop, service.start)
    play.planted("ChaosdJournalUnavailable", journal.touch, journal.unlink)
    service.stop()
    play.configure(every="5s")
    scheduler.touch()
    play.planted("ChaosdScheduleStalled", service.start, scheduler.unlink)
    service.stop()
    play.configure()
    service.start()
    play.inject({**LOCK, "duration_s": 600})
    wait_for("it is seen", lambda: play.server.series("chaosd_fault_active == 1"), PATIENCE_S, 0.2)
    assert service.process is not None
    os.kill(service.process.pid, signal.SIGKILL)
    service.process.wait(60)
    service.process = None
    play.fires("ChaosdDownDuringFault")
    service.start()
    play.resolves("ChaosdDownDuringFault")


def break_the_undo(play: Play) -> None:
    injection = play.inject({**LOCK, "duration_s": 3})
    clone = Path(wait_for("its victim is known", lambda: play.victim(injection))["repository"])
    aside = clone.with_name(f"{clone.name}.aside")
    clone.rename(aside)
    clone.symlink_to(aside)  # what is not there the worker clones anew, and there is nothing to undo
    assert play.judged(injection) == "undo-failed"
    play.fires("ChaosdUndoFailed")
    play.fires("ChaosdFaultStuck")
    play.fires("ChaosdUndoPending")
    clone.unlink()
    aside.rename(clone)
    play.service.call("POST", "/api/v1/recover", {})
    play.resolves("ChaosdFaultStuck", "ChaosdUndoPending", "ChaosdUndoFailed", "ChaosdNotificationsLost")
