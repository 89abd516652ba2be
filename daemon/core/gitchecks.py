"""The checks of the git scenarios, in one table: pure functions of what was seen after each message."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from daemon.core import publication
from daemon.core.evidence import Evidence, Finding, Standing, found, of_message, search, unknown
from daemon.core.gitcases import UNFINISHED, Checked, GitScenario, Work
from daemon.core.gittable import SWITCH_MOST_S
from daemon.core.gitwork import (
    Looks,
    at_home,
    evidence_of,
    is_kept,
    is_published,
    name_of,
    place_of,
    returns,
    shown_by,
    sightings,
    switches,
)
from daemon.core.kpi import Kpi
from daemon.core.ledger import Part
from daemon.core.target import Limits

_LIMITS = Limits(branch_switch_s=SWITCH_MOST_S)
_REMOTE, _CLONES = frozenset({Part.REMOTE}), frozenset({Part.CLONES})


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``needs`` are the parts it cannot be told without."""

    judge: Callable[[Looks], Finding]
    summary: str
    needs: frozenset[Part]
    objective: bool = False


def message_published(looks: Looks) -> Finding:
    """Every message that was given to the worker has its effect on its own branch of the remote."""
    ledger = looks[-1].ledger
    evidence = []
    for one in (look.message for look in looks):
        seen = ledger.published(one.token)
        if any(s.branch == one.branch for s in seen):
            continue
        kept = [*seen, *ledger.kept_back(one.token)][:1]
        where = f"; it is {place_of(kept[0])}" if kept else ""
        see = shown_by(kept[0]) if kept else search(ledger.remote, one.token)
        evidence.append(of_message("not-published", one, f"not on {one.branch} of the remote{where}", see=see))
    return found(evidence)


def exactly_once(looks: Looks) -> Finding:
    """No message has its effect twice."""
    messages = tuple(look.message for look in looks)
    return publication.exactly_once(replace(looks[-1].ledger, sent=messages), _LIMITS)


def right_branch(looks: Looks) -> Finding:
    """No branch of the remote carries a message or work of another thread."""
    return publication.right_branch(looks[-1].ledger, _LIMITS)


def no_conflict_markers(looks: Looks) -> Finding:
    """No published file holds conflict markers."""
    return publication.no_conflict_markers(looks[-1].ledger, _LIMITS)


def repository_sound(looks: Looks) -> Finding:
    """Nothing makes the clone unfit for work, and a full fsck finds nothing new."""
    return publication.repository_sound(looks[-1].ledger, _LIMITS)


def history_kept(looks: Looks) -> Finding:
    """No branch of the remote lacks a commit that it had: nothing was overwritten by force."""
    gone = dict.fromkeys(c for look in looks for c in look.rewritten)
    return found(
        Evidence(
            what=c.what,
            detail=c.detail,
            branch=c.branch,
            commit=c.commit,
            see=shlex.join(("git", "-C", c.repository, "log", "--oneline", c.branch or "--all")),
        )
        for c in gone
    )


def nothing_lost(looks: Looks) -> Finding:
    """All work that was there is still there after every message: on a ref, in a stash, or in a work tree."""
    evidence: dict[str, Evidence] = {}
    doubts: dict[str, str] = {}
    for look in looks:
        for piece in look.pieces:
            token, seen = piece.sent.token, sightings(look, piece)
            if is_kept(look, piece):
                continue
            if Part.CLONES in look.ledger.blind:
                doubts.setdefault(token, f"{name_of(piece)}: the clone cannot be searched")
                continue
            left = "only in a commit that no ref reaches" if seen else "in no ref, no stash and no work tree"
            evidence.setdefault(token, evidence_of("lost", look, piece, left))
    return found(evidence.values(), doubts.values())


def work_recovered(looks: Looks) -> Finding:
    """Whenever the worker comes to a branch, the unfinished work of that branch is there again."""
    evidence, doubts = [], []
    for look, piece in returns(looks):
        if at_home(look, piece):
            continue
        seen = sightings(look, piece)
        if Part.CLONES in look.ledger.blind:
            doubts.append(f"{name_of(piece)}: the clone cannot be searched")
            continue
        where = place_of(seen[0]) if seen else "gone"
        detail = f"the worker is back on {piece.sent.branch}, and this is {where}"
        evidence.append(evidence_of("not-recovered", look, piece, detail))
    if not any(True for _ in returns(looks)):
        return unknown("the worker did not come back to a branch with unfinished work")
    return found(evidence, doubts)


def foreign_stash_kept(looks: Looks) -> Finding:
    """No stash that is somebody else's is gone from the list of stashes, or another than it was."""
    look, evidence = looks[-1], []
    for piece in look.pieces:
        if piece.work is not Work.STASHED:
            continue
        if look.stashes is None:
            return unknown("the stashes of the clone could not be listed")
        if piece.commit not in look.stashes:
            seen = sightings(look, piece)
            where = f"no longer in the list of stashes; it is {place_of(seen[0])}" if seen else "gone"
            evidence.append(evidence_of("stash-gone", look, piece, where))
    return found(evidence)


def honest_exit(looks: Looks) -> Finding:
    """No last word of the worker on a message contradicts what is on the remote."""
    evidence = []
    for look in looks:
        one, code = look.message, look.runs[-1].code
        done = is_published(look)
        if (code == 0) == done:
            continue
        said = "stopped at its timeout" if code is None else f"ended with {code}"
        truth = "it is published" if done else f"it is not on {one.branch} of the remote"
        see = search(look.ledger.remote, one.token)
        evidence.append(of_message("false-exit", one, f"the worker {said}, and {truth}", see=see))
    return found(evidence)


def branch_switch_fast(looks: Looks) -> Finding:
    """Every change of branch is known to have taken less than the limit."""
    doubts = []
    for look, bound_s in switches(looks):
        if bound_s is None:
            doubts.append(f"the change to {look.message.branch} was not seen")
        elif bound_s >= SWITCH_MOST_S:
            doubts.append(
                f"the change to {look.message.branch} took at most {bound_s:.1f} s, start and work included"
            )
    return found((), doubts)


CHECKS: Mapping[str, Check] = {
    "message-published": Check(message_published, "each message is on its own branch of the remote", _REMOTE),
    "exactly-once": Check(exactly_once, "no message has its effect twice", _REMOTE),
    "right-branch": Check(right_branch, "no branch carries what belongs on another", _REMOTE),
    "no-conflict-markers": Check(no_conflict_markers, "no published file holds conflict markers", _REMOTE),
    "history-kept": Check(history_kept, "no branch of the remote lacks a commit that it had", _REMOTE),
    "nothing-lost": Check(nothing_lost, "all work that was there is still there", _REMOTE),
    "repository-sound": Check(
        repository_sound, "no lock, no open operation, HEAD on a branch, a clean fsck", _CLONES
    ),
    "honest-exit": Check(honest_exit, "the exit code agrees with what is on the remote", _REMOTE),
    "work-recovered": Check(work_recovered, "unfinished work is there again on its own branch", _REMOTE),
    "foreign-stash-kept": Check(foreign_stash_kept, "somebody else's stash is there, unchanged", frozenset()),
    "branch-switch-fast": Check(
        branch_switch_fast, f"a change of branch takes less than {SWITCH_MOST_S:g} s", _REMOTE, objective=True
    ),
}
COMMON = (
    "message-published",
    "exactly-once",
    "right-branch",
    "no-conflict-markers",
    "history-kept",
    "nothing-lost",
    "repository-sound",
    "honest-exit",
)
PLAYED = "played-to-the-end"


def judge(scenario: GitScenario, looks: Looks, broken_off: str = "") -> tuple[Checked, ...]:
    """Judge everything that the scenario asks for; what needs a part that could not be seen is unknown.

    ``broken_off`` says why not every step was taken. Raises ValueError without a look.
    """
    if not looks:
        raise ValueError("nothing was seen, so nothing can be judged")
    standing = Standing.UNKNOWN if broken_off else Standing.HELD
    played = Checked(name=PLAYED, standing=standing, detail=broken_off or "every step of the case was taken")
    return (*(_checked(name, CHECKS[name], looks) for name in (*COMMON, *scenario.checks)), played)


def _checked(name: str, check: Check, looks: Looks) -> Checked:
    blind = [f"{part}: {why}" for look in looks for part, why in look.ledger.blind.items() if part in check.needs]
    told = check.judge(looks)
    # What is seen to be wrong in a clone is wrong, however much else could not be seen there.
    if blind and (told.standing is not Standing.VIOLATED or Part.REMOTE in check.needs):
        told = unknown(blind[0])
    return Checked(
        name=name,
        standing=told.standing,
        detail=told.reason or check.summary,
        evidence=told.evidence,
        objective=check.objective,
    )


# --- figures ---------------------------------------------------------------------------------------------


def figures(looks: Looks, checks: Sequence[Checked]) -> tuple[Kpi, ...]:
    """Return the three figures of a case, each measured or unknown."""
    judged = {c.name for c in checks}
    return (
        _switch(looks, judged="branch-switch-fast" in judged),
        _recovery(looks, comes_back="work-recovered" in judged),
        _corruption(checks),
    )


def _switch(looks: Looks, *, judged: bool) -> Kpi:
    bounds = [bound_s for _, bound_s in switches(looks)] if judged else []
    known = [b for b in bounds if b is not None]
    value = max(known) if known and len(known) == len(bounds) else None
    return Kpi(
        name="branch switch",
        value=value,
        unit="s",
        goal=f"< {SWITCH_MOST_S:g} s",
        met=True if value is not None and value < SWITCH_MOST_S else None,
        note=f"at most, over {len(bounds)} changes" if judged else "no change of branch in this case",
    )


def _recovery(looks: Looks, *, comes_back: bool) -> Kpi:
    """Return the share of unfinished work that is there again; where nobody comes back: that is not lost."""
    pieces = [p for p in looks[-1].pieces if p.work in UNFINISHED]
    back = list(returns(looks)) if comes_back else [(looks[-1], p) for p in pieces]
    good = [at_home(look, p) if comes_back else is_kept(look, p) for look, p in back]
    blind = any({Part.CLONES, Part.REMOTE} & {*look.ledger.blind} for look, _ in back)
    note = f"{sum(good)} of {len(pieces)} pieces" if pieces else "no unfinished work in this case"
    known = bool(pieces) and len(back) == len(pieces) and not blind
    value = 100.0 * sum(good) / len(pieces) if known else None
    met = None if value is None else all(good)
    return Kpi(name="stash recovery", value=value, unit="%", goal="100 %", met=met, note=note)


def _corruption(checks: Sequence[Checked]) -> Kpi:
    looked = [c for c in checks if c.name in ("repository-sound", "no-conflict-markers")]
    count = sum(len(c.evidence) for c in looked)
    unseen = any(c.standing is Standing.UNKNOWN for c in looked)
    value = None if unseen and not count else float(count)
    return Kpi(name="corruption", value=value, unit="", goal="0", met=None if value is None else not count)
