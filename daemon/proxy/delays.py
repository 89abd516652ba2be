"""How long a call is held up: six distributions by their mean and spread. Pure."""

import math
from collections.abc import Callable, Mapping
from random import Random

from daemon.core.model import Json

MOST_S = 900.0  # no call is held longer, whatever the dice say
_Draw = Callable[[Random, float, float], float]


def draw(parameters: Mapping[str, Json], dice: Random) -> float:
    """Return a delay in seconds, 0 to ``most_s``.

    ``mean_s`` is the mean; ``spread_s`` the standard deviation (normal, lognormal, pareto; for the last two 0 means
    as much as the mean) or half the width (uniform). A name that is not known is constant.
    """
    mean_s, spread_s = _number(parameters, "mean_s", 0.0), _number(parameters, "spread_s", 0.0)
    most_s = _number(parameters, "most_s", MOST_S) or MOST_S
    if mean_s <= 0:
        return 0.0
    drawn_s = _DRAWS.get(str(parameters.get("distribution", "constant")), _constant)(dice, mean_s, spread_s)
    return min(max(0.0, drawn_s), most_s, MOST_S)


def _number(parameters: Mapping[str, Json], name: str, otherwise: float) -> float:
    value = parameters.get(name, otherwise)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else otherwise


def _constant(_: Random, mean_s: float, __: float) -> float:
    return mean_s


def _uniform(dice: Random, mean_s: float, spread_s: float) -> float:
    return dice.uniform(mean_s - spread_s, mean_s + spread_s)


def _normal(dice: Random, mean_s: float, spread_s: float) -> float:
    return dice.gauss(mean_s, spread_s)


def _exponential(dice: Random, mean_s: float, _: float) -> float:
    return dice.expovariate(1 / mean_s)


def _lognormal(dice: Random, mean_s: float, spread_s: float) -> float:
    variance = math.log1p(((spread_s or mean_s) / mean_s) ** 2)
    return dice.lognormvariate(math.log(mean_s) - variance / 2, math.sqrt(variance))


def _pareto(dice: Random, mean_s: float, spread_s: float) -> float:
    """Return a value of the heavy-tailed distribution; its shape follows from spread over mean."""
    shape = 1 + math.sqrt(1 + (mean_s / (spread_s or mean_s)) ** 2)
    return mean_s * (shape - 1) / shape * dice.paretovariate(shape)


_DRAWS: Mapping[str, _Draw] = {
    "constant": _constant,
    "uniform": _uniform,
    "normal": _normal,
    "exponential": _exponential,
    "lognormal": _lognormal,
    "pareto": _pareto,
}
