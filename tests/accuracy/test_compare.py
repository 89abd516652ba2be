"""The comparing itself: it must be able to say no."""

from dataclasses import replace

import pytest

from tests.accuracy.compare import Measured, Truth, read, summarise, table

TRUTH = Truth(wished_s=2.0, down_s=100.0, down_wall_s=5000.0, up_s=102.0, signal=15)
GOOD = Measured(
    lane="1",
    truth=TRUTH,
    limit_s=60.0,
    injected_s=99.95,
    call_s=0.01,
    verdict="recovered",
    censored=False,
    bracket=(1.95, 2.2),
)
LATE = replace(GOOD, limit_s=1.0, verdict="not-recovered")
WRONG = replace(GOOD, bracket=(2.1, 2.3))


def missed(*measured: Measured, within: int, over: int = 0) -> str:
    return " ".join(summarise(measured, within=within, over=over).misses)


def test_the_recovery_time_counts_from_the_injecting_call() -> None:
    document = {
        "injection": {"injecting_took": 0.01},
        "recovery": {"after": [1.95, 2.2], "censored": False},
        "verdict": "recovered",
    }
    found = read(document, TRUTH, lane="1", limit_s=60.0, injected_wall_s=4999.95)
    assert (round(found.recovery_s, 6), round(found.lag_s, 6), found.length_s) == (2.05, 0.05, 2.0)
    assert found.inside


@pytest.mark.parametrize(
    ("change", "inside"),
    [
        ({"bracket": (2.05, 2.1)}, True),
        ({"bracket": (2.06, 2.1)}, False),
        ({"bracket": (1.9, 2.04)}, False),
        ({"bracket": None}, False),
        ({"injected_s": 100.1}, False),  # it died before chaosd struck: not this outage
        ({"truth": replace(TRUTH, signal=9)}, False),  # somebody else killed it
    ],
)
def test_inside_is_inside(change: dict, inside: bool) -> None:
    assert replace(GOOD, **change).inside is inside


def test_one_of_fifty_may_be_outside_and_two_may_not() -> None:
    assert missed(*[GOOD] * 49, WRONG, within=50) == ""
    assert "only 48 of 50" in missed(*[GOOD] * 48, WRONG, WRONG, within=50)


def test_wide_brackets_hold_everything_and_are_a_miss() -> None:
    wide = replace(GOOD, bracket=(0.0, 10.0))
    assert wide.inside
    assert "median error" in missed(wide, wide, GOOD, within=3)


def test_brackets_that_begin_long_before_the_outage_are_a_miss() -> None:
    early = replace(GOOD, injected_s=99.0, bracket=(2.9, 3.1))
    assert early.inside
    assert "begin too early" in missed(early, within=1)


def test_beyond_the_limit_only_recovered_is_wrong() -> None:
    censored = replace(LATE, verdict="undo-failed", censored=True, bracket=None)
    assert missed(GOOD, LATE, censored, within=1, over=2) == ""
    assert "called recovered" in missed(GOOD, replace(LATE, verdict="recovered"), within=1, over=1)


def test_outages_that_were_not_measured_are_a_miss() -> None:
    assert "2 outages and 1 over the limit were due, 1 and 0 measured" in missed(GOOD, within=2, over=1)
    assert missed(within=0) != ""


def test_the_table_lists_every_outage_and_marks_what_is_outside() -> None:
    lines = table([LATE, WRONG, GOOD]).splitlines()
    assert len(lines) == 4
    assert sum(" NO " in line for line in lines) == 1
    assert lines[-1].endswith("not-recovered (limit 1 s)")
