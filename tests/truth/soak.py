"""``python -m tests.truth.soak``: the daemon with its faults, and users at random, for half an hour.

The worker is the correct one. Exit 1 when memory grows, the daemon ends, or a safety property does not hold.
"""

import argparse
import json
import signal
import subprocess
import sys
import time  # noqa: TID251 - real processes take real time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import psutil

from daemon.core.invariants import INVARIANTS
from tests.truth.matrix import CORRECT
from tests.truth.play import Stage, staged

SAMPLE_S = 5.0
GROWTH_MOST = 1.10  # of the median of the last quarter over that of the second; the first one warms up
GAP_S = 2.0
EXPERIMENTS = """\
experiments:
  - {name: stop, fault: ecs-task-stop, target: editor, about_every: 5m, for: 20s}
  - {name: interrupt, fault: interrupt-signal, target: editor, about_every: 5m, for: 20s}
  - {name: lock, fault: git-lock, target: editor, about_every: 5m, for: 20s}
  - {name: corrupt, fault: git-corrupt, target: editor, about_every: 5m, for: 20s}
  - {name: burst, fault: sqs-burst, target: editor, about_every: 10m, set: {messages: 50, rate: 10/s}, for: 60s}
api: {listen: "127.0.0.1:0"}
"""


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
                faults = _watched(stage, service, minutes * 60)
            finally:
                service.send_signal(signal.SIGTERM)
                service.wait(90)
        journal = sum(p.stat().st_size for p in (stage.directory / "service").glob("journal*"))
    _tell(f"journal: {journal / 1024 / minutes * 60:.0f} KiB per hour")
    for fault in faults:
        _tell(f"FAULT: {fault}")
    return 1 if faults else 0


def _watched(stage: Stage, service: "subprocess.Popen[str]", for_s: float) -> list[str]:
    """Play the soak, sample the daemon's memory beside it, and return what is wrong."""
    words = (f"--set=messages={max(1, round(for_s / GAP_S))}", f"--set=gap={GAP_S}s")
    out = stage.directory / "soak.json"
    rss: list[int] = []
    with out.open("w") as document:
        players = stage.start("players", "scenario", "run", "soak", "--seed", "1", *words, output=document)
        process = psutil.Process(service.pid)
        deadline_s = time.monotonic() + 2 * for_s + 900
        while players.poll() is None and service.poll() is None and time.monotonic() < deadline_s:
            rss.append(process.memory_info().rss)
            try:
                players.wait(SAMPLE_S)
            except subprocess.TimeoutExpired:
                continue
    if players.poll() is None:
        players.send_signal(signal.SIGINT)
        players.wait(60)
        return ["the daemon ended" if service.poll() is not None else "the soak did not end in time"]
    return _faults(out, rss)


def _faults(out: Path, rss: Sequence[int]) -> list[str]:
    quarter = max(1, len(rss) // 4)
    early, late = median(rss[quarter : 2 * quarter] or rss), median(rss[-quarter:])
    course = ", ".join(f"{median(rss[i * quarter : (i + 1) * quarter] or rss) / 2**20:.1f}" for i in range(4))
    _tell(f"memory: {course} MiB, the median of each quarter")
    found = [f"memory grew by {late / early - 1:.0%}"] if late > early * GROWTH_MOST else []
    for scenario in json.loads(out.read_text())["scenarios"]:
        _tell(f"{scenario['name']}: {len(scenario['messages'])} messages, passed: {scenario['passed']}")
        broken = [v for v in scenario["violations"] if not INVARIANTS[v["invariant"]].objective]
        late = len(scenario["violations"]) - len(broken)
        # A message whose task was stopped waits for its visibility timeout: slow, by our own doing.
        _tell(f"objectives missed while faults were active: {late} times")
        found += [f"{v['invariant']}: {json.dumps(v['evidence'])[:300]}" for v in broken]
        found += [f"unknown: {u['invariant']}: {u['reason']}" for u in scenario["unknown"]]
        found += [] if scenario["settled"] else ["it was still moving at the end"]
    return found


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
