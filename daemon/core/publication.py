"""Checks of what is published: is every instruction on its branch, once, whole, and is everything pushed."""

from collections.abc import Sequence

from daemon.core.evidence import Evidence, Finding, found, of_condition, of_message, search
from daemon.core.ledger import Ledger, Part, Place, Sent, Sighting
from daemon.core.target import Limits

SOUND = frozenset({"ahead", "conflict-markers"})  # conditions that have an invariant of their own


def no_lost_instruction(ledger: Ledger, _: Limits) -> Finding:
    """Whatever was acknowledged or deleted has its effect on a branch of the remote."""
    evidence, doubts = [], []
    for one in ledger.wanted():
        if ledger.published(one.token):
            continue
        why, certain = _gone(ledger, one)
        if certain:
            evidence.append(_lost(ledger, one, why))
        elif why:
            doubts.append(f"{one.command} [{one.token}]: {why}")
    return found(evidence, doubts)


def _gone(ledger: Ledger, one: Sent) -> tuple[str, bool]:
    """Return what is known of a message without an effect; True when the worker took it for done."""
    if ledger.answered(one.token):
        return "answered as success, and on no branch of the remote", True
    state = ledger.queue
    if state is None or Part.QUEUE in ledger.blind:
        return "on no branch of the remote, and the queue could not be read", False
    if one.token in state.dead:
        return "", False  # it is not lost but dead: queue-drained names it
    if state.after.waiting:
        return f"on no branch of the remote; {state.after.waiting} messages are still in the queue", False
    unread = (state.after.dead or 0) - (state.before.dead or 0) - len(state.dead)
    if unread > 0:
        return f"on no branch of the remote; {unread} messages in the dead-letter queue could not be read", False
    return "deleted from the queue, and on no branch of the remote", True


def _lost(ledger: Ledger, one: Sent, why: str) -> Evidence:
    kept = ledger.kept_back(one.token)
    where = f"; left in a {kept[0].place} of {kept[0].repository}" if kept else ""
    return of_message("lost", one, why + where, kept[0] if kept else None, see=search(ledger.remote, one.token))


def exactly_once(ledger: Ledger, _: Limits) -> Finding:
    """No effect is there more than once: not in two commits of a branch, not in two lines of a file."""
    evidence = []
    for one in ledger.accepted():
        seen = ledger.published(one.token)
        evidence += [
            of_message("twice", one, f"its effect is there {len(some)} times: {_places(some)}", some[-1])
            for some in _repeated(seen)
        ]
    return found(evidence)


def _repeated(seen: Sequence[Sighting]) -> list[list[Sighting]]:
    groups: dict[tuple[str | None, str | None], list[Sighting]] = {}
    for sighting in seen:
        path = sighting.path if sighting.place is Place.LINE else None
        groups.setdefault((sighting.branch, path), []).append(sighting)
    return [some for some in groups.values() if len({(s.commit, s.line) for s in some}) > 1]


def _places(seen: Sequence[Sighting]) -> str:
    return ", ".join(f"{s.path}:{s.line}" if s.path else f"commit {(s.commit or '')[:10]}" for s in seen)


def right_branch(ledger: Ledger, _: Limits) -> Finding:
    """Every effect is on the branch of its thread, and no thread's branch carries another's.

    The mainline may carry what its own branch carries too: that is a merge, not contamination.
    """
    evidence = []
    for one in ledger.accepted():
        if one.branch is None:
            continue
        seen = ledger.published(one.token)
        at_home = any(s.branch == one.branch for s in seen)
        wrong = {s.branch: s for s in seen if s.branch != one.branch}
        evidence += [
            of_message("wrong-branch", one, f"belongs on {one.branch}, is on {branch}", sighting)
            for branch, sighting in sorted(wrong.items(), key=lambda pair: str(pair[0]))
            if not (branch == ledger.mainline and at_home)
        ]
    return found([*evidence, *_foreign(ledger)])


def _foreign(ledger: Ledger) -> list[Evidence]:
    """Find messages of other runs on the branches of our threads, which none of them can have asked for."""
    ours, mine = {s.token for s in ledger.sent}, {s.branch for s in ledger.sent}
    return [
        Evidence(
            what="foreign-commit",
            detail=f"{s.branch} carries {s.token}, which is none of its own",
            token=s.token,
            branch=s.branch,
            commit=s.commit,
            path=s.path,
            line=s.line,
        )
        for s in ledger.sightings
        if s.token not in ours and s.branch in mine and s.place in (Place.MESSAGE, Place.LINE)
    ]


def all_pushed(ledger: Ledger, _: Limits) -> Finding:
    """No local branch is ahead of the remote after the settle time."""
    return found(of_condition(c) for c in ledger.new_conditions() if c.what == "ahead")


def no_stash_left(ledger: Ledger, _: Limits) -> Finding:
    """No stash and no dangling commit holds an instruction that no branch has."""
    evidence = []
    for one in ledger.accepted():
        if ledger.published(one.token):
            continue
        kept = [s for s in ledger.kept_back(one.token) if s.place in (Place.STASH, Place.DANGLING)]
        evidence += [
            of_message("kept-back", one, f"only in a {s.place} of {s.repository}, on no branch", s)
            for s in kept[:1]
        ]
    return found(evidence)


def no_conflict_markers(ledger: Ledger, _: Limits) -> Finding:
    """No published file holds conflict markers."""
    return found(of_condition(c) for c in ledger.new_conditions() if c.what == "conflict-markers")


def repository_sound(ledger: Ledger, _: Limits) -> Finding:
    """No fsck finding, stale lock, operation in progress, detached HEAD, or content unlike its object id."""
    return found(of_condition(c) for c in ledger.new_conditions() if c.what not in SOUND)
