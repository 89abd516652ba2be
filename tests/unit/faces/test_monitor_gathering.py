"""What the monitor gathers: side by side, kept, and unknown when it cannot be seen."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.core.cloud import LogEvent, Message
from daemon.core.errors import TargetAbsentError, UnreachableError
from daemon.core.model import Observation, Reading, Status
from daemon.core.panorama import Branch, Standing
from daemon.core.settings import ProbeSetting, Sampling, Settings
from daemon.core.target import Deployment, EcsService, Logs, Queue, Repository, Target
from daemon.faces.cli import parts
from daemon.faces.cli.panorama import CHAOSD, SITUATION, STALE_S, Gatherer, Panorama, Source
from tests.fakes import FakeClock, FakeWorld

PATIENCE_S = 20.0


def source(part: str, look: Callable[[], Any], **more: Any) -> Source:
    return Source(target="editor", part=part, look=look, **more)


def of(gatherer: Gatherer, part: str) -> Source:
    return next(s for s in gatherer.sources() if s.part == part)


def fails() -> Any:
    raise UnreachableError("not looked at: \x1b[31mnobody\x1b[0m answers")


def test_a_part_that_fails_does_not_stop_the_others_and_comes_back() -> None:
    clock, answers = FakeClock(), [fails, lambda: 2]

    def look() -> Any:
        return answers.pop(0)()

    gatherer = Gatherer([source("a", look), source("b", lambda: 1)], clock)
    gatherer.refresh(PATIENCE_S)
    assert (of(gatherer, "a").value, of(gatherer, "b").value) == (None, 1)
    assert "answers" in of(gatherer, "a").unseen(clock.instant().mono_s)
    gatherer.refresh(PATIENCE_S)
    assert (of(gatherer, "a").value, of(gatherer, "a").reason) == (2, "")


def test_a_slow_part_shows_its_last_figures_until_they_are_too_old() -> None:
    clock, gate, calls = FakeClock(), threading.Event(), []

    def slow() -> int:
        calls.append(1)
        if len(calls) > 1:
            gate.wait(PATIENCE_S)
        return len(calls)

    gatherer = Gatherer([source("slow", slow)], clock)
    gatherer.refresh(PATIENCE_S)
    for passed_s, unseen in ((0.0, ""), (STALE_S, ""), (1.0, "no answer for 31 s")):
        clock.advance(passed_s)
        gatherer.refresh(0.0)  # never asked twice at once
        assert (of(gatherer, "slow").value, len(calls)) == (1, 2)
        assert of(gatherer, "slow").unseen(clock.instant().mono_s) == unseen
    gate.set()
    assert gatherer.settle(PATIENCE_S)
    assert of(gatherer, "slow").value == 2
    assert of(gatherer, "slow").unseen(clock.instant().mono_s) == ""


def test_a_part_that_never_answered_says_how_long() -> None:
    clock, gate = FakeClock(), threading.Event()
    gatherer = Gatherer([source("slow", lambda: gate.wait(PATIENCE_S))], clock)
    gatherer.refresh(0.0)
    clock.advance(3.0)
    assert of(gatherer, "slow").unseen(clock.instant().mono_s) == "no answer yet after 3 s"
    gate.set()
    assert gatherer.settle(PATIENCE_S)


def test_a_part_that_crashes_is_unknown() -> None:
    crashing = source("a", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # in its thread: Python tells where, and the page goes on
        Gatherer([crashing], FakeClock())._look(crashing)
    assert crashing.reason == "the look broke off"


def test_a_part_with_an_interval_is_left_alone_meanwhile() -> None:
    clock, calls = FakeClock(), []
    gatherer = Gatherer([source("a", lambda: calls.append(1), every_s=5.0)], clock)
    for passed_s, times in ((0.0, 1), (4.0, 1), (1.0, 2)):
        clock.advance(passed_s)
        gatherer.refresh(PATIENCE_S)
        assert len(calls) == times


def situation(**more: Any) -> dict[str, Any]:
    return {**{key: [] for key in SITUATION}, "daemon": {"pid": 1}, "halted": None, **more}


def panorama(*sources: Source, clock: FakeClock) -> Panorama:
    settings = Settings(
        sampling=Sampling(probe_every_s=1.0),
        targets={"editor": Target(name="editor")},
        probes=(ProbeSetting(name="tasks", probe="ecs-service", target="editor", every_s=15.0),),
        steady_state={"editor": ("tasks", "site")},
    )
    made = Panorama(gatherer=Gatherer(sources, clock), clock=clock, settings=settings)
    made.gatherer.refresh(PATIENCE_S)
    return made


def look_of(probe: str, status: str, target: str = "editor", at: str = "2025-06-15T15:06:30Z") -> dict[str, Any]:
    return {"probe": probe, "target": target, "status": status, "at": at}


@pytest.mark.parametrize(
    ("seen", "status", "because"),
    [
        ([look_of("tasks", "ok"), look_of("site", "ok")], "ok", []),
        ([look_of("tasks", "ok"), look_of("site", "ok", target="other")], "unknown", ["site"]),
        ([look_of("tasks", "failing")], "failing", ["tasks"]),
        (None, "unknown", ["tasks", "site"]),
        # Looked at every 15 s, an answer of a minute and more ago is none.
        ([look_of("tasks", "ok", at="2025-06-15T15:05:39Z"), look_of("site", "ok")], "unknown", ["tasks"]),
        ([look_of("tasks", "ok", at="2025-06-15T15:05:41Z"), look_of("site", "ok")], "ok", []),
    ],
)
def test_steady_is_what_all_its_probes_say(seen: Any, status: str, because: list[str]) -> None:
    clock = FakeClock()
    chaosd = Source(target="", part=CHAOSD, look=lambda: situation(observations=seen))
    (found,) = panorama(chaosd, clock=clock).document()["targets"]
    assert found["steady"] == {"status": status, "because": because}


def test_the_document_tells_what_could_not_be_seen() -> None:
    clock = FakeClock()
    chaosd = Source(target="", part=CHAOSD, look=fails)
    found = panorama(chaosd, source("queue", fails), clock=clock).document()
    assert found["unseen"] == [{"part": "chaosd", "reason": "not looked at: nobody answers"}]
    assert [found[key] for key in SITUATION] == [None] * len(SITUATION)
    (target,) = found["targets"]
    assert target["queue"] is None
    assert target["unseen"] == [{"part": "queue", "reason": "not looked at: nobody answers"}]


class Followed:
    """Branches as a test wants them."""

    def __init__(self, answer: Any = (Standing.TIP, "main", 0)) -> None:
        self.answer = answer

    def newest(self, most: int) -> tuple[Branch, ...]:
        return tuple(Branch(name=f"b{n}", commit="a" * 40, at_s=0.0, author="x", subject="y") for n in range(most))

    def standing(self, branch: str | None, commit: str) -> Any:  # noqa: ARG002
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    made = FakeWorld(str(tmp_path))
    made.ecs.add("c", "s", 2)
    made.sqs.add("q", dead_letter="d")
    made.sqs.add("d")
    made.logs.groups["g"] = []
    return made


TARGET = Target(
    name="editor",
    ecs=EcsService(cluster="c", service="s"),
    queue=Queue(url="q"),
    repository=Repository(worktree=("/w",)),
    deployment=Deployment(bucket="b"),
    logs=Logs(group="g"),
)


def seen_by(world: FakeWorld, followed: Any = None, target: Target = TARGET) -> dict[str, Any]:
    looks = parts.looks(target, world, followed or Followed(), lines=3, most=2)
    now_s = world.clock.instant().wall_s
    return {part: parts.document(part, now_s, look()) for part, look in looks.items()}


def test_every_part_of_a_target_in_its_shape(world: FakeWorld) -> None:
    world.s3.upload("b", "index.html", b"x", commit="a" * 40, branch="main")
    world.clock.advance(8.0)
    found = seen_by(world)
    assert found["tasks"]["service"] == {"desired": 2, "running": 2, "pending": 0}
    assert [task["age"] for task in found["tasks"]["tasks"]] == [10.0, 9.0]
    assert found["queue"]["queue"] == {
        "visible": 0,
        "in_flight": 0,
        "delayed": 0,
        "dead_letter": 0,
        "waiting_for": None,
    }
    assert [b["name"] for b in found["branches"]["branches"]] == ["b0", "b1"]
    deployed = found["deployment"]["deployment"]
    assert (deployed["standing"], deployed["behind"], deployed["age"], deployed["size"]) == ("tip", 0, 8.0, 1)
    assert found["logs"] == {"logs": []}


def test_only_the_parts_a_target_has(world: FakeWorld) -> None:
    assert seen_by(world, target=Target(name="bare")) == {}
    assert parts.looks(TARGET, world, Followed(), lines=0, most=0).keys() == {"tasks", "queue", "deployment"}  # type: ignore[arg-type]


def test_a_queue_remembers_since_when_it_is_not_empty(world: FakeWorld) -> None:
    look = parts.QueueLook(Queue(url="q"), world)  # type: ignore[arg-type]
    world.sqs.send("q", [_message()])
    first_s = look.look().waiting_since_s
    world.clock.advance(9.0)
    assert look.look().waiting_since_s == first_s == world.clock.instant().wall_s - 9.0
    taken = world.sqs.receive("q")
    assert look.look().waiting_since_s is None
    world.sqs.delete("q", [t.handle for t in taken])


def _message() -> Any:
    return Message(body="x", attributes={})


@pytest.mark.parametrize(
    ("metadata", "answer", "why"),
    [
        ({}, (Standing.TIP, "main", 0), "its metadata names no commit"),
        ({"commit": "a" * 40}, UnreachableError("the remote is away"), "the remote is away"),
        (
            {"commit": "a" * 40},
            (Standing.UNKNOWN, None, None),
            "not compared yet, or its branch is not on the remote",
        ),
    ],
)
def test_a_deployment_that_cannot_be_compared_is_unknown(
    world: FakeWorld, metadata: dict[str, str], answer: Any, why: str
) -> None:
    world.s3.upload("b", "index.html", b"x", **metadata)
    found = parts.DeploymentLook(Deployment(bucket="b"), world, Followed(answer)).look()  # type: ignore[arg-type]
    assert (found.standing, found.why) == (Standing.UNKNOWN, why)
    alone = parts.DeploymentLook(Deployment(bucket="b"), world, None).look()  # type: ignore[arg-type]
    assert alone.standing is Standing.UNKNOWN


def test_a_deployment_that_is_not_there(world: FakeWorld) -> None:
    assert seen_by(world)["deployment"]["deployment"]["standing"] == "absent"


def test_log_lines_are_followed_without_doubles_and_late_ones_are_sorted_in(world: FakeWorld) -> None:
    look = parts.LogLook(Logs(group="g"), world, 3)  # type: ignore[arg-type]
    now_s = world.clock.instant().wall_s

    def say(name: str, ago_s: float) -> None:
        world.logs.groups["g"].append(LogEvent(id=name, at_s=now_s - ago_s, stream="s", message=name))

    say("hours ago", 10_000.0)
    assert [line.text for line in look.look()] == ["hours ago"]
    say("new", 1.0)
    say("newer", 0.5)
    assert [line.text for line in look.look()] == ["hours ago", "new", "newer"]
    say("late", 0.7)
    assert [line.text for line in look.look()] == ["new", "late", "newer"]
    assert [line.text for line in look.look()] == ["new", "late", "newer"]
    del world.logs.groups["g"]
    with pytest.raises(TargetAbsentError):
        look.look()


def test_an_own_probe_stands_in_for_a_daemon() -> None:
    clock = FakeClock()
    seen = Observation(
        probe="tasks",
        target="editor",
        asked=clock.instant(),
        answered=clock.instant(),
        reading=Reading(status=Status.OK),
    )
    chaosd = Source(target="", part=CHAOSD, look=lambda: situation(daemon=None))
    found = panorama(chaosd, source("probe:tasks", lambda: seen), clock=clock).document()
    assert [o["probe"] for o in found["observations"]] == ["tasks"]
    assert found["targets"][0].keys() == {"target", "steady", "unseen", "ages"}
