"""Delays: means and spreads of the six distributions, and their bounds."""

from random import Random
from statistics import mean, pstdev

import pytest

from daemon.proxy.delays import MOST_S, draw


def drawn(**parameters: object) -> list[float]:
    dice = Random(1)
    return [draw(parameters, dice) for _ in range(20_000)]


@pytest.mark.parametrize(
    ("distribution", "spread"),
    [
        ("constant", 0),
        ("uniform", 0.5 / 3**0.5),
        ("normal", 0.5),
        ("exponential", 2),
        ("lognormal", 0.5),
        ("pareto", 0.5),
    ],
)
def test_mean_and_spread_are_those_asked_for(distribution: str, spread: float) -> None:
    found = drawn(distribution=distribution, mean_s=2, spread_s=0.5)
    assert mean(found) == pytest.approx(2, rel=0.05)
    assert pstdev(found) == pytest.approx(spread, rel=0.15, abs=0.01)


@pytest.mark.parametrize("distribution", ["lognormal", "pareto"])
def test_the_skewed_ones_have_a_spread_of_their_own(distribution: str) -> None:
    found = drawn(distribution=distribution, mean_s=2)
    assert mean(found) == pytest.approx(2, rel=0.1)
    assert pstdev(found) > 1


def test_no_delay_is_negative_or_beyond_the_bound() -> None:
    found = drawn(distribution="normal", mean_s=1, spread_s=2, most_s=1.5)
    assert (min(found), max(found)) == (0.0, 1.5)
    assert draw({"mean_s": 1e9}, Random(1)) == MOST_S


@pytest.mark.parametrize("parameters", [{}, {"mean_s": -1}, {"mean_s": "x"}, {"mean_s": float("nan")}])
def test_what_makes_no_sense_is_no_delay(parameters: dict[str, object]) -> None:
    assert draw(parameters, Random(1)) == 0.0


def test_the_same_dice_wait_as_long() -> None:
    told = {"distribution": "exponential", "mean_s": 1}
    assert draw(told, Random(9)) == draw(told, Random(9)) != draw(told, Random(8))
