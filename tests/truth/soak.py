"""``python -m tests.truth.soak``: the daemon with its faults, and users at random, for half an hour.

Before that each fault is injected once: what the first experiment of a kind takes, code and room for its looks, is
no growth. The worker is the correct one. Exit 1 when the daemon's memory is not steady (``steadiness`` says what
that means), the daemon ends, or a safety property does not hold.
"""

import argparse
import json
import signal
import subprocess
import sys
import threading
import time  # noqa: TID251 - real processes take real time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psutil

from daemon.core.events import Injection
from daemon.core.invariants import INVARIANTS
from daemon.ports.journal import Journal
from tests.truth.matrix import CORRECT
from tests.truth.play import Stage, staged
from tests.truth.steadiness import Steadiness, quarters, trend

SAMPLE_S = 5.0
GAP_S = 2.0
REFUSED = 77  # another one was active
CARRIED_OUT = (0, 1)  # recovered or not
TRIES = 20
BACKLOG_S = 120.0  # so long a burst may hold up those who send after it
SLOWEST = 5
EXPERIMENTS = """\
experiments:
  - {name: stop, fault: ecs-task-stop, target: editor, about_every: 5m, for: 20s}
  - {name: interrupt, fault: interrupt-signal, target: editor, about_every: 5m, for: 20s}
  - {name: lock, fault: git-lock, target: editor, about_every: 5m, for: 20s}
  - {name: corrupt, fault: git-corrupt, target: editor, about_every: 5m, for: 20s}
  - {name: burst, fault: sqs-burst, target: editor, about_every: 10m, set: {messages: 50, rate: 10/s}, for: 60s}
api: {listen: "127.0.0.1:0"}
"""
FIRST = {
    "ecs-task-stop": ("--for=20s",),
    "interrupt-signal": ("--for=20s",),
    "git-lock": ("--for=20s",),
    "git-corrupt": ("--for=20s",),
    # More than two workers do in that time: it is looked at for longer than any experiment of the half hour.
    "sqs-burst": ("--for=90s", "--set=messages=300", "--set=rate=20/s"),
}


@dataclass(slots=True)
class Watched:
    """What was seen of the daemon, sample by sample."""

    rss: list[tuple[float, int]] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def sample(self, process: psutil.Process) -> None:
        with suppress(psutil.NoSuchProcess):  # it ended just now; whoever waits for it says so
            self.rss.append((time.monotonic(), process.memory_info().rss))
            self.threads.append(process.num_threads())
            self.files.append(process.num_fds())


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.truth.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args(arguments).minutes
    with staged(CORRECT) as stage:
        config = stage.directory / "chaosd.yaml"
        config.write_text(config.read_text() + EXPERIMENTS)
        with (stage.directory / "daemon.log").open("w") as log:
            service = stage.start("service", "run", output=log)
            try:
                _warm_up(stage)
                faults = _play(stage, service, minutes * 60)
            finally:
                service.send_signal(signal.SIGTERM)
                service.wait(90)
        journal = sum(p.stat().st_size for p in (stage.directory / "service").glob("journal*"))
    _tell(f"journal: {journal / 1024 / minutes * 60:.0f} KiB per hour")
    for fault in faults:
        _tell(f"FAULT: {fault}")
    return 1 if faults else 0


def _warm_up(stage: Stage) -> None:
    """Have the daemon carry out an experiment with each fault. Raises RuntimeError when it does not."""
    started = stage.directory / "service" / "control.sock"
    for _ in range(TRIES):
        if started.exists():
            break
        threading.Event().wait(SAMPLE_S)
    for fault, words in FIRST.items():
        code = REFUSED
        for _ in range(TRIES):
            if code == REFUSED:
                process = stage.start("service", "inject", fault, "--target=editor", *words)
                said = process.communicate(timeout=300)
                code = process.returncode
        if code not in CARRIED_OUT:
            raise RuntimeError(f"{fault} ended with {code}: {said}")
        _tell(f"before: {fault}, exit {code}")


def _play(stage: Stage, service: "subprocess.Popen[str]", for_s: float) -> list[str]:
    """Play the soak, sample the daemon beside it, and return what is wrong."""
    words = (f"--set=messages={max(1, round(for_s / GAP_S))}", f"--set=gap={GAP_S}s")
    out, watched = stage.directory / "soak.json", Watched()
    with out.open("w") as document:
        players = stage.start("players", "scenario", "run", "soak", "--seed", "1", *words, output=document)
        process = psutil.Process(service.pid)
        deadline_s = time.monotonic() + 2 * for_s + 900
        while players.poll() is None and service.poll() is None and time.monotonic() < deadline_s:
            watched.sample(process)
            with suppress(subprocess.TimeoutExpired):
                players.wait(SAMPLE_S)
    if players.poll() is None:
        players.send_signal(signal.SIGINT)
        players.wait(60)
        return ["the daemon ended" if service.poll() is not None else "the soak did not end in time"]
    return [*_unsteady(watched), *_broken(json.loads(out.read_text())["scenarios"], _injections(stage))]


def _unsteady(watched: Watched) -> Iterator[str]:
    found = trend(watched.rss)
    course = ", ".join(f"{one:.1f}" for one in quarters(watched.rss))
    _tell(f"memory: {course} MiB, the median of each quarter")
    _tell(f"memory: {found}")
    _tell(f"threads: at most {max(watched.threads)}, files: at most {max(watched.files)}")
    if found.steadiness is not Steadiness.STEADY:
        yield f"memory is {found.steadiness}: {found}"


def _injections(stage: Stage) -> tuple[Injection, ...]:
    """Return what the daemon injected: its journal can be read while it works."""
    journal = Journal(stage.directory / "service" / "journal.sqlite", clock_s=time.time, readonly=True)
    try:
        found = tuple(i for i in journal.recent() if i.injected is not None)
    finally:
        journal.close()
    kinds = Counter(i.plan.fault for i in found)
    _tell("injected: " + ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds)))
    return found


def _broken(scenarios: Sequence[Mapping[str, Any]], injections: Sequence[Injection]) -> Iterator[str]:
    for scenario in scenarios:
        _tell(f"{scenario['name']}: {len(scenario['messages'])} messages, passed: {scenario['passed']}")
        for line in late(scenario, injections):
            _tell(line)
        for v in scenario["violations"]:
            if not INVARIANTS[v["invariant"]].objective:
                yield f"{v['invariant']}: {json.dumps(v['evidence'])[:300]}"
        yield from (f"unknown: {u['invariant']}: {u['reason']}" for u in scenario["unknown"])
        if not scenario["settled"]:
            yield "it was still moving at the end"


def late(scenario: Mapping[str, Any], injections: Sequence[Injection]) -> Iterator[str]:
    """Say how many messages were surely late, after which faults, and of the slowest how long they took.

    After which: the last one injected in the two minutes before the message was sent, or while it was under way.
    """
    slow = {v["evidence"]["token"] for v in scenario["violations"] if v["invariant"] == "message-fast"}
    messages = sorted((m for m in scenario["messages"] if m["token"] in slow), key=lambda m: -m["pushed"])
    after = Counter(_before(message, injections) for message in messages)
    causes = ", ".join(f"{number} after {cause}" for cause, number in after.most_common())
    yield f"late: {len(messages)} of {len(scenario['messages'])} messages{': ' * bool(causes)}{causes}"
    for message in messages[:SLOWEST]:
        yield f"  {message['token']}: pushed after {message['pushed']:.1f} s, after {_before(message, injections)}"


def _before(message: Mapping[str, Any], injections: Sequence[Injection]) -> str:
    sent_s = datetime.fromisoformat(message["sent_at"]).timestamp()
    began = {i.injected.started.wall_s: i.plan.fault for i in injections if i.injected is not None}
    near = [at_s for at_s in began if sent_s - BACKLOG_S <= at_s <= sent_s + message["pushed"]]
    return began[max(near)] if near else "no fault"


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
