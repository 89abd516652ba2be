"""What the engine holds does not grow with the experiments it has carried out."""

import gc
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from daemon.core.errors import UnreachableError
from daemon.core.events import Verdict
from daemon.engine.control import Control
from daemon.engine.facts import HALT
from daemon.engine.injector import Injector
from daemon.engine.recorder import Recorder
from daemon.engine.reverter import Reverter
from daemon.faces.metrics import Metrics
from tests.engine_kit import Kit, request

FIRST, THEN = 5, 15


def control_of(kit: Kit) -> Control:
    """Return a control desk whose only listener is the one that remembers most."""
    recorder = Recorder(kit.store, listeners=[Metrics(kit.settings, version="0")])
    reverter = Reverter(world=kit.world, recorder=recorder, faults=kit.parts.faults)
    parts = replace(kit.parts, journal=kit.store, recorder=recorder, reverter=reverter)
    ids = (f"inj-{n}" for n in range(1000))
    return Control(injector=Injector(parts), reverter=reverter, journal=kit.store, new_id=lambda: next(ids))


def one_of_each(kit: Kit, control: Control) -> None:
    """Carry out an injection, one that the guard refuses, and one that cannot be prepared."""
    assert control.start(request(duration_s=1)).outcome().undo is not None
    kit.store.note(HALT, "not now")
    refused = control.run(request()).judgement
    assert refused is not None
    assert refused.verdict is Verdict.REFUSED
    kit.store.note(HALT, None)
    with suppress(UnreachableError):
        control.run(request(broken="prepare"))
    kit.watchman.armed.clear()


def blocks() -> int:
    """Return how many pieces of memory Python has handed out and not got back."""
    gc.collect()
    return sys.getallocatedblocks()


def test_an_experiment_leaves_nothing_in_memory_when_it_is_over(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    control = control_of(kit)
    for _ in range(FIRST):
        one_of_each(kit, control)
    before, threads = blocks(), threading.active_count()
    for _ in range(THEN):
        one_of_each(kit, control)
    assert threading.active_count() <= threads
    # Whatever remembers an experiment needs a piece for its id at least.
    assert blocks() - before < THEN
