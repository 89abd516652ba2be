"""What the guard listens to besides its own counts: levers, stop conditions, the target's error budget."""

from dataclasses import dataclass
from typing import TypeAlias

from daemon.core.model import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWhen:
    """Stop every running experiment when ``probe`` has had ``status`` without a break for ``for_s``."""

    probe: str
    status: Status = Status.FAILING
    for_s: float = 0.0

    def __str__(self) -> str:
        return f"stop condition {self.probe} is {self.status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopQuery:
    """Stop when a Prometheus query has been beyond its limit for ``for_s``.

    At most one of ``above`` and ``below`` is given; with neither, any sample in the answer counts, as in an
    alerting rule. Of several series the worst decides.
    """

    prometheus: str
    query: str
    above: float | None = None
    below: float | None = None
    for_s: float = 0.0

    def __str__(self) -> str:
        limit = f" above {self.above:g}" if self.above is not None else ""
        limit = f" below {self.below:g}" if self.below is not None else limit
        return f"stop condition {self.query}{limit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A CloudWatch alarm, metric or composite: as a stop condition, or as a lever. ``for_s`` is for the former."""

    alarm: str
    for_s: float = 0.0

    def __str__(self) -> str:
        return f"CloudWatch alarm {self.alarm}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """An SSM parameter that halts unless its value is one of ``RELEASED``."""

    parameter: str

    def __str__(self) -> str:
        return f"SSM parameter {self.parameter}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyLever:
    """An AWS FIS safety lever; there is one an account and region, called ``default``."""

    fis: str

    def __str__(self) -> str:
        return f"FIS safety lever {self.fis}"


StopCondition: TypeAlias = StopWhen | StopQuery | Alarm
Lever: TypeAlias = SafetyLever | Parameter | Alarm
RELEASED = frozenset({"released", "disengaged", "off", "false", "no", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBudget:
    """The share of good time (0 to 1) a target must have had over ``window`` (as Prometheus writes it: ``7d``).

    ``probe`` None asks for the whole steady state; ``query`` replaces the question, with ``$target`` and
    ``$window`` filled in.
    """

    objective: float
    prometheus: str
    window: str = "7d"
    probe: str | None = None
    query: str | None = None

    def question(self, target: str) -> str:
        """Return the query for one target: every look of the window counts once.

        A daemon that was replaced is another series. The mean of each series' own mean would give the first
        minutes of a new one the weight of the week before.
        """
        if self.query is not None:
            return self.query.replace("$target", target).replace("$window", self.window)
        if self.probe is not None:
            looks = f'chaosd_probe_success{{probe="{self.probe}",target="{target}"}}[{self.window}]'
        else:
            looks = f'chaosd_steady_state{{target="{target}"}}[{self.window}]'
        return f"sum(sum_over_time({looks})) / sum(count_over_time({looks}))"
