"""The key figures of a run, measured or unknown: health, message time, switches, stash recovery, corruption."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from daemon.core.evidence import Standing
from daemon.core.invariants import Result
from daemon.core.ledger import Ledger, Part, Place
from daemon.core.target import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """One figure and its goal. ``value`` None is unknown, and ``met`` None is neither met nor missed."""

    name: str
    value: float | None
    unit: str
    goal: str
    met: bool | None
    note: str = ""


def kpis(ledger: Ledger, results: Sequence[Result], limits: Limits, *, healthy: bool | None) -> tuple[Kpi, ...]:
    """Return the figures in the order in which people read them. ``healthy`` is what ECS says at the end."""
    standings = {r.invariant: r.standing for r in results}
    return (
        Kpi(
            name="task HEALTHY", value=None if healthy is None else float(healthy), unit="", goal="yes", met=healthy
        ),
        *_messages(ledger, limits),
        _switches(ledger, limits, standings.get("branch-switch-fast")),
        _stashes(ledger),
        _corruption(ledger, results),
    )


def _messages(ledger: Ledger, limits: Limits) -> tuple[Kpi, ...]:
    took = [ledger.took_s(one)[1] for one in ledger.wanted()]
    known = [s for s in took if s is not None]
    goal, unseen = f"< {limits.message_s:g} s", len(took) - len(known)
    note = f"{unseen} of {len(took)} not seen at their last stage" if unseen else ""
    late = bool(known) and max(known) >= limits.message_s
    slowest = max(known) if known and (late or not unseen) else None
    met = None if slowest is None else not late
    return (
        Kpi(name="message, slowest", value=slowest, unit="s", goal=goal, met=met, note=note),
        Kpi(name="message, median", value=median(known) if known else None, unit="s", goal="", met=None, note=note),
    )


def _switches(ledger: Ledger, limits: Limits, standing: Standing | None) -> Kpi:
    """Return the slowest change of branch as far as it is bounded: at most that, waiting included."""
    seen = [s.most_s for s in ledger.switches]
    met = {Standing.HELD: True, Standing.VIOLATED: False}.get(standing) if standing and seen else None
    return Kpi(
        name="branch switch",
        value=max(seen) if seen and met is not None else None,
        unit="s",
        goal=f"< {limits.branch_switch_s:g} s",
        met=met,
        note=f"upper bound over {len(seen)} switches" if seen else "no switch was seen",
    )


def _stashes(ledger: Ledger) -> Kpi:
    """Return the share of instructions that no stash or dangling commit kept from their branch."""
    wanted = list(ledger.wanted())
    if not wanted or {Part.CLONES, Part.REMOTE} & ({*ledger.blind} | ledger.absent):
        return Kpi(name="stash recovery", value=None, unit="%", goal="100 %", met=None)
    places = (Place.STASH, Place.DANGLING)
    left = sum(
        any(s.place in places for s in ledger.kept_back(o.token)) for o in wanted if not ledger.published(o.token)
    )
    share = 100.0 * (len(wanted) - left) / len(wanted)
    return Kpi(name="stash recovery", value=share, unit="%", goal="100 %", met=not left)


def _corruption(ledger: Ledger, results: Sequence[Result]) -> Kpi:
    checked = [r for r in results if r.invariant in ("repository-sound", "no-conflict-markers")]
    unseen = not checked or any(r.standing is Standing.UNKNOWN for r in checked) or Part.CLONES in ledger.blind
    count = sum(len(r.evidence) for r in checked)
    value = None if unseen and not count else float(count)
    return Kpi(name="corruption", value=value, unit="", goal="0", met=None if value is None else value == 0)
