"""The daemon at rest: ten probes, three of them on AWS, every ten seconds."""

import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter  # noqa: TID251  a stopwatch measures the real clock

import boto3

from daemon.faces.client import Client
from daemon.lab.lab import run_foreground
from daemon.lab.model import CREDENTIALS, LabInfo
from tests.benchmarks.harness import Bench, MeasurementError, Row, Samples, at_most
from tests.benchmarks.running import daemon

EVERY, SETTLE_S = "10s", 12.0
PROBES, HZ = 10, os.sysconf("SC_CLK_TCK")


def daemon_at_rest(bench: Bench) -> list[Row]:
    """Watch the daemon for a minute, after its first looks."""
    bench.say("starting a lab")
    with run_foreground(bench.scratch / "lab", tasks=1) as lab:
        _deploy(lab)
        with daemon(bench, config(lab), dict(CREDENTIALS)) as pid:
            pause = threading.Event()
            pause.wait(SETTLE_S)
            _expect_all_looked(bench, pid)
            bench.say(f"watching the daemon for {bench.idle_s:g} s")
            return _watch(pid, bench.idle_s, pause)


def config(lab: LabInfo) -> str:
    """Return the lab's configuration with ten probes instead of its own."""
    head, _, rest = lab.config_yaml().partition("probes:\n")
    tail = rest[rest.index("steady_state:") :].replace("[tasks, backlog, repository]", "[tasks]")
    kinds = (
        ("tasks", "ecs-service", ""),
        ("backlog", "sqs-backlog", ""),
        ("site", "s3-freshness", ""),
        ("clone", "git-health", ""),
        ("workers", "process", ""),
        ("python", "process", f"match: {Path(sys.executable).name}"),
        ("disk", "command", "run: df ."),
        ("uptime", "command", "run: uptime"),
        ("emulator", "http", f"url: {lab.endpoint_url}/_ministack/health"),
        ("again", "http", f"url: {lab.endpoint_url}/_ministack/health"),
    )
    lines = "".join(
        f"  - {{name: {name}, probe: {kind}, target: editor, every: {EVERY}, set: {{{more}}}}}\n"
        for name, kind, more in kinds
    )
    return f"{head}probes:\n{lines}{tail}"


def _deploy(lab: LabInfo) -> None:
    site = boto3.client(
        "s3",
        endpoint_url=lab.endpoint_url,
        region_name=lab.region,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    site.put_object(Bucket=lab.bucket, Key=lab.key, Body=b"<html></html>")


def _expect_all_looked(bench: Bench, pid: int) -> None:
    seen = Client(bench.scratch / "state" / "control.sock").call("GET", "/api/v1/status")["observations"]
    wrong = {o["probe"]: o["findings"] for o in seen if o["status"] != "ok"}
    if len(seen) != PROBES or wrong:
        raise MeasurementError(f"of {PROBES} probes of daemon {pid} {len(seen)} have looked; not ok: {wrong}")


@dataclass(slots=True)
class Switches:
    """Voluntary context switches of all threads, those that have ended in between included."""

    pid: int
    counts: dict[str, int] = field(default_factory=dict)

    def total(self) -> int:
        for status in Path(f"/proc/{self.pid}/task").glob("*/status"):
            with suppress(OSError):  # the thread has just ended
                self.counts[status.parent.name] = _field(status, "voluntary_ctxt_switches")
        return sum(self.counts.values())


def _watch(pid: int, idle_s: float, pause: threading.Event) -> list[Row]:
    switches, began_s = Switches(pid), perf_counter()
    woken, used_s = switches.total(), _cpu_s(pid)
    while perf_counter() - began_s < idle_s:
        pause.wait(min(1.0, idle_s))  # often enough to see threads that live for a short time
        switches.total()
    took_s = perf_counter() - began_s
    peak = _field(Path(f"/proc/{pid}/status"), "VmHWM") / 1024
    share = (_cpu_s(pid) - used_s) / took_s * 100
    rate = (switches.total() - woken) / took_s
    return [
        Row(what="daemon at rest, peak memory", chaosd=Samples("MB", (peak,)), limit=at_most(80)),
        Row(
            what="daemon at rest, CPU",
            chaosd=Samples("% of a core", (share,)),
            limit=at_most(1),
            note=f"over {took_s:.0f} s, children included; ten probes every {EVERY}, three of them AWS",
        ),
        Row(what="daemon at rest, wake-ups", chaosd=Samples("1/s", (rate,)), limit=at_most(5)),
    ]


def _field(status: Path, name: str) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def _cpu_s(pid: int) -> float:
    """Return what the process and the children it has waited for have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / HZ
