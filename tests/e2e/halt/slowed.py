"""The command line as it is, with a git fault that lingers in one of its steps so that a test can meet it there.

``LINGER`` names the step, ``MARK`` the file that appears once the fault is in it.
"""

import os
import threading
from pathlib import Path
from typing import Any

from daemon.core.model import Order, Reversion, Undo
from daemon.faces.cli import main
from faults import CATALOGUE
from faults.git.corrupt import GitCorrupt

SHORT_S, LONG_S = 0.3, 60.0


def linger(step: str, world: Any, stop: Any = None) -> None:
    if os.environ["LINGER"] == step:
        Path(os.environ["MARK"]).touch()
        world.clock.wait(stop or threading.Event(), LONG_S if stop else SHORT_S)


class Slowed(GitCorrupt):
    """Injects and reverts as its parent does; waits before or after."""

    def prepare(self, order: Order, world: Any) -> Undo:
        linger("prepare", world)
        return GitCorrupt.prepare(self, order, world)

    @classmethod
    def inject(cls, undo: Undo, world: Any, stop: Any) -> None:
        GitCorrupt.inject(undo, world, stop)
        linger("inject", world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: Any) -> Reversion:
        linger("reverting", world)
        return GitCorrupt.revert(undo, world)


if __name__ == "__main__":
    CATALOGUE._places["git-corrupt"] = "tests.e2e.halt.slowed:Slowed"
    main()
