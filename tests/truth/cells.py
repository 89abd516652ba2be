"""The cells of the matrix: which scenario is played how, and what disturbs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Inject:
    """A fault of chaosd's own, injected by a second chaosd while the scenario runs."""

    fault: str
    mode: str
    hold: str = "60s"  # past the end of the scenario: what the worker does not repair stays broken until then


@dataclass(frozen=True, kw_only=True)
class Outside:
    """A disturbance by a party that chaosd does not know (``outside``), for ``hold_s`` seconds."""

    name: str
    hold_s: float


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One scenario, its parameters, and what disturbs it ``after_s`` (least, most) seconds after the first push."""

    scenario: str
    settings: Mapping[str, str] = field(default_factory=dict)
    disturbance: Inject | Outside | None = None
    after_s: tuple[float, float] = (0.0, 0.0)


#: Two workers are never idle: most moments are in the middle of some message's work.
BUSY = {"messages": "16", "gap": "700ms"}
#: The last ones are sent while the outside party is at it.
CALM = {"messages": "8", "gap": "1s"}
#: What is broken at the last moment must not be judged before the worker has had its time to see it: it looks at an
#: idle clone every ten seconds at least, and takes a lock for stale after two.
SEEN = {"calm": "13s"}
#: The longest wait of all: what is not done by then is stuck.
MOST = "40s"
#: Nothing moves for that long: more than the queue's visibility timeout.
SETTLE = "14s"

CELLS: Mapping[str, Cell] = {
    "basic": Cell(scenario="basic"),
    "switching": Cell(scenario="switching", settings={"messages": "8", "sessions": "4", "gap": "500ms"}),
    "rapid-switching": Cell(scenario="rapid-switching", settings={"messages": "12", "sessions": "4"}),
    # Half a second is in the middle of the first one's build.
    "interrupt": Cell(scenario="interrupt", settings={"messages": "4", "gap": "500ms"}),
    "common-file": Cell(scenario="basic", settings={"messages": "8", "gap": "0ms"}),
    # Three threads for two workers: one of them has to take two.
    "one-session-three-threads": Cell(
        scenario="switching", settings={"messages": "6", "sessions": "3", "overlap": "common"}
    ),
    "duplicate-delivery": Cell(scenario="duplicate-delivery"),
    "poison": Cell(scenario="poison", settings={"messages": "4"}),
    "basic + ecs-task-stop": Cell(
        scenario="basic",
        settings=BUSY,
        disturbance=Inject(fault="ecs-task-stop", mode="random", hold="30s"),
        after_s=(0.0, 4.0),
    ),
    "basic + interrupt-signal": Cell(
        scenario="basic",
        settings=BUSY,
        disturbance=Inject(fault="interrupt-signal", mode="sigterm", hold="30s"),
        after_s=(0.0, 4.0),
    ),
    "basic + git-lock": Cell(
        scenario="basic",
        settings=BUSY | SEEN,
        disturbance=Inject(fault="git-lock", mode="index-lock"),
        after_s=(0.0, 4.0),
    ),
    "basic + git-corrupt": Cell(
        scenario="basic",
        settings=BUSY | SEEN,
        disturbance=Inject(fault="git-corrupt", mode="head-garbage"),
        after_s=(0.0, 4.0),
    ),
    "basic + push-refused": Cell(
        scenario="basic",
        settings=CALM,
        disturbance=Outside(name="push-refused", hold_s=14.0),
    ),
    "basic + remote-hangs": Cell(
        scenario="basic",
        settings=CALM,
        disturbance=Outside(name="remote-hangs", hold_s=6.0),
    ),
    "basic + bucket-gone": Cell(
        scenario="basic",
        settings=CALM,
        disturbance=Outside(name="bucket-gone", hold_s=14.0),
    ),
}
