"""The cells of the matrix: which scenario is played how, and what disturbs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Inject:
    """A fault of chaosd's own, injected by a second chaosd while the scenario runs."""

    fault: str
    mode: str
    settings: Mapping[str, str] = field(default_factory=dict)
    hold: str = "60s"  # past the end of the scenario: what the worker does not repair stays broken until then
    first: bool = False  # in force before the first message is sent


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

    @property
    def through(self) -> str:
        """What of the worker's traffic has to be behind the fault proxy: ``aws``, ``git``, or nothing."""
        fault = self.disturbance.fault if isinstance(self.disturbance, Inject) else ""
        return "git" if fault == "git-transport" else "aws" if fault.startswith("aws-") else ""


#: Two workers are never idle: most moments are in the middle of some message's work.
BUSY = {"messages": "16", "gap": "700ms"}
#: More at a time than two workers take: some wait, and nobody is idle.
CROWD = {"messages": "24", "gap": "200ms"}
#: The last ones are sent while the outside party is at it.
CALM = {"messages": "8", "gap": "1s"}
#: Messages are still sent when a second chaosd has come up and injected, on a busy machine as well.
LONG = {"messages": "14", "gap": "2s"}
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
    # Two answers are sent and their replies lost in every try: the messages are not deleted, and come again.
    "basic + aws-lost-reply": Cell(
        scenario="basic",
        settings=BUSY,
        disturbance=Inject(
            fault="aws-lost-reply",
            mode="after",
            settings={"service": "sqs", "operation": "SendMessage", "resource": "edit-responses", "most": "2"},
            hold="150s",
            first=True,
        ),
    ),
    # More uploads than messages fail, so the last one's too, unless somebody tries again.
    "basic + aws-throttle": Cell(
        scenario="basic",
        settings=CALM,
        disturbance=Inject(
            fault="aws-throttle",
            mode="rate",
            settings={"service": "s3", "operation": "PutObject", "most": "14"},
            hold="150s",
            first=True,
        ),
    ),
    # Late enough that the first delivery is worked through: of two at a time one finds the other's push.
    "basic + aws-duplicate-delivery": Cell(
        scenario="basic",
        settings=BUSY,
        disturbance=Inject(
            fault="aws-duplicate-delivery",
            mode="later",
            settings={"resource": "edit-input", "most": "4", "after_calls": "6"},
            hold="150s",
            first=True,
        ),
    ),
    # Both workers get a message at once. Two such receives leave it one more before the dead-letter queue.
    "basic + aws-visibility-expired": Cell(
        scenario="basic",
        settings=BUSY,
        disturbance=Inject(
            fault="aws-visibility-expired",
            mode="shortened",
            settings={"operation": "ReceiveMessage", "resource": "edit-input", "visibility": "0s", "most": "2"},
        ),
    ),
    # Longer than the visibility timeout: what the worker has begun is given to the other one, then it goes on.
    "basic + process-pause": Cell(
        scenario="basic",
        settings=CROWD,
        disturbance=Inject(fault="process-pause", mode="process", hold="14s"),
    ),
    # The copy comes when the message is done: of two at a time one finds the other's push.
    "basic + sqs-duplicate": Cell(
        scenario="basic",
        settings=CROWD,
        disturbance=Inject(
            fault="sqs-duplicate", mode="later", settings={"messages": "2", "after": "6s"}, hold="30s"
        ),
    ),
    # Rules of the relay that its git remote is behind. The correct worker tries again until a push is told done.
    "basic + git-transport/cut-after": Cell(
        scenario="basic",
        settings=LONG,
        disturbance=Inject(fault="git-transport", mode="cut-after", hold="14s"),
    ),
    # Every push of every message, also of the last: one after the end would carry the earlier work.
    "basic + git-transport/cut-before": Cell(
        scenario="basic",
        settings=CALM,
        disturbance=Inject(fault="git-transport", mode="cut-before", hold="18s", first=True),
    ),
    "basic + git-transport/hang": Cell(
        scenario="basic",
        settings=LONG,
        # Two connections and no more: who gives one up and opens another gets through.
        disturbance=Inject(fault="git-transport", mode="hang", settings={"most": "2"}),
    ),
}
