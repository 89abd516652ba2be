"""Is memory steady? The slope of its later minutes, with a confidence interval, against a stated limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from statistics import median

from scipy.stats import theilslopes

WARM_UP = 0.25  # of the time; caches fill and threads start
CONFIDENCE = 0.95
GROWTH_MOST = 0.05  # of the level, in an hour
MINUTES_MIN = 5  # of fewer there is no interval worth its name
MIB = 2**20


class Steadiness(StrEnum):
    """What the interval says about the limit: all of it below, all of it above, or neither."""

    STEADY = "steady"
    GROWING = "growing"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The line through the medians of the minutes after the warm-up. MiB, and MiB an hour."""

    minutes: int
    level: float
    low: float
    slope: float
    high: float

    @property
    def limit(self) -> float:
        return GROWTH_MOST * self.level

    @property
    def steadiness(self) -> Steadiness:
        if self.minutes < MINUTES_MIN:
            return Steadiness.UNCLEAR
        if self.high <= self.limit:
            return Steadiness.STEADY
        return Steadiness.GROWING if self.low > self.limit else Steadiness.UNCLEAR

    def __str__(self) -> str:
        line = f"{self.slope:+.1f} MiB an hour ({CONFIDENCE:.0%} confidence {self.low:+.1f} to {self.high:+.1f})"
        return (
            f"{line} at {self.level:.1f} MiB over {self.minutes} min: {self.steadiness}, {self.limit:.1f} allowed"
        )


def trend(samples: Sequence[tuple[float, int]]) -> Trend:
    """Return the trend of samples of seconds and bytes, which lie in order.

    Medians of minutes, because neighbouring samples are not independent; Theil and Sen's slope, because a few
    minutes with much to do must not tilt the line.
    """
    first_s, last_s = samples[0][0], samples[-1][0]
    later = [(at_s, size) for at_s, size in samples if at_s >= first_s + WARM_UP * (last_s - first_s)]
    minutes = [median(size for _, size in some) / MIB for _, some in groupby(later, lambda one: one[0] // 60)]
    if len(minutes) < 2:  # a line needs two points
        return Trend(minutes=len(minutes), level=minutes[0], low=float("-inf"), slope=0.0, high=float("inf"))
    found = theilslopes(minutes, [n / 60 for n in range(len(minutes))], alpha=CONFIDENCE)
    low, high = float(found.low_slope), float(found.high_slope)
    return Trend(minutes=len(minutes), level=median(minutes), low=low, slope=float(found.slope), high=high)


def quarters(samples: Sequence[tuple[float, int]]) -> tuple[float, ...]:
    """Return the median of each quarter of the samples, MiB."""
    size = max(1, len(samples) // 4)
    return tuple(median(s for _, s in samples[i * size : (i + 1) * size] or samples) / MIB for i in range(4))
