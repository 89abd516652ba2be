"""Numbers and durations that people give: what has no end, or no value, is refused where it is read."""

import dataclasses
import math
import re

import pytest

from daemon.core.errors import ConfigError
from daemon.core.parameters import YEAR_S, TooLongError, build, duration, parameter, rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plugin:
    grace: float = parameter(1.0, "a time without a limit of its own", unit="s")
    rate: float = parameter(1.0, "how often", unit="1/s")
    percent: float = parameter(1.0, "with limits", least=0, most=100)
    share: float = parameter(1.0, "without limits")


@pytest.mark.parametrize("given", ["366d", "366d0s", YEAR_S, float(YEAR_S)])
def test_a_duration_may_be_a_year(given: object) -> None:
    assert duration(given) == YEAR_S


@pytest.mark.parametrize("given", ["366d1s", "10000000d", "99999999999999h", YEAR_S + 1, 1e30])
def test_a_duration_of_more_than_a_year_is_refused(given: object) -> None:
    with pytest.raises(TooLongError, match=rf"^{re.escape(repr(given))} is no duration: more than a year$"):
        duration(given)


def test_who_looks_back_may_look_further() -> None:
    assert duration("3660d", years=10) == 10 * YEAR_S
    with pytest.raises(TooLongError, match="more than 10 years"):
        duration("3661d", years=10)


@pytest.mark.parametrize("read", [duration, rate])
@pytest.mark.parametrize("given", [math.nan, math.inf, -1, f"{10**400}s", 10**400, -(10**400)])
def test_a_duration_and_a_rate_are_finite_and_not_negative(read: object, given: object) -> None:
    with pytest.raises(ValueError, match=r"is no (duration|rate)"):
        read(given)  # type: ignore[operator]


@pytest.mark.parametrize("given", ["nan", "NaN", "inf", "-inf", "Infinity", "1e999", math.nan, math.inf])
@pytest.mark.parametrize("name", ["percent", "share", "grace", "rate"])
def test_no_parameter_takes_what_is_not_finite(name: str, given: object) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Plugin, {name: given}, where="here")
    (told,) = caught.value.problems
    assert told.startswith(f"{name}: {given!r} is no ")


def test_a_parameter_that_is_a_time_has_the_limit_of_all_times() -> None:
    with pytest.raises(ConfigError, match="grace: '99999999999h' is no duration: more than a year"):
        build(Plugin, {"grace": "99999999999h"}, where="here")
