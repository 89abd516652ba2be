"""Conflicts made by git itself, and the states in which a killed git or a failing disk leaves a clone."""

from collections.abc import Callable, Mapping

from daemon.core.gitcases import NotConstructibleError, Step, Work
from daemon.core.gitclone import open_clone
from daemon.engine.gitcases.desk import FOLDER, Desk, insist, line, thread_file
from daemon.engine.gitcases.stage import Stage

LOCK_AGE_S = 3600.0


def conflict(stage: Stage, step: Step) -> None:
    """Stop a merge of the remote's branch with the conflict ``step.how``: UU, AA or DU."""
    name = _two_commits(stage, step)
    desk = stage.desk
    upstream = f"refs/remotes/origin/{stage.branch(step.thread)}"
    if desk.tries("merge", "--no-edit", upstream).code == 0:
        raise NotConstructibleError(f"the repository's attributes merge {name} without a conflict")
    state = desk.status(name)
    insist(state == step.how, f"git calls {name} {state!r}, not {step.how}")
    insist(desk.has(".git/MERGE_HEAD"), "no merge is in progress")


def damage(stage: Stage, step: Step) -> None:
    """Bring the clone into the bad state ``step.how``."""
    _DAMAGE[step.how](stage, step)


def _two_commits(stage: Stage, step: Step) -> str:
    """Push somebody else's commit and make one of our own that does not fit; return the path they differ in."""
    branch, upstream = stage.branch(step.thread), stage.other("other")
    name = f"{FOLDER}/both-{step.thread}.md" if step.how == "AA" else thread_file(step.thread)
    theirs = stage.piece(Work.PUSHED, step.thread)
    upstream.git("checkout", "--quiet", branch)
    _edit(upstream, name, f"Theirs: {line(theirs)}")
    commit = upstream.commit(line(theirs), [name])
    upstream.git("push", "--quiet", "origin", f"refs/heads/{branch}:refs/heads/{branch}")
    stage.done(theirs, commit)
    desk, ours = stage.desk, stage.piece(Work.COMMITTED, step.thread)
    if step.how == "DU":
        desk.git("rm", "--quiet", "--", name)
    else:
        _edit(desk, name, f"Ours: {line(ours)}")
    stage.done(ours, desk.commit(line(ours), [name]))
    desk.git("fetch", "--quiet", "origin")
    fork = desk.git("rev-list", "--left-right", "--count", f"HEAD...refs/remotes/origin/{branch}").split()
    insist(fork == ["1", "1"], f"{branch} and the remote's differ by {fork} commits")
    return name


def _edit(desk: Desk, name: str, text: str) -> None:
    if desk.has(name):
        desk.append(name, text)
    else:
        desk.write(name, f"{text}\n")


def _index_lock(stage: Stage, _: Step) -> None:
    made_ns = round((stage.world.clock.instant().wall_s - LOCK_AGE_S) * 1e9)
    stage.desk.write(".git/index.lock", b"", mtime_ns=made_ns)
    insist(stage.desk.tries("add", "--refresh", ".").code, "git does not mind the lock")


def _detached_head(stage: Stage, step: Step) -> None:
    desk, piece, name = stage.desk, stage.piece(Work.COMMITTED, step.thread), f"{FOLDER}/next-{step.thread}.md"
    desk.git("checkout", "--quiet", "--detach")
    desk.write(name, f"{line(piece)}\n")
    commit = desk.commit(line(piece), [name])
    insist(desk.tries("symbolic-ref", "--quiet", "HEAD").code, "HEAD is on a branch")
    insist(not desk.git("for-each-ref", f"--contains={commit}"), "a branch has the commit")
    stage.done(piece, commit)


def _rebase(stage: Stage, step: Step) -> None:
    name = _two_commits(stage, step)
    upstream = f"refs/remotes/origin/{stage.branch(step.thread)}"
    if stage.desk.tries("rebase", upstream).code == 0:
        raise NotConstructibleError(f"the repository's attributes merge {name} without a conflict")
    folders = (".git/rebase-merge", ".git/rebase-apply")
    insist(any(stage.desk.has(f) for f in folders), "no rebase is in progress")
    insist(stage.desk.status(name) == "UU", f"{name} is not in conflict")


def _head_garbage(stage: Stage, _: Step) -> None:
    stage.desk.write(".git/HEAD", bytes(stage.dice.randrange(1, 256) for _ in range(41)))
    insist(stage.desk.tries("rev-parse", "--verify", "HEAD").code, "git still understands HEAD")


def _index_missing(stage: Stage, _: Step) -> None:
    insist(stage.world.files.remove(f"{stage.desk.path}/.git/index"), "there was no index")
    insist(stage.desk.git("diff", "--cached", "--name-only"), "git has an index")


def _object_corrupt(stage: Stage, step: Step) -> None:
    """Cut one object of the pushed commit short: the remote has it, so that nothing is lost for good."""
    desk, files = stage.desk, stage.world.files
    pushed = next(p.commit for p in stage.pieces if p.work is Work.PUSHED)
    names = (f"{pushed}", f"{pushed}^{{tree}}", f"{pushed}:{thread_file(step.thread)}")
    identity = desk.git("rev-parse", "--verify", stage.dice.choice(names))
    clone = open_clone(files, desk.path)
    path = clone.object_path(identity)
    insist(files.lstat(path), f"object {identity} is not a loose one")
    content = files.read(path)
    desk.write(path.removeprefix(f"{clone.root}/"), content[: len(content) // 2])
    insist(desk.tries("fsck", "--full", "--no-dangling").code, "git fsck finds nothing")


_DAMAGE: Mapping[str, Callable[[Stage, Step], None]] = {
    "index-lock": _index_lock,
    "detached-head": _detached_head,
    "rebase": _rebase,
    "head-garbage": _head_garbage,
    "index-missing": _index_missing,
    "object-corrupt": _object_corrupt,
}
