"""What the engine holds does not grow with the experiments it has carried out."""

import gc
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from daemon.core.access import Caller
from daemon.core.errors import ChaosdError, JournalError, UnreachableError
from daemon.core.events import Judged, Judgement, Observed, Verdict
from daemon.core.model import Instant, Observation, Phase, Reading, Status
from daemon.core.plan import Request
from daemon.engine.control import Control, Regime, Run
from daemon.engine.facts import HALT
from daemon.engine.injector import Injector
from daemon.engine.recorder import Recorder
from daemon.engine.reverter import Reverter
from daemon.faces.metrics import Metrics
from daemon.faces.serving.bodies import InjectBody
from daemon.faces.serving.controlling import Controlling
from daemon.faces.serving.desk import Desk
from tests.engine_kit import Kit, request

FIRST, THEN, ROUNDS = 5, 15, 3
AT = Instant(1, 1)
SEEN = Observation(probe="look", target="editor", asked=AT, answered=AT, reading=Reading(status=Status.OK))


def control_of(kit: Kit) -> Control:
    """Return a control desk whose only listener is the one that remembers most."""
    recorder = Recorder(kit.store, listeners=[Metrics(kit.settings, version="0")])
    reverter = Reverter(world=kit.world, recorder=recorder, faults=kit.parts.faults)
    parts = replace(kit.parts, journal=kit.store, recorder=recorder, reverter=reverter)
    ids = (f"inj-{n}" for n in range(1000))
    return Control(regime=Regime(Injector(parts)), reverter=reverter, journal=kit.store, new_id=lambda: next(ids))


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
    threads, more = threading.active_count(), []
    for _ in range(ROUNDS):
        before = blocks()
        for _ in range(THEN):
            one_of_each(kit, control)
        more.append(blocks() - before)
    assert threading.active_count() <= threads
    # Whatever remembers an experiment needs a piece for its id at least, in every round; a cache is filled in one.
    assert min(more) < THEN, more


class Failing:
    """A journal that takes no looks."""

    def append(self, _: str, *happened: object) -> None:
        if any(isinstance(event, Observed) for event in happened):
            raise JournalError("no room")


def test_that_looks_were_lost_is_known_until_the_verdict() -> None:
    recorder = Recorder(Failing())  # type: ignore[arg-type]
    assert not recorder.looks("inj-1", [Observed(phase=Phase.BEFORE, observation=SEEN)])
    assert recorder.lost("inj-1")
    recorder.record("inj-1", Judged(at=AT, judgement=Judgement(verdict=Verdict.ABORTED, reasons=())))
    assert not recorder.lost("inj-1")


class Runs:
    """A control desk that begins what it is told to: errors, and what ends well."""

    def __init__(self) -> None:
        self.begun = 0

    def start(self, asked: Request) -> Run:
        self.begun += 1
        run = Run(asked, f"inj-{self.begun}")
        run.error = ChaosdError("no") if asked.fault == "bad" else None
        run.done.set()
        return run


def test_of_what_nobody_asked_the_end_of_only_the_latest_errors_are_held() -> None:
    settings = SimpleNamespace(targets={"editor": None})
    desk: Any = SimpleNamespace(control=Runs(), runs={}, faults={}, settings=lambda: settings)
    desk.begun = lambda run: Desk.begun(desk, run)
    for fault in ("bad", "good") * 70:
        Controlling(desk).inject(InjectBody(fault=fault, target="editor"), caller=Caller(kind="token", name="t"))
    assert list(desk.runs) == [f"inj-{n}" for n in range(13, 140, 2)], "the last 64 errors"
