"""AWS is slow, or never answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.model import Json, Mode
from daemon.core.parameters import parameter
from faults.aws.family import AwsFault

DISTRIBUTIONS = (
    Mode("constant", "every call waits the mean"),
    Mode("uniform", "evenly between mean - spread and mean + spread"),
    Mode("normal", "around the mean, with the spread as standard deviation"),
    Mode("exponential", "mostly less than the mean, now and then several times as much"),
    Mode("lognormal", "as AWS itself: most calls near the mean, and a tail to the right"),
    Mode("pareto", "a heavy tail: few calls wait very long, up to the longest"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsLatency(AwsFault):
    """Delays calls before they are forwarded, or their answers; signed after the wait, so that none is too old."""

    name: ClassVar[str] = "aws-latency"
    summary: ClassVar[str] = "AWS is slow: the worker's calls, or their answers, are delayed by dice of a shape"
    modes: ClassVar[tuple[Mode, ...]] = DISTRIBUTIONS
    effect: ClassVar[str] = "latency"

    mode: str = parameter("constant", "how the delay is distributed", choices=tuple(m.name for m in DISTRIBUTIONS))
    mean: float = parameter(1.0, "the mean delay", unit="s", least=0.001, most=900)
    spread: float = parameter(0.5, "half the width, or the standard deviation", unit="s", most=900)
    longest: float = parameter(30.0, "no delay is longer", unit="s", least=0.001, most=900)
    where: str = parameter("request", "before AWS is asked, or before its answer", choices=("request", "reply"))

    def check(self) -> None:
        self.operations()
        if self.longest < self.mean:
            raise ValueError(f"longest: {self.longest:g} s is less than the mean, {self.mean:g} s")
        if self.mode == "uniform" and self.spread > self.mean:
            raise ValueError(
                f"spread: {self.spread:g} s is more than the mean, {self.mean:g} s: no delay is negative"
            )

    def parameters(self) -> Mapping[str, Json]:
        return {
            "distribution": self.mode,
            "mean_s": self.mean,
            "spread_s": self.spread,
            "most_s": self.longest,
            "where": self.where,
        }

    def does(self) -> str:
        spread = "" if self.mode in {"constant", "exponential"} else f", spread {self.spread:g} s"
        what = "AWS is asked" if self.where == "request" else "the answer of AWS is handed on"
        return f"wait {self.mean:g} s ({self.mode}{spread}, at most {self.longest:g} s) before {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsHang(AwsFault):
    """Leaves calls without an answer; when the fault ends, their connections are closed."""

    name: ClassVar[str] = "aws-hang"
    summary: ClassVar[str] = "AWS never answers: the worker's calls hang until its own timeout, or the fault's end"
    modes: ClassVar[tuple[Mode, ...]] = (Mode("silent", "the connection is taken, nothing is ever sent back"),)
    effect: ClassVar[str] = "hang"

    mode: str = parameter("silent", "how it hangs", choices=("silent",))

    def does(self) -> str:
        return "give no answer for as long as the rule is in force, and ask nothing of AWS"
