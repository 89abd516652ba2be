"""A week of recoveries that took 10 s and a day of ones that took 60 s, as blocks that Prometheus takes over."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

HOUR_S = 3600
DAYS = 8
BEFORE_S, LATELY_S = 10, 60
LABELS = 'job="chaosd",instance="history",fault="git-lock",target="history"'


def lines(now_s: int) -> Iterator[str]:
    """Yield OpenMetrics text: one sample an hour until three hours ago, one recovery every four hours."""
    name = "chaosd_recovery_seconds"
    counted, summed, rows = 0, 0, []
    for hour in range(DAYS * 24 - 3):
        at_s = now_s - (DAYS * 24 - hour) * HOUR_S
        if hour and hour % 4 == 0:
            counted += 1
            summed += LATELY_S if hour >= (DAYS - 1) * 24 else BEFORE_S
        rows.append((at_s, counted, summed))
    yield f"# TYPE {name} histogram"
    for bound in ("10.0", "60.0", "+Inf"):
        for at_s, counted, summed in rows:
            slow = (summed - BEFORE_S * counted) // (LATELY_S - BEFORE_S)
            held = counted - slow if bound == "10.0" else counted
            yield f'{name}_bucket{{{LABELS},le="{bound}"}} {held} {at_s}'
    yield from (f"{name}_count{{{LABELS}}} {counted} {at_s}" for at_s, counted, _ in rows)
    yield from (f"{name}_sum{{{LABELS}}} {summed} {at_s}" for at_s, _, summed in rows)
    yield "# EOF"


def write(home: Path, now_s: float) -> None:
    """Make the blocks below ``home/data`` with promtool."""
    text = home / "history.om"
    text.write_text("\n".join(lines(int(now_s))) + "\n")
    words = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(home / "data")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
