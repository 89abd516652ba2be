"""What a probe's numbers are expected to be: ``visible <= 100 and dead_letter == 0``."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from daemon.core.model import Finding, Status
from daemon.core.parameters import nearest

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"\s*([A-Za-z_]\w*)\s*(<=|>=|==|!=|<|>)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")
_AND = re.compile(r"\s+and\s+")


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a measure with a number."""

    measure: str
    comparison: str
    number: float

    def __str__(self) -> str:
        return f"{self.measure} {self.comparison} {self.number:g}"

    def holds(self, value: float) -> bool:
        return OPERATORS[self.comparison](value, self.number)


def parse(text: str, known: Mapping[str, str]) -> tuple[Condition, ...]:
    """Read conditions joined by ``and``; an empty text expects nothing.

    ``known`` are the probe's measures. Raises ValueError naming the part that cannot be read and the nearest
    measure.
    """
    if not text.strip():
        return ()
    return tuple(_condition(part, known) for part in _AND.split(text.strip()))


def judge(conditions: Sequence[Condition], measures: Mapping[str, float]) -> tuple[Status, tuple[Finding, ...]]:
    """Return FAILING with what is broken; else UNKNOWN when something expected was not measured; else OK."""
    broken = [c for c in conditions if c.measure in measures and not c.holds(measures[c.measure])]
    absent = [c for c in conditions if c.measure not in measures]
    findings = (
        *(Finding("unexpected", f"{c.measure} is {measures[c.measure]:g}, expected {c}") for c in broken),
        *(Finding("not-measured", f"expected {c}, and {c.measure} was not measured") for c in absent),
    )
    if broken:
        return Status.FAILING, findings
    return (Status.UNKNOWN if absent else Status.OK), findings


def _condition(part: str, known: Mapping[str, str]) -> Condition:
    found = _CONDITION.fullmatch(part)
    if found is None:
        raise ValueError(f"expect: {part!r} is no condition: write `measure <= number`, several joined by `and`")
    if found[1] not in known:
        raise ValueError(f"expect: unknown measure {found[1]!r}{nearest(found[1], known)}")
    return Condition(found[1], found[2], float(found[3]))
