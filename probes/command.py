"""What a command of the operator's says: by its exit status, or by the numbers it prints."""

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import UnreachableError
from daemon.core.expect import Condition, judge, parse
from daemon.core.model import Finding, Reading, Status
from daemon.core.parameters import parameter
from daemon.core.seams import Completed, World
from daemon.core.target import Target

_NUMBERS_MOST = 50
_SAID_MOST = 200


class _Any(dict[str, str]):
    """The measures one may expect of a command that prints JSON: whatever it prints."""

    def __contains__(self, name: object) -> bool:
        return True


@dataclass(slots=True, kw_only=True)
class Command:
    """Runs a command without a shell; it must change nothing, since it runs as often as the probe looks.

    A non-zero exit is FAILING. With ``format: json`` it prints one object of numbers, which become measures.
    What does not end in time, cannot start, or prints something else is UNKNOWN. The command gets a small
    environment without chaosd's credentials; start it with ``env NAME=VALUE ...`` to give it more.
    """

    name: ClassVar[str] = "command"
    summary: ClassVar[str] = "Runs a command and judges its exit status, or the numbers it prints as JSON"
    calls: ClassVar[tuple[Call, ...]] = NONE
    measures: ClassVar[Mapping[str, str]] = {
        "exit_code": "the command's; negative when a signal ended it",
        "duration_seconds": "how long it ran",
        "*": "with format json, every number in the object it prints",
    }

    run: str = parameter("", "the command and its arguments, quoted as for a shell, run without one")
    timeout: float = parameter(10.0, "when it is killed", unit="s")
    format: str = parameter("exit", "what it says", choices=("exit", "json"))
    expect: str = parameter("", "what must hold of the numbers, e.g. `depth <= 100`")
    _conditions: tuple[Condition, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not shlex.split(self.run):
            raise ValueError("run: the command is empty")
        known = _Any() if self.format == "json" else {k: v for k, v in self.measures.items() if k != "*"}
        self._conditions = parse(self.expect, known)

    def observe(self, target: Target, world: World) -> Reading:  # noqa: ARG002  the command says it all
        began_s = world.clock.instant().mono_s
        end = world.commands.run(shlex.split(self.run), timeout_s=self.timeout)
        own = {"exit_code": float(end.code), "duration_seconds": world.clock.instant().mono_s - began_s}
        if end.code != 0:
            failed = Finding("exit", f"exit status {end.code}: {_last_line(end)}")
            return Reading(status=Status.FAILING, measures=own, findings=(failed,))
        measures = own | (_numbers(end.out) if self.format == "json" else {})
        status, findings = judge(self._conditions, measures)
        return Reading(status=status, measures=measures, findings=findings)


def _last_line(end: Completed) -> str:
    lines = [line for line in (end.err.strip() or end.out.strip()).splitlines() if line.strip()]
    return lines[-1][:_SAID_MOST] if lines else "it said nothing"


def _numbers(text: str) -> dict[str, float]:
    """Return the object's numbers; raises UnreachableError, which reads as UNKNOWN, for anything else."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreachableError(f"not measured: the command printed no JSON: {error}") from None
    if not isinstance(said, dict) or len(said) > _NUMBERS_MOST:
        raise UnreachableError(f"not measured: the command printed no object of at most {_NUMBERS_MOST} numbers")
    wrong = [name for name, value in said.items() if not _is_number(value)]
    if wrong:
        raise UnreachableError(f"not measured: {', '.join(wrong[:5])} of what the command printed is no number")
    return {name: float(value) for name, value in said.items()}


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False
