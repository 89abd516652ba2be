"""The steps that put work into a clone: pushed, committed, stashed, tracked, untracked; each is looked at."""

from collections.abc import Callable, Mapping

from daemon.core.gitcases import Act, NotConstructibleError, Step, Work
from daemon.core.gittable import DETACHED
from daemon.engine.gitcases.damage import conflict, damage
from daemon.engine.gitcases.desk import DRAFT, FOLDER, insist, line, thread_file
from daemon.engine.gitcases.stage import Stage


def play(stage: Stage, step: Step) -> None:
    """Take one step that is no message; raises UnbuiltError or NotConstructibleError."""
    _ACTS[step.act](stage, step)


def _earlier(stage: Stage, step: Step) -> None:
    desk, branch = stage.desk, stage.branch(step.thread)
    piece = stage.piece(Work.PUSHED, step.thread)
    desk.git("checkout", "--quiet", "--no-track", "-b", branch, f"refs/remotes/origin/{stage.ground.mainline}")
    desk.write(thread_file(step.thread), f"{line(piece)}\n")
    commit = desk.commit(line(piece), [thread_file(step.thread)])
    desk.git("push", "--quiet", "origin", f"refs/heads/{branch}:refs/heads/{branch}")
    insist(
        desk.git("ls-remote", "origin", f"refs/heads/{branch}").startswith(commit), "the remote has no new branch"
    )
    stage.done(piece, commit)


def _unpushed(stage: Stage, step: Step) -> None:
    desk, branch = stage.desk, stage.branch(step.thread)
    piece, name = stage.piece(Work.COMMITTED, step.thread), f"{FOLDER}/next-{step.thread}.md"
    desk.write(name, f"{line(piece)}\n")
    commit = desk.commit(line(piece), [name])
    ahead = desk.git("rev-list", "--count", f"refs/remotes/origin/{branch}..refs/heads/{branch}")
    insist(ahead == "1", f"{branch} is {ahead} commits ahead of the remote, not one")
    stage.done(piece, commit)


def _unfinished(stage: Stage, step: Step) -> None:
    desk, branch = stage.desk, stage.branch(step.thread)
    if step.how != DETACHED:
        standing = desk.tries("symbolic-ref", "--quiet", "--short", "HEAD").out.strip()
        insist(standing == branch, f"the clone stands on {standing or 'no branch'}, not on {branch}")
    piece = stage.piece(Work.TRACKED, step.thread)
    desk.append(DRAFT, line(piece))
    state = desk.status(DRAFT)
    insist(state == " M", f"git calls {DRAFT} {state!r}, not changed")
    stage.done(piece)
    _untracked(stage, step)


def _untracked(stage: Stage, step: Step) -> None:
    desk, name = stage.desk, f"{FOLDER}/new-{step.thread}.md"
    if desk.tries("check-ignore", "--quiet", "--", name).code == 0:
        raise NotConstructibleError(f"the repository's .gitignore hides {name}: no file there can be untracked")
    piece = stage.piece(Work.UNTRACKED, step.thread)
    desk.write(name, f"{line(piece)}\n")
    state = desk.status(name)
    insist(state == "??", f"git calls {name} {state!r}, not untracked")
    stage.done(piece)


def _stash(stage: Stage, step: Step) -> None:
    desk, piece = stage.desk, stage.piece(Work.STASHED, step.thread)
    desk.append(DRAFT, line(piece))
    desk.git("stash", "push", "--quiet", "--message", f"somebody's own, {line(piece)}")
    commit = desk.git("rev-parse", "--verify", "refs/stash")
    insist(desk.status(DRAFT) == "", "the work tree is not clean after the stash")
    stage.done(piece, commit)


_ACTS: Mapping[Act, Callable[[Stage, Step], None]] = {
    Act.EARLIER: _earlier,
    Act.UNPUSHED: _unpushed,
    Act.UNFINISHED: _unfinished,
    Act.UNTRACKED: _untracked,
    Act.STASH: _stash,
    Act.CONFLICT: conflict,
    Act.DAMAGE: damage,
}
