"""Recovery times summarised over runs: Kaplan-Meier quantiles and comparisons that respect censoring.

Right-censored runs enter as "longer than", through Kaplan-Meier (``scipy.stats.ecdf``) and the log-rank test. A
bracket enters twice, by its lower and its upper end: both estimates together enclose the one that exact times
would have given, wherever in their brackets these lie. See docs/decisions/010-scipy-makes-the-statistics.md.
"""

import math
import warnings
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from scipy import stats

from daemon.core.model import Bracket
from daemon.core.statistics import RecoveryTime

QUANTILES = (0.5, 0.95, 0.99)
CONFIDENCE = 0.95
ALPHA = 0.05
RUNS_MIN = 5
Z = 1.959963984540054  # the normal quantile of CONFIDENCE


class Known(StrEnum):
    """What can be said about a quantile."""

    ESTIMATED = "estimated"
    BEYOND = "beyond"
    TOO_FEW = "too-few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """One quantile of the time to recovery, in seconds.

    ESTIMATED: it lies in ``value``. BEYOND: so many runs are censored that it lies somewhere past ``beyond_s``.
    TOO_FEW: fewer than ``needed`` runs. ``low_s`` and ``high_s`` are its confidence interval; an end that the runs
    cannot give is None.
    """

    p: float
    known: Known
    needed: int
    value: Bracket | None = None
    beyond_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None


class Change(StrEnum):
    """What a comparison shows. Nothing shown is not the same as equal."""

    SLOWER = "slower"
    FASTER = "faster"
    NONE_SHOWN = "no-difference-shown"
    TOO_FEW = "too-few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two periods' recovery, the later against the earlier.

    ``difference_s`` is the effect: how much longer a run takes on average within the first ``within_s`` seconds
    (restricted mean, which censored runs can answer), with its confidence interval. ``p_value`` is the log-rank
    test's at the middles of the brackets, ``p_worst`` the largest that any position within them would give.
    """

    change: Change
    runs: tuple[int, int]
    within_s: float | None = None
    difference_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    p_value: float | None = None
    p_worst: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The share not yet recovered from ``at_s`` on, with ``at_risk`` runs followed so far and ``events`` there."""

    at_s: float
    share: float
    at_risk: int
    events: int
    low: float
    high: float


Exact = tuple[float, bool]  # seconds, censored


def lower(times: Sequence[RecoveryTime]) -> list[Exact]:
    """Return the earliest times the brackets allow."""
    return [(t.lo_s, t.censored) for t in times]


def upper(times: Sequence[RecoveryTime]) -> list[Exact]:
    """Return the latest times the brackets allow."""
    return [(t.lo_s if t.hi_s is None else t.hi_s, t.censored) for t in times]


def middle(times: Sequence[RecoveryTime]) -> list[Exact]:
    """Return the middles of the brackets."""
    return [(t.middle_s, t.censored) for t in times]


def curve(times: Sequence[Exact]) -> tuple[Step, ...]:
    """Return the Kaplan-Meier estimate with pointwise log-log confidence limits; empty without times."""
    if not times:
        return ()
    survival = stats.ecdf(_sample(times)).sf
    with warnings.catch_warnings():
        # Undefined where all or none have recovered: those limits are nan and read as "not known" below.
        warnings.simplefilter("ignore", RuntimeWarning)
        limits = survival.confidence_interval(confidence_level=CONFIDENCE, method="log-log")
    columns = (survival.quantiles, survival.probabilities, limits.low.probabilities, limits.high.probabilities)
    ends, events = sorted(t for t, _ in times), Counter(t for t, censored in times if not censored)
    return tuple(
        Step(at_s, share, len(ends) - bisect_left(ends, at_s), events[at_s], low, high)
        for at_s, share, low, high in (map(float, row) for row in zip(*columns, strict=True))
    )


def quantiles(times: Sequence[RecoveryTime]) -> tuple[Quantile, ...]:
    """Return p50, p95 and p99 with their confidence intervals, each as far as the runs can tell."""
    low, high = curve(lower(times)), curve(upper(times))
    return tuple(_quantile(p, len(times), low, high) for p in QUANTILES)


def compare(earlier: Sequence[RecoveryTime], later: Sequence[RecoveryTime]) -> Comparison:
    """Return whether recovery got slower from the earlier runs to the later ones."""
    runs = (len(earlier), len(later))
    if min(runs) < RUNS_MIN or not any(not t.censored for t in (*earlier, *later)):
        return Comparison(change=Change.TOO_FEW, runs=runs)
    within_s = min(_followed(earlier), _followed(later), max(t for t, _ in upper([*earlier, *later])))
    if within_s <= 0:
        return Comparison(change=Change.TOO_FEW, runs=runs)
    difference_s, error_s = _difference(middle(earlier), middle(later), within_s)
    least_s, _ = _difference(upper(earlier), lower(later), within_s)
    most_s, _ = _difference(lower(earlier), upper(later), within_s)
    low_s, high_s = least_s - Z * error_s, most_s + Z * error_s
    p_value = _p(middle(earlier), middle(later))
    return Comparison(
        change=_change(p_value, difference_s - Z * error_s, difference_s + Z * error_s),
        runs=runs,
        within_s=within_s,
        difference_s=difference_s,
        low_s=low_s,
        high_s=high_s,
        p_value=p_value,
        p_worst=1.0
        if least_s * most_s <= 0
        else max(p_value, _p(upper(earlier), lower(later)), _p(lower(earlier), upper(later))),
    )


def _sample(times: Sequence[Exact]) -> stats.CensoredData:
    return stats.CensoredData.right_censored([t for t, _ in times], [censored for _, censored in times])


def _quantile(p: float, runs: int, low: Sequence[Step], high: Sequence[Step]) -> Quantile:
    needed = max(RUNS_MIN, round(1 / (1 - p)))
    if runs < needed:
        return Quantile(p=p, known=Known.TOO_FEW, needed=needed)
    left = 1 - p + 1e-12  # shares are fractions of runs: what equals 1 - p must not fail by rounding
    first, last = (next((s.at_s for s in steps if s.share <= left), None) for steps in (low, high))
    value = None if first is None or last is None else Bracket(first, last)
    return Quantile(
        p=p,
        known=Known.BEYOND if value is None else Known.ESTIMATED,
        needed=needed,
        value=value,
        beyond_s=max((s.at_s for s in low if s.share > left), default=0.0) if value is None else None,
        low_s=next((s.at_s for s in low if s.low <= left or s.share == 0), None),
        high_s=next((s.at_s for s in high if s.high < left), None),
    )


def _followed(times: Sequence[RecoveryTime]) -> float:
    """Return how far the curve is known: without an end once every run has recovered."""
    last_s = max(t for t, _ in lower(times))
    return last_s if any(t.censored and t.lo_s == last_s for t in times) else math.inf


def _difference(earlier: Sequence[Exact], later: Sequence[Exact], within_s: float) -> tuple[float, float]:
    (mean_a, variance_a), (mean_b, variance_b) = _restricted(earlier, within_s), _restricted(later, within_s)
    return mean_b - mean_a, math.sqrt(variance_a + variance_b)


def _restricted(times: Sequence[Exact], within_s: float) -> tuple[float, float]:
    """Return the mean of the time to recovery cut off at ``within_s``, and its variance (Greenwood)."""
    steps = [s for s in curve(times) if s.at_s < within_s]
    edges = [0.0, *(s.at_s for s in steps), within_s]
    shares = [1.0, *(s.share for s in steps)]
    areas = [share * (end - begin) for share, begin, end in zip(shares, edges[:-1], edges[1:], strict=True)]
    variance = 0.0
    for number, step in enumerate(steps, start=1):
        if step.events and step.at_risk > step.events:
            ahead = sum(areas[number:])
            variance += ahead**2 * step.events / (step.at_risk * (step.at_risk - step.events))
    return sum(areas), variance


def _p(earlier: Sequence[Exact], later: Sequence[Exact]) -> float:
    found = float(stats.logrank(_sample(earlier), _sample(later)).pvalue)
    return 1.0 if math.isnan(found) else found


def _change(p_value: float, low_s: float, high_s: float) -> Change:
    if p_value < ALPHA and low_s > 0:
        return Change.SLOWER
    if p_value < ALPHA and high_s < 0:
        return Change.FASTER
    return Change.NONE_SHOWN
