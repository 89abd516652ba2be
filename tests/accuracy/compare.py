"""chaosd's brackets against the known truth. Pure.

What chaosd brackets is the *recovery time*: from the beginning of the injecting call (``injected_at`` in its
answer) to the first moment from which the system answers again. So the truth it is held to is ``up - injected``.
The length of the outage itself, ``up - down``, is shorter by what lies between call and death (``lag_s``: looking
the process up again, the signal, the kernel's clearing away, the party's noticing); it is listed beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

INSIDE_LEAST = 0.98
ERROR_MOST_S = 0.25
RESOLUTION_S = 0.002  # chaosd prints brackets and ``injected_at`` in milliseconds; each may be off by one


@dataclass(frozen=True, kw_only=True)
class Truth:
    """One outage as its party saw it (see party.py)."""

    wished_s: float
    down_s: float
    down_wall_s: float
    up_s: float
    signal: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One outage: the truth and what chaosd made of it.

    ``injected_s`` is the beginning of the injecting call on the party's monotonic clock, ``call_s`` what it took.
    """

    lane: str
    truth: Truth
    limit_s: float
    injected_s: float
    call_s: float
    verdict: str
    censored: bool
    bracket: tuple[float, float] | None

    @property
    def length_s(self) -> float:
        return self.truth.up_s - self.truth.down_s

    @property
    def lag_s(self) -> float:
        return self.truth.down_s - self.injected_s

    @property
    def recovery_s(self) -> float:
        return self.truth.up_s - self.injected_s

    @property
    def sound(self) -> bool:
        """The call began before the death it caused, and SIGTERM caused it: the right outage is compared."""
        return self.lag_s >= -RESOLUTION_S and self.truth.signal == 15

    @property
    def inside(self) -> bool:
        return self.sound and self._holds(self.recovery_s)

    @property
    def length_inside(self) -> bool:
        return self._holds(self.length_s)

    @property
    def error_s(self) -> float | None:
        return None if self.bracket is None else abs(sum(self.bracket) / 2 - self.recovery_s)

    @property
    def over(self) -> bool:
        """The outage was longer than the target's limit: it must not be called recovered."""
        return self.length_s > self.limit_s

    def _holds(self, seconds: float) -> bool:
        if self.bracket is None:
            return False
        return self.bracket[0] - RESOLUTION_S <= seconds <= self.bracket[1] + RESOLUTION_S


@dataclass(frozen=True, kw_only=True)
class Summary:
    """``misses``: what keeps the criteria from being met, a sentence each."""

    lines: tuple[str, ...]
    misses: tuple[str, ...]


def read(
    document: Mapping[str, Any], truth: Truth, *, lane: str, limit_s: float, injected_wall_s: float
) -> Measured:
    """Compare one answer of ``chaosd inject`` with the truth."""
    after = document["recovery"]["after"]
    return Measured(
        lane=lane,
        truth=truth,
        limit_s=limit_s,
        # The wall clock carries it over only the milliseconds between call and death.
        injected_s=truth.down_s - (truth.down_wall_s - injected_wall_s),
        call_s=document["injection"]["injecting_took"],
        verdict=document["verdict"],
        censored=document["recovery"]["censored"],
        bracket=None if after is None else (after[0], after[1]),
    )


def summarise(measured: Sequence[Measured], *, within: int, over: int) -> Summary:
    """Judge a whole run; ``within`` and ``over`` say how many outages of each kind were due."""
    inner, outer = [m for m in measured if not m.over], [m for m in measured if m.over]
    inside = [m for m in inner if m.inside]
    lags, calls = [m.lag_s for m in inner], [m.call_s for m in inner]
    errors = [m.error_s for m in inner if m.error_s is not None]
    wrong = [m for m in outer if m.verdict == "recovered"]
    error_s = median(errors) if errors else float("inf")
    share = len(inside) / len(inner) if inner else 0.0
    misses = []
    if (len(inner), len(outer)) != (within, over):
        misses.append(
            f"{within} outages and {over} over the limit were due, {len(inner)} and {len(outer)} measured"
        )
    if share < INSIDE_LEAST:
        misses.append(f"only {len(inside)} of {len(inner)} in their bracket, at least {INSIDE_LEAST:.0%} must be")
    if error_s >= ERROR_MOST_S:
        misses.append(f"median error {error_s * 1000:.0f} ms, must be below {ERROR_MOST_S * 1000:.0f} ms")
    if lags and median(lags) >= ERROR_MOST_S:
        misses.append(f"median {median(lags) * 1000:.0f} ms from call to death: the brackets begin too early")
    misses += [f"{m.lane}: {m.length_s:.1f} s, limit {m.limit_s:g} s, called recovered" for m in wrong]
    widths = [m.bracket[1] - m.bracket[0] for m in inner if m.bracket]
    censored, late = sum(m.censored for m in outer), sum(m.verdict == "not-recovered" for m in outer)
    return Summary(
        lines=(
            f"recovery time in its bracket: {len(inside)} of {len(inner)} ({share:.1%})",
            f"median absolute error of the midpoint: {error_s * 1000:.0f} ms",
            f"width of the brackets: {_spread(widths)}",
            f"from call to death: {_spread(lags)}; of it the injecting call itself: {_spread(calls)}",
            f"for comparison, outage alone in that bracket: {sum(m.length_inside for m in inner)} of {len(inner)}",
            f"over the limit: {len(outer)}; called recovered {len(wrong)}, censored {censored}, late {late}",
        ),
        misses=tuple(misses),
    )


def table(measured: Sequence[Measured]) -> str:
    """List every outage, shortest first, those over their limit last."""
    head = ("lane", "outage", "lag", "recovery", "bracket", "inside", "error", "verdict")
    ordered = sorted(measured, key=lambda m: (m.over, m.recovery_s))
    return "\n".join(_LINE.format(*cells) for cells in (head, *map(_cells, ordered)))


_LINE = "{:<6}{:>8}{:>8}{:>10}   {:<18}{:<8}{:>7}  {}"


def _cells(m: Measured) -> tuple[str, ...]:
    span = "-" if m.bracket is None else f"[{m.bracket[0]:.3f}, {m.bracket[1]:.3f}]"
    inside = "-" if m.bracket is None and m.over else ("yes" if m.inside else "NO")
    error = "-" if m.error_s is None else f"{m.error_s:.3f}"
    verdict = m.verdict + (", censored" if m.censored else "") + (f" (limit {m.limit_s:g} s)" if m.over else "")
    return m.lane, f"{m.length_s:.3f}", f"{m.lag_s:.3f}", f"{m.recovery_s:.3f}", span, inside, error, verdict


def _spread(seconds: Sequence[float]) -> str:
    return f"median {median(seconds) * 1000:.0f} ms, most {max(seconds) * 1000:.0f} ms" if seconds else "-"
