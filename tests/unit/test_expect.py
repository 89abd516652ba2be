"""The little language of expectations."""

import re
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as some

from daemon.core.expect import OPERATORS, Condition, judge, parse
from daemon.core.model import Status

KNOWN = {"visible": "", "dead_letter": ""}
NUMBERS = some.floats(allow_nan=False, allow_infinity=False)
CONDITIONS = some.builds(Condition, some.sampled_from(sorted(KNOWN)), some.sampled_from(sorted(OPERATORS)), NUMBERS)


@given(some.lists(CONDITIONS, min_size=1, max_size=4), some.sampled_from(["", " ", "  "]))
def test_what_is_written_is_what_is_read(conditions: list[Condition], gap: str) -> None:
    text = " and ".join(f"{gap}{c.measure}{gap}{c.comparison}{gap}{c.number!r}{gap}" for c in conditions)
    assert parse(text, KNOWN) == tuple(conditions)


@given(CONDITIONS, NUMBERS)
def test_a_condition_holds_exactly_when_python_says_so(condition: Condition, value: float) -> None:
    expected = eval(f"value {condition.comparison} condition.number")  # noqa: S307  the oracle
    status, findings = judge((condition,), {condition.measure: value})
    assert (status is Status.OK) == expected
    assert bool(findings) == (not expected)


@given(some.text().filter(str.strip) | some.text("visible<=>10 and").filter(str.strip))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expect: ") if not _readable(text) else nullcontext():
        assert all(c.measure in KNOWN for c in parse(text, KNOWN))


def _readable(text: str) -> bool:
    one = r"\s*(visible|dead_letter)\s*([<>]=?|[!=]=)\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
    return all(re.fullmatch(one, part) for part in re.split(r"\s+and\s+", text.strip()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("visible", "no condition"),
        ("visible <= ten", "no condition"),
        ("visible <= 1 or visible >= 2", "no condition"),
        ("visible <= 1 and", "no condition"),
        ("visble <= 1", "did you mean 'visible'"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text, KNOWN)


def test_what_was_not_measured_is_unknown_and_never_ok() -> None:
    status, findings = judge(parse("dead_letter == 0", KNOWN), {"visible": 1})
    assert status is Status.UNKNOWN
    assert [f.name for f in findings] == ["not-measured"]


def test_a_broken_condition_outweighs_one_not_measured() -> None:
    status, _ = judge(parse("dead_letter == 0 and visible < 1", KNOWN), {"visible": 1})
    assert status is Status.FAILING


def test_no_expectation_is_met() -> None:
    assert judge(parse("  ", KNOWN), {}) == (Status.OK, ())
