"""A fault that waits for an event: nothing is touched before, and what happened is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.cloud import LogEvent, Message
from daemon.core.errors import NotNowError, TargetAbsentError, UnreachableError
from daemon.core.events import Aborted, Injected, Planned, State, Verdict
from daemon.core.moments import Armed, Fired, Moment
from daemon.core.plan import Request
from daemon.core.target import Logs, Processes, Queue, Target
from faults.process.kill import ProcessKill
from faults.process.pause import ProcessPause
from tests.engine_kit import Kit, request
from tests.fakes import Death

URL = "https://sqs/input"
WORKER = 77
CHILDRENS: tuple[Any, ...] = (ProcessKill, ProcessPause)


class Equipped(Kit):
    @property
    def target(self) -> Target:
        return Target(name="editor", queue=Queue(url=URL), logs=Logs(group="/ecs/edit"))


class Staffed(Kit):
    """With a worker that now and then runs a program."""

    @property
    def target(self) -> Target:
        return Target(name="editor", queue=Queue(url=URL), processes=Processes(match="worker"))


@pytest.fixture
def staffed(tmp_path: Path) -> Kit:
    made = Staffed(tmp_path)
    made.world.sqs.add(URL)
    made.world.processes.start("worker", pid=WORKER)
    made.parts.faults.update({kind.name: kind for kind in CHILDRENS})
    return made


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    made = Equipped(tmp_path)
    made.world.sqs.add(URL)
    made.world.logs.groups["/ecs/edit"] = []
    return made


def waiting(event: str, matching: str = "", within_s: float = 30.0, **more: Any) -> Request:
    return replace(request(**more), when=Moment(event=event, matching=matching, within_s=within_s))


def receive(kit: Kit) -> Callable[[], None]:
    def act() -> None:
        kit.world.sqs.send(URL, (Message(body="x", attributes={}),))
        assert kit.world.sqs.receive(URL)

    return act


def kinds(kit: Kit) -> list[str]:
    interesting = (Armed, Fired, Planned, Injected, Aborted)
    return [type(event).__name__ for event in kit.events if isinstance(event, interesting)]


def test_it_strikes_on_the_event_and_says_what_was_seen(kit: Kit) -> None:
    kit.world.clock.at(7.0, receive(kit))
    found = kit.control.run(waiting("message"))
    assert kinds(kit) == ["Armed", "Fired", "Planned", "Injected"]
    assert found.state is State.REVERTED
    assert found.fired.what == f"1 in flight in {URL}"
    waited_s = found.fired.at.mono_s - found.armed.at.mono_s
    assert 6.0 <= waited_s <= 7.5
    assert found.injected.started.mono_s - found.fired.at.mono_s < 0.1


def test_a_line_of_the_log_is_an_event(kit: Kit) -> None:
    def log() -> None:
        at_s = kit.world.clock.instant().wall_s
        kit.world.logs.groups["/ecs/edit"] += [
            LogEvent(id="1", at_s=at_s, stream="s", message="nothing"),
            LogEvent(id="2", at_s=at_s, stream="s", message="pushed 1234"),
        ]

    kit.world.clock.at(3.0, log)
    assert kit.control.run(waiting("log", r"pushed \d+")).fired is not None


def test_an_event_that_does_not_come_has_a_verdict_of_its_own_and_nothing_is_touched(kit: Kit) -> None:
    found = kit.control.run(waiting("message", within_s=20.0))
    assert found.judgement.verdict is Verdict.NOT_TRIGGERED
    assert found.judgement.reasons == ("nothing was injected: no message within 20 s",)
    assert kinds(kit) == ["Armed"]
    assert kit.lamp is not None
    assert kit.lamp.writes == 0
    assert 20.0 <= kit.world.clock.elapsed_s < 25.0
    assert not kit.store.running()


def test_a_halt_while_it_waits_leaves_nothing(kit: Kit) -> None:
    kit.world.clock.at(5.0, lambda: kit.control.halt("enough"))
    found = kit.control.run(waiting("message"))
    assert found.judgement.verdict is Verdict.INCONCLUSIVE
    assert "enough" in found.judgement.reasons[0]
    assert kinds(kit) == ["Armed", "Aborted"]
    assert kit.lamp is not None
    assert kit.lamp.writes == 0
    assert kit.world.clock.elapsed_s < 6.0


def test_a_system_that_broke_while_it_was_waited_for_is_not_struck(kit: Kit) -> None:
    """Else what was broken before would count as the fault's impact, and its end as a recovery."""
    assert kit.lamp is not None
    kit.world.clock.at(5.0, lambda: setattr(kit.lamp, "light", "dark by itself"))
    kit.world.clock.at(9.0, receive(kit))
    found = kit.control.run(waiting("message"))
    assert found.judgement.verdict is Verdict.INCONCLUSIVE
    assert "not steady any more when the event came: look" in found.judgement.reasons[0]
    assert kit.lamp.writes == 0


def test_what_cannot_be_prepared_is_not_waited_for(kit: Kit) -> None:
    with pytest.raises(UnreachableError):
        kit.control.run(waiting("message", broken="prepare"))
    assert kinds(kit) == []


@pytest.mark.parametrize("fault", [kind.name for kind in CHILDRENS])
def test_children_that_only_the_event_brings_are_waited_for(staffed: Kit, fault: str) -> None:
    staffed.world.clock.at(5.0, lambda: staffed.world.processes.start("git push", pid=99, parent=WORKER))
    staffed.world.clock.at(5.0, receive(staffed))
    found = staffed.control.run(replace(waiting("message", mode="children"), fault=fault))
    assert kinds(staffed) == ["Armed", "Fired", "Planned", "Injected"]
    assert found.injected.error is None
    assert {pid for pid, _ in staffed.world.processes.sent} == {99}


@pytest.mark.parametrize("fault", [kind.name for kind in CHILDRENS])
def test_children_that_are_not_there_when_the_event_comes_are_a_refusal(staffed: Kit, fault: str) -> None:
    staffed.world.clock.at(5.0, receive(staffed))
    with pytest.raises(NotNowError, match="has no children now"):
        staffed.control.run(replace(waiting("message", mode="children"), fault=fault))
    assert kinds(staffed) == ["Armed"]
    assert staffed.world.processes.sent == []
    with pytest.raises(NotNowError):  # and nothing is waited for where nothing was to be waited for
        staffed.control.run(replace(request(mode="children"), fault=fault))


def test_a_target_that_has_no_such_event_is_refused_before_anything(tmp_path: Path) -> None:
    bare = Kit(tmp_path)
    with pytest.raises(TargetAbsentError, match="needs a queue"):
        bare.control.run(waiting("message"))
    assert kinds(bare) == []
    with pytest.raises(TargetAbsentError, match="needs a repository"):
        bare.injector.preview(waiting("commit"))


def test_nobody_who_can_be_asked_is_not_the_same_as_no_event(kit: Kit) -> None:
    kit.world.clock.at(5.0, lambda: kit.world.cut("sqs"))
    with pytest.raises(UnreachableError):
        kit.control.run(waiting("message", within_s=10.0))
    assert kit.lamp is not None
    assert kit.lamp.writes == 0


def test_a_silence_that_ends_is_forgiven(kit: Kit) -> None:
    answering = kit.world.sqs
    kit.world.clock.at(2.0, lambda: kit.world.cut("sqs"))
    kit.world.clock.at(4.0, lambda: setattr(kit.world, "sqs", answering))
    kit.world.clock.at(6.0, receive(kit))
    assert kit.control.run(waiting("message")).fired is not None


def test_a_crash_while_it_waits_is_closed_as_aborted(kit: Kit) -> None:
    kit.deadly.dies_at = 4  # after Proposed and Armed
    with pytest.raises(Death):
        kit.control.run(waiting("message"))
    kit.deadly.dies_at, kit.deadly.dead = 0, False
    kit.deadly.moments = 100
    (found,) = kit.control.recover().injections
    assert found.judgement.verdict is not Verdict.NOT_TRIGGERED
    assert found.aborted is not None
    assert kit.lamp is not None
    assert kit.lamp.writes == 0
