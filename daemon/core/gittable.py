"""The git scenarios that there are, in one table."""

from collections.abc import Mapping

from daemon.core.gitcases import Act, GitScenario, Step

SWITCH_MOST_S = 5.0
DETACHED = "detached-head"

PUBLISHED = "each message has its effect exactly once, on its own branch of the remote"
KEPT = "no work is lost, and no branch of the remote lacks a commit that it had"
SOUND = "afterwards the clone is sound: no lock, no operation in progress, a clean fsck"

_EARLIER = Step(Act.EARLIER)
_UNPUSHED = Step(Act.UNPUSHED)
_UNFINISHED = Step(Act.UNFINISHED)
_MESSAGE = Step(Act.MESSAGE)


def _conflict(kind: str) -> tuple[Step, ...]:
    return (_EARLIER, Step(Act.CONFLICT, how=kind), _MESSAGE)


def _damaged(kind: str) -> tuple[Step, ...]:
    return (_EARLIER, _UNPUSHED, _UNFINISHED, Step(Act.DAMAGE, how=kind), _MESSAGE)


def _rounds() -> tuple[Step, ...]:
    """Leave unfinished work on three threads in turn, then come back to each."""
    steps = [_EARLIER, Step(Act.STASH), _UNFINISHED]
    for thread in (2, 3):
        steps += [Step(Act.MESSAGE, thread), Step(Act.UNFINISHED, thread)]
    return (*steps, *(Step(Act.MESSAGE, thread) for thread in (1, 2, 3)))


GIT_SCENARIOS: Mapping[str, GitScenario] = {
    s.name: s
    for s in (
        GitScenario(
            name="git-switch",
            summary="away from a branch with unfinished work, tracked and untracked, and back",
            expects=(
                PUBLISHED,
                "the unfinished work goes to no other branch and is there again when the worker comes back",
                f"a change of branch takes less than {SWITCH_MOST_S:g} s",
                SOUND,
            ),
            cases={"A-B-A": (_EARLIER, _UNFINISHED, Step(Act.MESSAGE, 2), _MESSAGE)},
            checks=("work-recovered", "branch-switch-fast"),
        ),
        GitScenario(
            name="git-conflict",
            summary="a merge that stopped: changed by both, added by both, deleted here and changed there",
            expects=(PUBLISHED, "no conflict marker is published", KEPT, SOUND),
            cases={kind: _conflict(kind) for kind in ("UU", "AA", "DU")},
        ),
        GitScenario(
            name="git-recovery",
            summary="a clone in a bad state, with unpushed and unfinished work in it",
            expects=(PUBLISHED, KEPT, SOUND),
            cases={
                "index-lock": _damaged("index-lock"),
                DETACHED: (_EARLIER, Step(Act.DAMAGE, how=DETACHED), Step(Act.UNFINISHED, how=DETACHED), _MESSAGE),
                "rebase": (_EARLIER, Step(Act.DAMAGE, how="rebase"), Step(Act.UNTRACKED), _MESSAGE),
                "head-garbage": _damaged("head-garbage"),
                "index-missing": _damaged("index-missing"),
                "object-corrupt": _damaged("object-corrupt"),
            },
        ),
        GitScenario(
            name="git-stash",
            summary="unfinished work on three threads in turn, beside a stash that is somebody else's",
            expects=(
                PUBLISHED,
                "all the unfinished work is there again when the worker comes back to its branch",
                "the stash that is not the worker's is still there, and unchanged",
                SOUND,
            ),
            cases={"A-B-C-A-B-C": _rounds()},
            checks=("work-recovered", "foreign-stash-kept", "branch-switch-fast"),
        ),
    )
}
