"""Checks of how messages were handled: deployment, queue, answers, and the target's own limits."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from daemon.core.evidence import HELD, Evidence, Finding, Standing, found, look_at, of_message, unknown
from daemon.core.ledger import Deployed, Effect, Ledger, Sent, Stages
from daemon.core.model import Instant
from daemon.core.target import Limits

Check = Callable[[Ledger, Limits], Finding]


def deployment_fresh(ledger: Ledger, _: Limits) -> Finding:
    """Check that the deployed site shows the last handled commit of its branch.

    One site for several branches shows the branch handled last, which may be one of other work: a real user's, or
    another run's. A violation is what cannot be an overtaking: the site shows an older commit of a branch, or has
    not changed since before a message was sent that is on its branch now. It is held when the site shows the end of
    a branch, and each branch of ours was seen there, or has been overtaken since it was pushed.
    """
    done = tuple(_done(ledger))
    shown = ledger.deployed
    if not done:
        return HELD
    if shown is None:
        one, _at = done[-1]
        return found([of_message("not-deployed", one, "pushed, and nothing is deployed at all")])
    last = {one.branch: one for one, _ in done}
    doubts = _doubts(ledger, last, shown)
    evidence = [*_older(last, shown, done), *_unpublished(ledger, shown), *_untouched(last, shown)]
    return found([*evidence, *_behind(ledger, shown)], doubts)


Last = Mapping[str | None, Sent]


def _doubts(ledger: Ledger, last: Last, shown: Deployed) -> Iterator[str]:
    """Yield why nobody can tell that the site is fresh."""
    if not any(one.token in shown.holds for one in last.values()):
        others = sorted(set(shown.tip_of) - set(last))
        if shown.commit is None:
            yield f"{shown.place} names no commit and holds none of our marks"
        elif not others:
            yield f"{shown.place} shows {shown.commit}, which is none of ours, and no branch has come to end there"
        elif any(_commit(ledger, one).startswith(shown.commit) for one in ledger.sent):
            yield f"{shown.place} shows {shown.commit}, an older one of ours, where {others[0]} ends"
    for one in last.values():
        stages = ledger.stages.get(one.token, Stages())
        since = stages.pushed_after or stages.pushed
        overtaken = since is not None and shown.unchanged_since > since
        if one.token not in shown.holds and stages.deployed is None and not overtaken:
            where = f"at {shown.place}, which has not changed since before it was pushed"
            yield f"{one.command} [{one.token}] was never seen {where}"


def _commit(ledger: Ledger, one: Sent) -> str:
    return ledger.stages.get(one.token, Stages()).commit or ""


def _older(last: Last, shown: Deployed, done: Sequence[tuple[Sent, Instant]]) -> Iterator[Evidence]:
    if set(shown.tip_of) - set(last):
        return  # the end of a branch of other work, which took over some of ours
    for branch, one in last.items():
        earlier = any(o.token in shown.holds for o, _ in done if o.branch == branch)
        if earlier and one.token not in shown.holds:
            detail = f"is on {branch}; {shown.place} shows {shown.commit}, an older commit"
            yield of_message("stale-deployment", one, detail)


def _behind(ledger: Ledger, shown: Deployed) -> Iterator[Evidence]:
    """Find work of other runs that the site is behind of; only an empty queue says that it is not under way."""
    if ledger.queue is None or ledger.queue.after.waiting or shown.tip_of:
        return
    ours = {one.token for one in ledger.sent}
    for seen in shown.behind:
        if seen.token not in ours:
            yield Evidence(
                what="stale-deployment",
                detail=f"{seen.token} is on {seen.branch}; {shown.place} shows {shown.commit}, an older commit",
                token=seen.token,
                branch=seen.branch,
                commit=seen.commit,
                see=look_at(seen),
            )


def _unpublished(ledger: Ledger, shown: Deployed) -> Iterator[Evidence]:
    for c in ledger.new_conditions():
        if c.what == "ahead" and c.commit and shown.commit and c.commit.startswith(shown.commit):
            yield Evidence(
                what="unpublished-deployment",
                detail=f"{shown.place} shows {shown.commit} of {c.branch}, which the remote has not",
                branch=c.branch,
                commit=c.commit,
                see=f"git -C {ledger.remote} cat-file -t {shown.commit}",
            )


def _untouched(last: Last, shown: Deployed) -> Iterator[Evidence]:
    for one in last.values():
        if one.token not in shown.holds and shown.unchanged_since.mono_s < one.at.mono_s:
            detail = f"pushed; {shown.place} has shown {shown.commit} since before it was sent"
            yield of_message("not-deployed", one, detail)


def _done(ledger: Ledger) -> Iterator[tuple[Sent, Instant]]:
    """Yield the messages that are on the remote with when they were seen there, oldest first."""
    pushed = [(one, ledger.stages.get(one.token, Stages()).pushed) for one in ledger.wanted()]
    known = [(one, at) for one, at in pushed if at is not None and ledger.published(one.token)]
    yield from sorted(known, key=lambda pair: (pair[1], pair[0].sequence))


def queue_drained(ledger: Ledger, _: Limits) -> Finding:
    """Nothing is left in the queue after the settle time, and nothing that could be handled is dead."""
    state = ledger.queue
    if state is None:
        return unknown("the queue was not read")
    before, after = state.before, state.after
    dead = set(state.dead)
    evidence = [
        of_message("dead-letter", one, "could be handled, and is in the dead-letter queue")
        for one in ledger.wanted()
        if one.token in dead
    ]
    grown, may = (after.dead or 0) - (before.dead or 0), _may_die(ledger)
    if not evidence and grown > may + state.unfit:
        evidence.append(
            Evidence(
                what="dead-letter", detail=f"the dead-letter queue grew by {grown}, {may + state.unfit} may have"
            )
        )
    doubts = []
    if grown > may and before.dead:
        doubts.append(f"the dead-letter queue grew by {grown}; {state.unfit} there, of others, may be of before")
    if after.waiting and not state.emptied:
        if not before.waiting:
            detail = f"{after.visible} visible, {after.in_flight} in flight, {after.delayed} delayed are left"
            evidence.append(Evidence(what="left", detail=detail))
        doubts.append(f"{after.waiting} messages are left; {before.waiting} of others were there before")
    return found(evidence, doubts)


def _may_die(ledger: Ledger) -> int:
    return sum(s.refused is None and s.effect is not Effect.ONCE for s in ledger.sent)


def message_fast(ledger: Ledger, limits: Limits) -> Finding:
    """Every message reaches its last stage within the target's limit."""
    evidence, doubts = [], []
    for one in ledger.wanted():
        least_s, most_s = ledger.took_s(one)
        if least_s > limits.message_s:
            detail = f"took more than {least_s:.1f} s, limit {limits.message_s:g} s"
            evidence.append(of_message("slow-message", one, detail))
        elif most_s is None or most_s > limits.message_s:
            seen = "was not seen at its last stage" if most_s is None else f"took {least_s:.1f} to {most_s:.1f} s"
            doubts.append(f"{one.command} [{one.token}] {seen}")
    return found(evidence, doubts)


def branch_switch_fast(ledger: Ledger, limits: Limits) -> Finding:
    """Every change of branch is done within the target's limit, as far as a clone shows it."""
    limit_s = limits.branch_switch_s
    evidence = [
        Evidence(
            what="slow-switch",
            detail=f"{s.repository}: {s.origin} to {s.branch} took at least {s.least_s:.1f} s, limit {limit_s:g} s",
            branch=s.branch,
            see=f"git -C {s.repository} reflog --date=iso",
        )
        for s in ledger.switches
        if s.least_s > limit_s
    ]
    doubts = [
        f"{s.repository}: {s.origin} to {s.branch} took at most {s.most_s:.1f} s, waiting included"
        for s in ledger.switches
        if s.most_s > limit_s
    ]
    if not ledger.switches and len({s.branch for s in ledger.accepted()}) > 1:
        doubts.append("no change of branch was seen in any clone")
    return found(evidence, doubts)


def honest_response(checks: Sequence[Check]) -> Check:
    """Return the check that nothing answered as success breaks one of ``checks``."""

    def check(ledger: Ledger, limits: Limits) -> Finding:
        broken = [e for one in checks for e in _evidence(one, ledger, limits)]
        named = {s.token: s for s in ledger.accepted()}
        by_branch = {b for e in broken if e.token is None and (b := e.branch) is not None}
        lies = [
            of_message("dishonest", named[e.token], f"answered as success, yet {e.what}: {e.detail}", see=e.see)
            for e in broken
            if e.token in named and ledger.answered(e.token)
        ]
        lies += [
            of_message("dishonest", one, f"answered as success, yet something is wrong on {one.branch}")
            for one in named.values()
            if one.branch in by_branch and ledger.answered(one.token)
        ]
        first: dict[str | None, Evidence] = {}
        for lie in lies:
            first.setdefault(lie.token, lie)
        return found(first.values())

    return check


def _evidence(check: Check, ledger: Ledger, limits: Limits) -> tuple[Evidence, ...]:
    outcome = check(ledger, limits)
    return outcome.evidence if outcome.standing is Standing.VIOLATED else ()
