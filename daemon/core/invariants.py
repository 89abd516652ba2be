"""The safety properties of DESIGN §4 in one table, how they are judged, and whom a violation is blamed on.

Order: held < unknown < violated. What could not be seen is unknown, and so is a check that crashes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from daemon.core import handling, publication
from daemon.core.evidence import SEVERITY, Evidence, Finding, Standing, unknown
from daemon.core.ledger import Ledger, Part
from daemon.core.target import Limits

Check = Callable[[Ledger, Limits], Finding]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One property. ``needs`` are the parts it cannot be told without; ``objective`` marks the two limits."""

    check: Check
    summary: str
    needs: frozenset[Part]
    objective: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one invariant stands in one run."""

    invariant: str
    standing: Standing
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()


_REMOTE, _CLONES = frozenset({Part.REMOTE}), frozenset({Part.CLONES})
_PER_MESSAGE: tuple[Check, ...] = (
    publication.no_lost_instruction,
    publication.exactly_once,
    publication.right_branch,
    publication.no_conflict_markers,
)

INVARIANTS: Mapping[str, Invariant] = {
    "no-lost-instruction": Invariant(
        publication.no_lost_instruction, "what was acknowledged or deleted is on a branch of the remote", _REMOTE
    ),
    "exactly-once": Invariant(publication.exactly_once, "no effect is there more than once", _REMOTE),
    "right-branch": Invariant(
        publication.right_branch, "every effect is on its own thread's branch, and on no other", _REMOTE
    ),
    "all-pushed": Invariant(publication.all_pushed, "no local branch is ahead of the remote", _REMOTE | _CLONES),
    "no-stash-left": Invariant(
        publication.no_stash_left, "no stash or dangling commit holds what no branch has", _REMOTE | _CLONES
    ),
    "no-conflict-markers": Invariant(
        publication.no_conflict_markers, "no published file holds conflict markers", _REMOTE
    ),
    "repository-sound": Invariant(
        publication.repository_sound, "no stale lock, open operation, detached HEAD or broken object", _CLONES
    ),
    "deployment-fresh": Invariant(
        handling.deployment_fresh,
        "the deployment shows the last handled commit of its branch",
        _REMOTE | {Part.DEPLOYMENT},
    ),
    "queue-drained": Invariant(
        handling.queue_drained, "nothing is left in the queue, nothing good is dead", frozenset({Part.QUEUE})
    ),
    "honest-response": Invariant(
        handling.honest_response(_PER_MESSAGE),
        "nothing was answered as success that is not so",
        _REMOTE | {Part.RESPONSES},
    ),
    "branch-switch-fast": Invariant(
        handling.branch_switch_fast, "a change of branch stays within the limit", _CLONES, objective=True
    ),
    "message-fast": Invariant(handling.message_fast, "a message stays within the limit", _REMOTE, objective=True),
}


def judge(
    ledger: Ledger,
    limits: Limits,
    *,
    without: Collection[str] = (),
    table: Mapping[str, Invariant] = INVARIANTS,
) -> tuple[Result, ...]:
    """Check every invariant that applies to the target, in the table's order. Pure, and never raises.

    What the target does not have (``ledger.absent``) makes an invariant inapplicable: it is left out, and
    ``inapplicable`` names it.
    """
    skipped = {*without, *inapplicable(ledger)}
    return tuple(_result(name, one, ledger, limits) for name, one in table.items() if name not in skipped)


def inapplicable(ledger: Ledger) -> Mapping[str, str]:
    """Return the invariants that the target has no part for, each with why."""
    missing = {name: sorted(one.needs & ledger.absent) for name, one in INVARIANTS.items()}
    return {name: f"the target has no {parts[0]}" for name, parts in missing.items() if parts}


def _result(name: str, one: Invariant, ledger: Ledger, limits: Limits) -> Result:
    unseen = [f"{part}: {why}" for part, why in sorted(ledger.blind.items()) if part in one.needs]
    if unseen:
        found = unknown("; ".join(unseen))
    else:
        try:
            found = one.check(ledger, limits)
        except Exception as error:  # noqa: BLE001  a crashing check is unknown, never held
            found = unknown(f"the check crashed: {type(error).__name__}: {error}")
    return Result(invariant=name, standing=found.standing, reason=found.reason, evidence=found.evidence)


def worst(standings: Sequence[Standing]) -> Standing:
    """Return the most severe; UNKNOWN when there is none: nothing was checked."""
    return max(standings, key=SEVERITY.index) if standings else Standing.UNKNOWN


def merge(one: Result, other: Result) -> Result:
    """Return both looks at one invariant as one: the more severe, with all the evidence.

    Raises ValueError for two different invariants.
    """
    if one.invariant != other.invariant:
        raise ValueError(f"{one.invariant} and {other.invariant} are not the same invariant")
    standing = worst((one.standing, other.standing))
    reason = next((r.reason for r in (one, other) if r.standing is standing), "")
    evidence = (*one.evidence, *(e for e in other.evidence if e not in one.evidence))
    return Result(invariant=one.invariant, standing=standing, reason=reason, evidence=evidence)


@dataclass(frozen=True, slots=True)
class Blame:
    """A run's results with what is not its fault taken out; ``baseline`` are those defects, once each."""

    results: tuple[Result, ...]
    baseline: tuple[Result, ...]


def blame(baseline: Sequence[Result], run: Sequence[Result]) -> Blame:
    """Subtract from a run what the same workload shows without any fault.

    The same kind of evidence for the same invariant is the baseline's. What the baseline could not tell is
    not subtracted: nobody knows that it was broken before.
    """
    defects = {r.invariant: r for r in baseline if r.standing is Standing.VIOLATED}
    left = tuple(_without(r, defects[r.invariant]) if r.invariant in defects else r for r in run)
    return Blame(left, tuple(defects.values()))


def _without(result: Result, defect: Result) -> Result:
    known = {e.what for e in defect.evidence}
    fresh = tuple(e for e in result.evidence if e.what not in known)
    if result.standing is not Standing.VIOLATED:
        return result
    if fresh:
        return replace(result, evidence=fresh, reason=fresh[0].detail)
    # The fault may have broken it too; behind the baseline's defect that cannot be seen.
    return replace(
        result, standing=Standing.UNKNOWN, evidence=(), reason=f"broken without a fault already: {defect.reason}"
    )
