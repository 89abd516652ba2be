"""The estimates against distributions whose truth is known. Every draw is seeded: no test is lucky or unlucky."""

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.model import Bracket
from daemon.core.statistics import RecoveryTime
from daemon.faces.report.statistics import Change, Known, compare, lower, quantiles, upper

TRIALS = 200
LEAST = 0.92  # of TRIALS: a true coverage of 95 % falls below this once in 40 seeds


def drawn(dice: Random, draw: Callable[[Random], float], *, runs: int, limit_s: float) -> list[RecoveryTime]:
    """Return runs as chaosd would know them: a bracket of 250 ms, or censored at the limit."""
    return [known(draw(dice), limit_s) for _ in range(runs)]


def known(true_s: float, limit_s: float) -> RecoveryTime:
    lo_s = true_s // 0.25 * 0.25
    return RecoveryTime(limit_s, None) if true_s > limit_s else RecoveryTime(lo_s, lo_s + 0.25)


def exponential(mean_s: float) -> Callable[[Random], float]:
    return lambda dice: dice.expovariate(1 / mean_s)


DISTRIBUTIONS = [
    (exponential(10.0), lambda p: -10 * math.log(1 - p)),
    (lambda dice: dice.uniform(2, 12), lambda p: 2 + 10 * p),
    (lambda dice: dice.weibullvariate(8, 2), lambda p: 8 * math.sqrt(-math.log(1 - p))),
]


@pytest.mark.parametrize(("draw", "truth"), DISTRIBUTIONS, ids=["exponential", "uniform", "weibull"])
@pytest.mark.parametrize("limit_s", [1000.0, 9.0], ids=["complete", "censored"])
def test_the_confidence_interval_covers_the_true_quantile(
    draw: Callable[[Random], float], truth: Callable[[float], float], limit_s: float
) -> None:
    dice, covered = Random(20260601), {0.5: 0, 0.95: 0}
    for _ in range(TRIALS):
        for found in quantiles(drawn(dice, draw, runs=60, limit_s=limit_s))[:2]:
            low_s = -math.inf if found.low_s is None else found.low_s
            high_s = math.inf if found.high_s is None else found.high_s
            covered[found.p] += low_s <= truth(found.p) <= high_s
    assert min(covered.values()) >= LEAST * TRIALS


def test_with_many_runs_the_estimate_is_near_the_truth_and_the_interval_closes() -> None:
    found = quantiles(drawn(Random(7), exponential(10.0), runs=2000, limit_s=1000.0))
    for one in found:
        assert one.value is not None
        assert one.value.lo_s == pytest.approx(-10 * math.log(1 - one.p), rel=0.15)
        assert one.high_s is not None


def test_the_censored_are_not_counted_at_their_limit() -> None:
    """Half the runs are cut off at 6 s: dropping them or counting them at 6 s would pull the median far down."""
    found = quantiles(drawn(Random(5), exponential(10.0), runs=400, limit_s=6.0))[0]
    assert (found.known, found.value) == (Known.BEYOND, None)
    assert found.beyond_s is not None
    assert found.beyond_s == pytest.approx(6.0)
    assert found.low_s is None or found.low_s > 5.5


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0.001, 5)), min_size=20, max_size=60), st.randoms())
def test_the_estimate_of_the_exact_times_lies_between_those_of_the_brackets(
    spans: list[tuple[float, float]], dice: Random
) -> None:
    times = [RecoveryTime(lo, lo + width) for lo, width in spans]
    exact = sorted(dice.uniform(t.lo_s, t.hi_s or 0) for t in times)
    for found in quantiles(times)[:2]:
        assert found.value is not None
        truth = exact[math.ceil(found.p * len(exact) - 1e-9) - 1]
        assert found.value.lo_s <= truth <= found.value.hi_s


@given(st.lists(st.floats(0, 600), max_size=40))
def test_a_history_of_only_censored_runs_never_gives_a_number(limits: list[float]) -> None:
    for found in quantiles([RecoveryTime(limit_s, None) for limit_s in limits]):
        assert found.value is None
        assert found.high_s is None
        assert found.known in {Known.BEYOND, Known.TOO_FEW}


def test_too_few_runs_give_no_quantile() -> None:
    found = quantiles([RecoveryTime(1, 2)] * 19)
    assert [(q.known, q.needed) for q in found] == [
        (Known.ESTIMATED, 5),
        (Known.TOO_FEW, 20),
        (Known.TOO_FEW, 100),
    ]
    assert found[0].value == Bracket(1, 2)
    assert quantiles([])[0].known is Known.TOO_FEW


def test_brackets_enter_by_both_ends_and_the_censored_by_their_own() -> None:
    times = [RecoveryTime(1, 2), RecoveryTime(5, None)]
    assert (lower(times), upper(times)) == ([(1, False), (5, True)], [(2, False), (5, True)])


def test_equal_periods_are_rarely_called_different() -> None:
    dice, wrong = Random(3), 0
    for _ in range(TRIALS):
        earlier, later = (drawn(dice, exponential(10.0), runs=30, limit_s=40.0) for _ in range(2))
        wrong += compare(earlier, later).change is not Change.NONE_SHOWN
    assert wrong <= 0.08 * TRIALS


def test_a_slower_period_is_found_with_its_effect() -> None:
    dice, found, covered = Random(4), 0, 0
    for _ in range(TRIALS):
        earlier, later = (drawn(dice, exponential(m), runs=60, limit_s=40.0) for m in (5.0, 12.0))
        shown = compare(earlier, later)
        found += shown.change is Change.SLOWER
        assert shown.within_s is not None
        assert shown.low_s is not None
        assert shown.high_s is not None
        truth = restricted(12.0, shown.within_s) - restricted(5.0, shown.within_s)
        covered += shown.low_s <= truth <= shown.high_s
    assert found >= 0.9 * TRIALS
    assert covered >= LEAST * TRIALS


def restricted(mean_s: float, within_s: float) -> float:
    return mean_s * (1 - math.exp(-within_s / mean_s))


def test_a_period_whose_runs_were_all_over_before_the_other_s_began_to_recover_is_compared_to_the_end() -> None:
    shown = compare([RecoveryTime(1, 1.25)] * 12, [RecoveryTime(6, 6.25)] * 12)
    assert (shown.change, shown.within_s, shown.difference_s) == (Change.SLOWER, 6.25, 5.0)


def test_a_faster_period_is_not_called_slower() -> None:
    dice = Random(6)
    earlier, later = (drawn(dice, exponential(m), runs=80, limit_s=60.0) for m in (15.0, 4.0))
    shown = compare(earlier, later)
    assert shown.change is Change.FASTER
    assert shown.difference_s is not None
    assert shown.difference_s < 0


def test_a_difference_that_may_lie_within_the_brackets_is_not_significant_at_worst() -> None:
    shown = compare([RecoveryTime(1, 3)] * 20, [RecoveryTime(2, 4)] * 20)
    assert shown.p_value is not None
    assert shown.p_value < 0.05
    assert shown.p_worst == 1.0


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ([], [RecoveryTime(1, 2)] * 9),
        ([RecoveryTime(1, 2)] * 4, [RecoveryTime(1, 2)] * 9),
        ([RecoveryTime(1, None)] * 9, [RecoveryTime(2, None)] * 9),
        ([RecoveryTime(0, 0)] * 9, [RecoveryTime(0, 0)] * 9),
    ],
    ids=["none", "four", "only censored", "all at once"],
)
def test_too_few_runs_are_not_compared(earlier: list[RecoveryTime], later: list[RecoveryTime]) -> None:
    shown = compare(earlier, later)
    assert (shown.change, shown.p_value, shown.difference_s) == (Change.TOO_FEW, None, None)


def test_a_curve_that_only_the_censored_fill_compares_without_an_error() -> None:
    shown = compare([RecoveryTime(1, 2)] * 9, [RecoveryTime(5, None)] * 9)
    assert shown.change in {Change.SLOWER, Change.NONE_SHOWN}
