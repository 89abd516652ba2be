"""What a worker does when it starts and when it is idle: repair the clone, push what was left behind."""

from daemon.lab.worker.clone import PushRejected
from daemon.lab.worker.defects import LEAVES_UNPUSHED, Defect
from daemon.lab.worker.gitcli import GitError
from daemon.lab.worker.pipeline import Pipeline
from daemon.lab.worker.say import say


def look_after(pipeline: Pipeline, *, first: bool) -> None:
    """Repair the clone if it needs it, and push what a dead predecessor committed and did not push.

    ``first`` is True once, when the worker has just started. Raises nothing of git's.
    """
    try:
        if pipeline.repairer.heal():
            pipeline.clone.discard_edit()
            if first and pipeline.settings.defect is Defect.RESET_HARD_ON_RECOVERY:
                pipeline.clone.start_over()
            _push_leftovers(pipeline)
    except (GitError, PushRejected, OSError) as error:
        say("clone.not_checked", level="WARNING", why=str(error))


def _push_leftovers(pipeline: Pipeline) -> None:
    clone = pipeline.clone
    if clone.defect in LEAVES_UNPUSHED:
        return
    for branch in clone.branches_ahead():
        clone.fetch(branch)
        clone.switch(branch)
        clone.push(branch, pipeline.stop)
        say("leftover.pushed", level="WARNING", branch=branch)
