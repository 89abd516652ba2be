"""What all faults in the fault proxy have in common: one rule put into force, taken out again, and told of."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from daemon.core.errors import TargetAbsentError, UndoFailedError, UnreachableError
from daemon.core.model import Json, Outcome, Reversion, Undo
from daemon.core.proxying import Hits, Match, ProxyFacts, Rule
from daemon.core.seams import Flag, World

MARGIN_S = 60.0
"""How long after the planned end the proxy keeps a rule: whoever reverts late still reads what it did."""
PUT_S = 5.0  # what putting a rule into force takes at most, a busy proxy included


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How a rule was found when it was taken out; ``hits`` None: no running proxy knows what it did.

    ``on_disk``: its file was there. ``over``: its time was over, so the proxy had dropped it. ``anew``: the proxy
    was started anew since, and counts from then.
    """

    rule: Rule
    hits: Hits | None
    on_disk: bool
    over: bool
    anew: bool


def record(rule: Rule, facts: ProxyFacts) -> Mapping[str, Json]:
    """Return what an undo record has to hold of a rule and of the proxy it is for."""
    return {"rule": asdict(rule), "proxy_began_s": facts.began_s}


def recorded(undo: Undo) -> Rule:
    """Return the rule of a record, which may have been through JSON."""
    raw = dict(undo.data["rule"])
    match = dict(raw.pop("match"))
    return Rule(**raw, match=Match(**match | {"operations": tuple(match["operations"])}))


def put(undo: Undo, world: World, stop: Flag) -> None:
    """Put the rule into force, unless it is to be stopped already; it is when this returns."""
    if not stop.is_set():
        world.proxy.put(recorded(undo))


def take_out(undo: Undo, world: World) -> Found:
    """Take the rule out of force; raises UndoFailedError when the proxy does not let go of it. Idempotent."""
    rule = recorded(undo)
    on_disk, anew = _on_disk(rule, world), _anew(undo, world)
    try:
        hits = world.proxy.drop(rule.injection)
    except UnreachableError as error:
        raise UndoFailedError(
            f"not taken out: the rule of {rule.fault} {rule.injection} in the fault proxy: {error.message}",
            hint=f"the proxy drops it by itself at {clock(rule.until_s)}; or end the proxy, start it again "
            "and run `chaosd recover`",
        ) from error
    over = world.clock.instant().wall_s >= rule.until_s
    return Found(rule=rule, hits=hits, on_disk=on_disk, over=over, anew=anew)


def reversion(found: Found, said: Callable[[Rule, Hits], str]) -> Reversion:
    """Tell what became of a rule that is out now; ``said`` puts into words what it did."""
    rule, hits = found.rule, found.hits
    proof: dict[str, Json] = {"rule": rule.injection, "on_disk_before": found.on_disk, "on_disk_now": False}
    if hits is not None:
        proof |= {"matched": hits.matched, "hit": hits.calls, "tries": hits.tries}
        proof |= {"ways": dict(hits.ways)} if hits.ways else {}
        late = "; the proxy had dropped it by itself, its time was over" * found.over
        doubt = "the proxy was started anew meanwhile: what was hit before is not counted" * found.anew
        return Reversion(
            outcome=Outcome.RESTORED,
            proof=proof,
            detail=said(rule, hits) + late,
            doubt=doubt,
            idle=not hits.calls and not doubt,
        )
    if found.over:
        detail = "its time was over: the proxy had dropped it by itself, or ended before"
    elif found.on_disk:
        # A proxy that starts again finds no rule; one that is dead disturbs nobody, and forwards nothing either.
        detail = "the rule is out, and no proxy runs: what the worker sends through it goes nowhere"
    else:
        return Reversion(
            outcome=Outcome.UNTOUCHED,
            proof=proof,
            detail="there is no such rule",
            doubt="it was never put, or another undo took it out before and did not live to tell what it hit",
        )
    doubt = "what it hit is not known: the proxy that counted has ended"
    return Reversion(outcome=Outcome.RESTORED, proof=proof, detail=detail, doubt=doubt)


def clock(wall_s: float) -> str:
    """Return a time of the day for people."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%H:%M:%S UTC")


def _on_disk(rule: Rule, world: World) -> bool:
    try:
        return world.proxy.rule(rule.injection) is not None
    except UnreachableError:
        return True  # a file that cannot be used; dropping it is all that is asked


def _anew(undo: Undo, world: World) -> bool:
    """Tell whether another proxy runs than the one that was there when the fault was prepared."""
    try:
        return bool(world.proxy.facts().began_s != undo.data["proxy_began_s"])
    except (TargetAbsentError, UnreachableError):
        return False  # nobody counts: what comes of the dropping says so
