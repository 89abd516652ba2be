"""When the fault was felt and when the system was well again, each as a bracket between two samples.

A sample is known only to have been taken between asking and answering, so an edge lies between the asking of
the last sample before it and the answering of the first sample after it. UNKNOWN samples move neither edge:
they widen the bracket.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daemon.core.model import Bracket, Observation, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """What the samples tell. ``blind``: probes without one conclusive sample after the injection.

    ``impact`` is None when no probe was seen failing; ``recovered`` is None when not all probes were steady
    for ``stable_s`` at the end. ``recovered_mono_s`` is the answering of the first steady sample, on the
    monotonic clock.
    """

    impact: Bracket | None
    recovered: Bracket | None
    recovered_mono_s: float | None
    blind: tuple[str, ...]
    doubtful: tuple[str, ...]


def edges(samples: Mapping[str, Sequence[Observation]], *, injected_s: float, stable_s: float) -> Edges:
    """Find impact and recovery over all steady-state probes.

    ``samples`` maps each probe to its observations in order; ``injected_s`` is when the injecting call began
    (monotonic seconds): a burst or a stop acts from its first moment on. A system is
    recovered only when every probe is OK and has stayed OK for ``stable_s``; the last of them decides.
    """
    after = {name: _after(seen, injected_s) for name, seen in samples.items()}
    blind = tuple(n for n, s in after.items() if not any(o.status is not Status.UNKNOWN for o in s))
    doubtful = tuple(n for n, s in after.items() if any(o.status is Status.UNKNOWN for o in s))
    impacts = [b for n in samples if (b := _impact(samples[n], injected_s)) is not None]
    impact = min(impacts, key=lambda b: b.hi_s) if impacts else None
    returns = [_return(seen, injected_s, stable_s) for seen in after.values()]
    if impact is None or blind or any(r is None for r in returns):
        return Edges(
            impact=_since(impact, injected_s), recovered=None, recovered_mono_s=None, blind=blind, doubtful=doubtful
        )
    known = [r for r in returns if r is not None]
    recovered = Bracket(max(r.lo_s for r in known), max(r.hi_s for r in known))
    return Edges(
        impact=_since(impact, injected_s),
        recovered=_since(recovered, injected_s),
        recovered_mono_s=recovered.hi_s,
        blind=blind,
        doubtful=doubtful,
    )


def _after(seen: Sequence[Observation], injected_s: float) -> tuple[Observation, ...]:
    return tuple(o for o in seen if o.answered.mono_s > injected_s)


def _impact(seen: Sequence[Observation], injected_s: float) -> Bracket | None:
    last_ok = injected_s
    for sample in seen:
        if sample.answered.mono_s <= injected_s:
            continue
        if sample.status is Status.FAILING:
            return Bracket(last_ok, sample.answered.mono_s)
        if sample.status is Status.OK:
            last_ok = max(last_ok, sample.asked.mono_s)
    return None


def _return(after: Sequence[Observation], injected_s: float, stable_s: float) -> Bracket | None:
    """Return the bracket of this probe's last return to OK; (called, called) when it never left."""
    last_bad, first_good, end = injected_s, None, injected_s
    for sample in after:
        end = sample.answered.mono_s
        if sample.status is Status.OK:
            first_good = end if first_good is None else first_good
            continue
        first_good = None
        if sample.status is Status.FAILING:
            last_bad = sample.asked.mono_s
    if first_good is None:
        return None
    if all(o.status is Status.OK for o in after):
        return Bracket(injected_s, injected_s)
    return Bracket(last_bad, first_good) if end - first_good >= stable_s else None


def _since(bracket: Bracket | None, injected_s: float) -> Bracket | None:
    if bracket is None:
        return None
    return Bracket(max(0.0, bracket.lo_s - injected_s), max(0.0, bracket.hi_s - injected_s))
