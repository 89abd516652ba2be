"""What the demo does and when: its chaosd.yaml, made from the lab's own."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from daemon.lab.model import LabInfo

FIRST_S = 4
MIN_AGE, LOCK_AGE = "2s", "600ms"
SPARE_S = 15  # after the last act, before an act that was refused gets its second chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One experiment of the session. ``slot_s`` is the time until the next one begins."""

    name: str
    fault: str
    slot_s: float
    hold_s: float
    parameters: Mapping[str, object] = field(default_factory=dict)
    workload: Mapping[str, object] | None = None


SEND = {"wait_for_work": "1s"}
BURST = {"mode": "spike", "messages": 30}
CORRUPT = {"mode": "loose-object-truncate"}
RECLAIM = {"mode": "spot-reclaim", "grace": "2s"}
# Struck while the second message is being worked on. The act is the last: nothing waits for its baseline.
BASIC = {"scenario": "basic", "set": {"messages": 4, "gap": "600ms"}, "strike": "1s"}

# An experiment ends as soon as the worker was seen failing and healed; ``hold_s`` is for those that are not felt.
# Long enough for the repair of a slow worker, short enough to end before the next begins.
ACTS = (
    Act(name="lock-a-clone", fault="git-lock", slot_s=13, hold_s=10, parameters={"mode": "index-lock"}),
    Act(name="interrupt-a-message", fault="interrupt-message", slot_s=13, hold_s=3, parameters=SEND),
    Act(name="corrupt-a-clone", fault="git-corrupt", slot_s=14, hold_s=10, parameters=CORRUPT),
    Act(name="stop-a-task", fault="ecs-task-stop", slot_s=11, hold_s=5, parameters={"mode": "oldest"}),
    Act(name="burst-the-queue", fault="sqs-burst", slot_s=18, hold_s=20, parameters=BURST),
    Act(name="reclaim-a-worker", fault="interrupt-signal", slot_s=22, hold_s=5, parameters=RECLAIM, workload=BASIC),
)
# The canary looks seldom: its own deployments would overtake those that the last act's messages are judged by.
PROBES = """\
  - {name: workers, probe: process, target: editor, every: 5s, at_least: 2}
  - {name: canary, probe: pipeline-canary, target: editor, every: 60s, timeout: 30s}
  - {name: errors, probe: log-errors, target: editor, every: 10s, allow: 1000}
"""


def starts() -> dict[str, float]:
    """Return when each act begins, in seconds after the daemon's start."""
    at_s, found = float(FIRST_S), {}
    for act in ACTS:
        found[act.name] = at_s
        at_s += act.slot_s
    return found


def round_s() -> float:
    """Return how long one round of all acts takes, before the next begins."""
    return FIRST_S + sum(act.slot_s for act in ACTS) + SPARE_S


def config(info: LabInfo, *, port: int) -> str:
    """Return the session's chaosd.yaml: the lab's, with more probes, a schedule, and an address."""
    text = re.sub(r'expect: "[^"]*"', 'expect: "visible <= 10"', info.config_yaml())
    # A task that has only just started does no work yet: it counts when it is old enough to have begun.
    text = text.replace("probe: ecs-service,", f"probe: ecs-service, min_age: {MIN_AGE},")
    # The worker removes a lock that is a second old; the probe calls it stale a little earlier, or would miss it.
    text = text.replace("probe: git-health,", f"probe: git-health, lock_age: {LOCK_AGE},")
    text = text.replace("\nsteady_state:", f"\n{PROBES}steady_state:")
    begins, every_s = starts(), round_s()
    lines = [_experiment(act, begins[act.name], every_s) for act in ACTS]
    return (
        f"{text}experiments:\n{''.join(lines)}"
        "sampling: {probe_every: 250ms, stable_for: 2s}\n"
        f'api: {{listen: "127.0.0.1:{port}"}}\n'
    )


def _experiment(act: Act, begins_s: float, every_s: float) -> str:
    workload = f" workload: {json.dumps(act.workload)}," if act.workload else ""
    return (
        f"  - {{name: {act.name}, fault: {act.fault}, target: editor, every: {every_s:g}s,"
        f" first_after: {begins_s:g}s, for: {act.hold_s:g}s, timeout: 60s,{workload}"
        f" set: {json.dumps(dict(act.parameters))}}}\n"
    )
