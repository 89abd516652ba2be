"""The planted defects: known ways to misbehave, against which chaosd's invariants are tested. Off by default."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Defect(StrEnum):
    """One defect each, named as ``--defect`` takes it."""

    ACK_BEFORE_WORK = "ack-before-work"
    BRANCH_FROM_CURRENT_HEAD = "branch-from-current-head"
    STASH_WITHOUT_UNTRACKED = "stash-without-untracked"
    STASH_POP_ON_WRONG_BRANCH = "stash-pop-on-wrong-branch"
    RESET_HARD_ON_RECOVERY = "reset-hard-on-recovery"
    KEEP_STALE_LOCK = "keep-stale-lock"
    ADD_ALL_WITH_CONFLICT_MARKERS = "add-all-with-conflict-markers"
    PUSH_ONCE_IGNORE_FAILURE = "push-once-ignore-failure"
    FORCE_PUSH = "force-push"
    SUCCESS_ON_FAILED_PUSH = "success-on-failed-push"
    DEPLOY_BEFORE_COMMIT = "deploy-before-commit"
    DEPLOY_ONCE_IGNORE_FAILURE = "deploy-once-ignore-failure"
    NOT_IDEMPOTENT = "not-idempotent"
    DROP_ON_SIGTERM = "drop-on-sigterm"
    ORPHAN_CHILDREN_KEEP_WRITING = "orphan-children-keep-writing"
    RECLONE_LOSES_UNPUSHED = "reclone-loses-unpushed"
    CRASH_LOOP_ON_POISON = "crash-loop-on-poison"
    NO_TIMEOUT_ON_REMOTE = "no-timeout-on-remote"
    THREAD_READ_ONLY_ON_SESSION_CHANGE = "thread-read-only-on-session-change"
    DETACHED_HEAD_COMMITS = "detached-head-commits"


#: Workers that take whatever lies in the work tree into their commit.
ADDS_ALL = frozenset({Defect.STASH_WITHOUT_UNTRACKED, Defect.STASH_POP_ON_WRONG_BRANCH})
#: Workers that go on from their own branch, whatever the remote has by now.
NEVER_CATCHES_UP = frozenset({Defect.SUCCESS_ON_FAILED_PUSH, Defect.FORCE_PUSH})
#: Workers that push a commit once or not at all.
LEAVES_UNPUSHED = NEVER_CATCHES_UP | {Defect.PUSH_ONCE_IGNORE_FAILURE}
#: Workers that answer after the commit and push when they are idle: until then only the clone has the work.
PUSHES_WHEN_IDLE = frozenset({Defect.RESET_HARD_ON_RECOVERY, Defect.RECLONE_LOSES_UNPUSHED})


@dataclass(frozen=True, slots=True)
class Planted:
    """What a defect does wrong, the invariants that it breaks, and where it shows: ``scenario [+ fault]``."""

    what: str
    breaks: tuple[str, ...]
    shows: tuple[str, ...]


DEFECTS: Mapping[Defect, Planted] = {
    Defect.ACK_BEFORE_WORK: Planted(
        "Deletes the message before the work: a task killed at work loses the instruction.",
        breaks=("no-lost-instruction",),
        shows=("basic + ecs-task-stop",),
    ),
    Defect.BRANCH_FROM_CURRENT_HEAD: Planted(
        "Starts a new thread's branch where the clone happens to stand: it carries another thread's commits.",
        breaks=("right-branch",),
        shows=("switching", "rapid-switching"),
    ),
    Defect.STASH_WITHOUT_UNTRACKED: Planted(
        "Stashes tracked files only and commits all there is: an interrupted new file goes to another branch.",
        breaks=("right-branch",),
        shows=("interrupt",),
    ),
    Defect.STASH_POP_ON_WRONG_BRANCH: Planted(
        "Pops the newest stash on whatever branch it comes to and commits all there is.",
        breaks=("right-branch",),
        shows=("interrupt",),
    ),
    Defect.RESET_HARD_ON_RECOVERY: Planted(
        "Pushes when idle, and resets the branch to the remote when it starts or a step failed: commits are lost.",
        breaks=("no-lost-instruction", "no-stash-left"),
        shows=("basic + ecs-task-stop", "basic + git-lock"),
    ),
    Defect.KEEP_STALE_LOCK: Planted(
        "Never removes a stale git lock: one left behind stops this clone for good.",
        breaks=("repository-sound", "queue-drained"),
        shows=("basic + git-lock",),
    ),
    Defect.ADD_ALL_WITH_CONFLICT_MARKERS: Planted(
        "Merges what the remote has, and adds and commits a conflict as it lies there.",
        breaks=("no-conflict-markers",),
        shows=("common-file",),
    ),
    Defect.PUSH_ONCE_IGNORE_FAILURE: Planted(
        "Pushes once and goes on whatever came of it: a rejected commit stays in the clone.",
        breaks=("no-lost-instruction", "all-pushed", "honest-response"),
        shows=("common-file", "basic + push-refused", "basic + git-transport/cut-before"),
    ),
    Defect.FORCE_PUSH: Planted(
        "Overwrites the remote's branch with its own: another task's commits vanish.",
        breaks=("no-lost-instruction", "honest-response"),
        shows=("common-file",),
    ),
    Defect.SUCCESS_ON_FAILED_PUSH: Planted(
        "Answers success and deletes the message although the push was rejected, and never catches up.",
        breaks=("no-lost-instruction", "all-pushed", "honest-response"),
        shows=("common-file", "basic + push-refused", "basic + git-transport/cut-before"),
    ),
    Defect.DEPLOY_BEFORE_COMMIT: Planted(
        "Uploads the site before the work: it shows the commit before, always.",
        breaks=("deployment-fresh",),
        shows=("basic", "switching"),
    ),
    Defect.DEPLOY_ONCE_IGNORE_FAILURE: Planted(
        "Uploads the site once and goes on whatever came of it: the site stays old.",
        breaks=("deployment-fresh", "honest-response"),
        shows=("basic + bucket-gone", "basic + aws-throttle"),
    ),
    Defect.NOT_IDEMPOTENT: Planted(
        "Does the work again when a message is delivered again: its effect is there twice.",
        breaks=("exactly-once",),
        shows=(
            "duplicate-delivery",
            "basic + aws-lost-reply",
            "basic + aws-duplicate-delivery",
            "basic + aws-visibility-expired",
            "basic + process-pause",
            "basic + sqs-duplicate",
            "basic + git-transport/cut-after",
        ),
    ),
    Defect.DROP_ON_SIGTERM: Planted(
        "Deletes the message in hand at SIGTERM, done or not.",
        breaks=("no-lost-instruction",),
        shows=("basic + ecs-task-stop", "basic + interrupt-signal"),
    ),
    Defect.ORPHAN_CHILDREN_KEEP_WRITING: Planted(
        "Leaves its editing child alone at SIGTERM: the child commits what the next task has done by then.",
        breaks=("exactly-once", "right-branch"),
        shows=("basic + ecs-task-stop", "basic + interrupt-signal"),
    ),
    Defect.RECLONE_LOSES_UNPUSHED: Planted(
        "Pushes when idle, and clones anew when anything is wrong with the clone: what was not pushed is gone.",
        breaks=("no-lost-instruction",),
        shows=("basic + git-corrupt",),
    ),
    Defect.CRASH_LOOP_ON_POISON: Planted(
        "Ends at a message that it cannot read, and takes the same one up first whenever it starts again.",
        breaks=("queue-drained",),
        shows=("poison",),
    ),
    Defect.NO_TIMEOUT_ON_REMOTE: Planted(
        "Waits for the remote without end: one hanging connection holds up the task.",
        breaks=("message-fast", "queue-drained"),
        shows=("basic + remote-hangs", "basic + git-transport/hang"),
    ),
    Defect.THREAD_READ_ONLY_ON_SESSION_CHANGE: Planted(
        "Reads a message's thread only when the session is new: later threads go to the first one's branch.",
        breaks=("right-branch",),
        shows=("one-session-three-threads",),
    ),
    Defect.DETACHED_HEAD_COMMITS: Planted(
        "Checks out the branch's commit, not the branch: its commits belong to no branch and are not pushed.",
        breaks=("no-lost-instruction", "honest-response"),
        shows=("basic", "switching"),
    ),
}
