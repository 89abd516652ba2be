"""What the soak calls steady, on made-up courses of memory."""

import random

import pytest

from tests.truth.steadiness import MIB, Steadiness, quarters, trend


def course(
    per_hour: float, *, minutes: float = 30, warm_up: float = 0.0, noise: float = 0.3
) -> list[tuple[float, int]]:
    """Return samples every 5 s: 90 MiB, a slope, noise, and what is taken in the first quarter."""
    dice, last_s = random.Random(7), minutes * 60

    def size(at_s: float) -> float:
        return 90 + per_hour * at_s / 3600 + warm_up * min(1.0, 4 * at_s / last_s) + dice.gauss(0, noise)

    return [(at_s, round(size(at_s) * MIB)) for at_s in range(0, round(last_s), 5)]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (course(0), Steadiness.STEADY),
        (course(1), Steadiness.STEADY),
        (course(0, warm_up=20), Steadiness.STEADY),
        (course(-5), Steadiness.STEADY),
        (course(14), Steadiness.GROWING),
        (course(4.5, noise=3), Steadiness.UNCLEAR),
        (course(0, minutes=4), Steadiness.UNCLEAR),
    ],
    ids=["flat", "creeping", "after a warm-up", "shrinking", "leaking", "noisy near the limit", "short"],
)
def test_only_a_slope_that_is_surely_small_is_steady(
    samples: list[tuple[float, int]], expected: Steadiness
) -> None:
    assert trend(samples).steadiness is expected


def test_the_slope_and_its_interval_are_told_in_mebibytes_an_hour() -> None:
    found = trend(course(14))
    assert found.low <= 14 <= found.high
    assert found.high - found.low < 2
    assert "growing, 4.8 allowed" in str(found)


def test_a_minute_with_much_to_do_does_not_tilt_the_line() -> None:
    samples = [(at_s, size + 40 * MIB * (1500 <= at_s < 1620)) for at_s, size in course(0)]
    assert trend(samples).steadiness is Steadiness.STEADY


def test_the_quarters_are_medians() -> None:
    samples = [(float(n), size * MIB) for n, size in enumerate((1, 1, 9, 2, 2, 9, 3, 3, 9, 4, 4, 9))]
    assert quarters(samples) == (1, 2, 3, 4)
