"""Slow and fast looking, with real threads and bounded waits."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from daemon.core.errors import UnreachableError
from daemon.core.model import Observation, Phase, Reading, Status
from daemon.core.target import Target
from daemon.engine.prober import FRESH_S, LOOK_MOST_S, Lookout, Prober, ThreadedWatch
from daemon.engine.stop import StopSwitch
from daemon.ports.clock import SystemClock
from tests.fakes import FakeClock, FakeWorld

TARGET = Target(name="t")


class Scripted:
    name: ClassVar[str] = "scripted"
    summary: ClassVar[str] = ""
    measures: ClassVar[Mapping[str, str]] = {}

    def __init__(self, answer: Callable[[int], Reading]) -> None:
        self.looks = 0
        self._answer = answer

    def observe(self, target: Target, world: Any) -> Reading:  # noqa: ARG002
        self.looks += 1
        return self._answer(self.looks)


def lookout(answer: Callable[[int], Reading], every_s: float = 0.01) -> Lookout:
    return Lookout(name="p", target=TARGET, probe=Scripted(answer), every_s=every_s)


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    return FakeWorld(str(tmp_path), clock=SystemClock())


def raising(error: Exception) -> Callable[[int], Reading]:
    def answer(_: int) -> Reading:
        raise error

    return answer


@pytest.mark.parametrize(
    ("error", "finding"), [(UnreachableError("no answer"), "unanswered"), (ZeroDivisionError("oops"), "crashed")]
)
def test_a_probe_that_cannot_answer_or_breaks_is_unknown(world: FakeWorld, error: Exception, finding: str) -> None:
    seen = lookout(raising(error)).look(world)
    assert seen.status is Status.UNKNOWN
    assert [f.name for f in seen.reading.findings] == [finding]


def test_a_watch_collects_hands_on_and_wakes_its_waiter(world: FakeWorld) -> None:
    sent: list[Any] = []
    answer = lookout(lambda n: Reading(status=Status.FAILING if n < 3 else Status.OK))
    with ThreadedWatch([answer], world=world, every_s=0.005, sink=sent.extend) as watch:
        watch.enter(Phase.DURING)
        ok = watch.wait(
            10, until=lambda: any(o.status is Status.OK for o in watch.series()["p"]), stop=StopSwitch()
        )
    assert ok
    assert [o.status for o in watch.series()["p"]][:3] == [Status.FAILING, Status.FAILING, Status.OK]
    assert [s.observation for s in sent] == list(watch.series()["p"])[: len(sent)]
    assert {s.phase for s in sent} <= {Phase.BEFORE, Phase.DURING}


def test_a_watch_stops_at_the_switch_and_at_its_time(world: FakeWorld) -> None:
    stop = StopSwitch()
    with ThreadedWatch([], world=world, every_s=1, sink=lambda _: None) as watch:
        assert watch.wait(0.01, until=lambda: False, stop=stop) is False
        stop.set("now")
        assert watch.wait(3600, until=lambda: False, stop=stop) is False


def test_entering_a_phase_makes_every_probe_look_at_once(world: FakeWorld) -> None:
    answer = lookout(lambda _: Reading(status=Status.OK))
    with ThreadedWatch([answer], world=world, every_s=3600, sink=lambda _: None) as watch:
        assert watch.wait(10, until=lambda: len(watch.series()["p"]) == 1, stop=StopSwitch())
        watch.enter(Phase.AFTER)
        assert watch.wait(10, until=lambda: len(watch.series()["p"]) == 2, stop=StopSwitch())


def test_a_slow_probe_does_not_hold_up_the_end_of_a_watch(world: FakeWorld) -> None:
    gate = threading.Event()

    def hang(_: int) -> Reading:
        gate.wait(30)
        return Reading(status=Status.OK)

    with ThreadedWatch([lookout(hang)], world=world, every_s=1, sink=lambda _: None) as watch:
        assert watch.wait(0.05, until=lambda: False, stop=StopSwitch()) is False
    gate.set()
    assert watch.series()["p"] == ()


def test_the_prober_looks_again_and_again_and_leaves_a_watched_probe_alone(world: FakeWorld) -> None:
    third = threading.Event()
    published: list[Observation] = []

    def publish(seen: Observation) -> None:
        published.append(seen)
        if len(published) == 3:
            third.set()

    busy = Lookout(name="busy", target=TARGET, probe=Scripted(lambda _: Reading(status=Status.OK)), every_s=0.005)
    prober = Prober([lookout(lambda _: Reading(status=Status.OK), 0.005), busy], world=world, publish=publish)
    with busy.lock:
        prober.start()
        assert third.wait(10)
        prober.stop()
    assert {o.probe for o in published[:3]} == {"p"}
    assert prober.latest["p"].status is Status.OK


def test_a_look_without_end_and_a_thread_that_has_ended_are_named(tmp_path: Path) -> None:
    world = FakeWorld(str(tmp_path))
    looking, over = threading.Event(), threading.Event()

    def hang(_: int) -> Reading:
        looking.set()
        over.wait(10)
        return Reading(status=Status.OK)

    prober = Prober([lookout(hang)], world=world, publish=lambda _: None)
    assert prober.ailing() == (), "not started yet"
    prober.start()
    assert looking.wait(10)
    assert prober.ailing() == ()
    world.clock.advance(LOOK_MOST_S + 1)
    assert prober.ailing() == (f"probe p has looked for {LOOK_MOST_S + 1:.0f} s",)
    prober.stop()
    assert prober.ailing() == ()
    over.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_probe_s_thread_that_broke_is_named(world: FakeWorld) -> None:
    def broken(_: Observation) -> None:
        raise RuntimeError("publish")

    prober = Prober([lookout(lambda _: Reading(status=Status.OK))], world=world, publish=broken)
    prober.start()
    prober._threads[0].join(10)
    assert prober.ailing() == ("the thread probe-p has ended",)
    prober.stop()


def test_a_successor_remembers_what_stays_and_forgets_what_is_another(world: FakeWorld) -> None:
    stays = lookout(lambda _: Reading(status=Status.OK))
    prober = Prober([stays], world=world, publish=lambda _: None)
    seen = stays.look(world)
    prober.note(seen)
    assert prober.successor([stays]).latest == {"p": seen}
    assert prober.successor([lookout(lambda _: Reading(status=Status.OK))]).latest == {}
    assert prober.successor([]).latest == {}


def test_a_look_asked_for_is_published_and_one_just_made_is_good_enough(world: FakeWorld) -> None:
    published: list[Observation] = []
    clock = FakeClock()
    world.clock = clock
    one = lookout(lambda n: Reading(status=Status.OK, measures={"n": n}))
    prober = Prober([one], world=world, publish=published.append)
    first = prober.look("p", 1)
    assert prober.look("p", 1) is first
    clock.advance(FRESH_S)
    second = prober.look("p", 1)
    assert second is not None
    assert published == [first, second] == [o for o in published if o is not None]
    assert prober.latest["p"] is second
    with pytest.raises(KeyError):
        prober.look("other", 1)


def test_a_probe_is_never_asked_twice_at_once_and_the_impatient_get_nothing(world: FakeWorld) -> None:
    free, began = threading.Event(), threading.Event()
    inside: list[int] = []
    told: list[Observation] = []

    def slow(_: int) -> Reading:
        inside.append(1)
        assert len(inside) == 1
        began.set()
        free.wait(30)
        inside.pop()
        return Reading(status=Status.OK)

    one = lookout(slow)
    assert one.look_within(world, 0.01, tell=told.append) is None  # too slow, and goes on
    assert began.wait(30)
    assert one.look_within(world, 0.01, tell=told.append) is None  # somebody else looks
    free.set()
    seen = one.look_within(world, 30, tell=told.append)
    assert seen is not None
    assert seen.status is Status.OK
    assert told[-1] is seen


def test_a_look_that_outlasts_who_asked_is_told_late_and_is_seen_meanwhile(tmp_path: Path) -> None:
    world = FakeWorld(str(tmp_path))
    free, began, told = threading.Event(), threading.Event(), threading.Event()
    published: list[Observation] = []

    def slow(_: int) -> Reading:
        began.set()
        free.wait(30)
        return Reading(status=Status.FAILING)

    def publish(observation: Observation) -> None:
        published.append(observation)
        told.set()

    prober = Prober([lookout(slow)], world=world, publish=publish)
    assert prober.look("p", 0.01) is None
    assert began.wait(30)
    world.clock.advance(LOOK_MOST_S + 1)
    assert prober.ailing() == (f"probe p has looked for {LOOK_MOST_S + 1:.0f} s",)
    free.set()
    assert told.wait(30)
    assert [o.status for o in published] == [Status.FAILING]
    assert prober.latest["p"] is published[0]
    assert prober.ailing() == ()


def test_a_look_asked_for_before_the_end_is_nobody_s_afterwards(world: FakeWorld) -> None:
    free, began, published = threading.Event(), threading.Event(), list[Observation]()

    def slow(_: int) -> Reading:
        began.set()
        free.wait(30)
        return Reading(status=Status.OK)

    one = lookout(slow)
    prober = Prober([one], world=world, publish=published.append)
    assert prober.look("p", 0.01) is None
    assert began.wait(30)
    prober.stop()
    free.set()
    assert one.lock.acquire(timeout=30)
    assert published == []
    assert prober.latest == {}
