"""What the probes of tasks, backlog, deployment and logs call healthy."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.core.cloud import LogEvent, Message
from daemon.core.errors import TargetAbsentError
from daemon.core.model import Reading, Status
from daemon.core.parameters import build
from daemon.core.target import Deployment, EcsService, Logs, Queue, Target
from probes import ecs, logs, s3, sqs
from tests.fakes import FakeWorld

TARGET = Target(
    name="t",
    ecs=EcsService(cluster="c", service="s"),
    queue=Queue(url="sqs://input"),
    deployment=Deployment(bucket="b", key="index.html"),
    logs=Logs(group="/g"),
)
MESSAGE = Message(body="x", attributes={})


@pytest.fixture
def world() -> FakeWorld:
    made = FakeWorld("/nowhere")
    made.ecs.add("c", "s", 2, replace_s=4.0)
    made.sqs.add("sqs://input", dead_letter="sqs://dead", max_receives=3)
    made.sqs.add("sqs://dead")
    made.logs.groups["/g"] = []
    return made


def names(reading: Reading) -> list[str]:
    return [f.name for f in reading.findings]


@pytest.mark.parametrize("probe", [ecs.EcsService(), sqs.SqsBacklog(), s3.S3Freshness(), logs.LogErrors()])
def test_a_target_without_the_part_is_absent_not_healthy(probe: Any, world: FakeWorld) -> None:
    with pytest.raises(TargetAbsentError):
        probe.observe(Target(name="bare"), world)


# --- ecs-service


def test_a_full_service_is_healthy_and_ages_are_told(world: FakeWorld) -> None:
    world.clock.advance(10)
    reading = ecs.EcsService().observe(TARGET, world)
    assert reading.status is Status.OK
    assert reading.measures == {
        "desired": 2, "running": 2, "healthy": 2, "pending": 0, "oldest_age_seconds": 12, "newest_age_seconds": 11,
    }  # fmt: skip


def test_a_stopped_task_is_missing_until_its_replacement_runs(world: FakeWorld) -> None:
    kept, gone = world.ecs.service("c", "s").tasks
    world.ecs.stop_task("c", gone.id, "test")
    reading = ecs.EcsService().observe(TARGET, world)
    assert (reading.status, names(reading)) == (Status.FAILING, ["task-missing"])
    assert kept.id in reading.findings[0].detail
    assert gone.id not in reading.findings[0].detail
    world.clock.advance(4)
    assert ecs.EcsService().observe(TARGET, world).status is Status.OK
    assert ecs.EcsService(min_age=5).observe(TARGET, world).status is Status.FAILING
    world.clock.advance(5)
    assert ecs.EcsService(min_age=5).observe(TARGET, world).status is Status.OK


@pytest.mark.parametrize(
    ("change", "found"),
    [({"health": "UNHEALTHY"}, "task-unhealthy"), ({"last_status": "PENDING"}, "task-missing")],
)
def test_an_unhealthy_or_starting_task_fails(world: FakeWorld, change: dict[str, Any], found: str) -> None:
    whole = world.ecs.service("c", "s")
    tasks = (replace(whole.tasks[0], **change), whole.tasks[1])
    world.ecs.service = lambda *_: replace(whole, tasks=tasks)  # type: ignore[method-assign]
    reading = ecs.EcsService().observe(TARGET, world)
    assert (reading.status, names(reading)) == (Status.FAILING, [found])
    assert reading.measures["healthy"] == 1


def test_a_service_scaled_to_nothing_is_healthy_without_ages(world: FakeWorld) -> None:
    world.ecs.add("c", "s", 0)
    reading = ecs.EcsService().observe(TARGET, world)
    assert reading.status is Status.OK
    assert "oldest_age_seconds" not in reading.measures


# --- sqs-backlog


def test_every_counter_is_measured_and_judged(world: FakeWorld) -> None:
    world.sqs.send("sqs://input", [MESSAGE] * 4)
    world.sqs.receive("sqs://input", most=1)
    world.sqs.send("sqs://dead", [MESSAGE])
    reading = sqs.SqsBacklog(expect="visible <= 3 and in_flight == 1").observe(TARGET, world)
    assert reading.status is Status.OK
    assert reading.measures == {"visible": 3, "in_flight": 1, "delayed": 0, "dead_letter": 1, "still_seconds": 0}
    failing = sqs.SqsBacklog(expect="visible <= 2").observe(TARGET, world)
    assert (failing.status, names(failing)) == (Status.FAILING, ["unexpected"])


def test_a_queue_that_stands_still_is_told_from_one_that_is_worked_on_and_from_an_empty_one(
    world: FakeWorld,
) -> None:
    probe = sqs.SqsBacklog(expect="still_seconds <= 30")
    world.sqs.send("sqs://input", [MESSAGE] * 3)
    world.sqs.receive("sqs://input", most=1, visibility_s=1000)

    def look(after_s: float) -> tuple[float, str]:
        world.clock.advance(after_s)
        reading = probe.observe(TARGET, world)
        return reading.measures["still_seconds"], reading.status

    assert look(10) == (0, "ok"), "the first look compares with nothing"
    assert look(20) == (20, "ok")
    assert look(11) == (31, "failing"), "somebody holds a message, and the others wait"
    world.sqs.receive("sqs://input", most=1, visibility_s=1000)
    assert look(5) == (0, "ok"), "somebody takes one more"
    world.sqs.add("sqs://input", dead_letter="sqs://dead")
    assert look(1) == (0, "ok")
    assert look(100) == (0, "ok"), "nothing waits"


def test_growth_of_the_dead_letter_queue_is_found_and_counted_anew_after_it_was_emptied(world: FakeWorld) -> None:
    world.sqs.send("sqs://dead", [MESSAGE] * 2)
    probe = sqs.SqsBacklog()
    assert names(probe.observe(TARGET, world)) == []
    world.sqs.send("sqs://dead", [MESSAGE])
    grown = probe.observe(TARGET, world)
    assert names(grown) == ["dead-letter-growth"]
    assert grown.findings[0].detail.startswith("1 more")
    world.sqs._queues["sqs://dead"].items.clear()
    assert names(probe.observe(TARGET, world)) == []
    world.sqs.send("sqs://dead", [MESSAGE])
    assert names(probe.observe(TARGET, world)) == ["dead-letter-growth"]


def test_an_expectation_of_a_queue_that_is_not_there_is_unknown(world: FakeWorld) -> None:
    world.sqs.add("sqs://input")
    reading = sqs.SqsBacklog(expect="dead_letter == 0").observe(TARGET, world)
    assert reading.status is Status.UNKNOWN


def test_a_wrong_expectation_is_told_when_the_probe_is_made() -> None:
    with pytest.raises(Exception, match="did you mean 'visible'"):
        build(sqs.SqsBacklog, {"expect": "visibl <= 1"}, where="probe backlog")


# --- s3-freshness


def test_a_missing_object_fails(world: FakeWorld) -> None:
    reading = s3.S3Freshness().observe(TARGET, world)
    assert (reading.status, names(reading)) == (Status.FAILING, ["object-absent"])


def test_age_size_and_commit_are_told_and_age_is_limited(world: FakeWorld) -> None:
    world.s3.upload("b", "index.html", b"hello", commit="abc123")
    world.clock.advance(60)
    reading = s3.S3Freshness().observe(TARGET, world)
    assert reading.status is Status.OK
    assert reading.measures == {"age_seconds": 60, "size_bytes": 5}
    assert [(f.name, f.detail) for f in reading.findings] == [("deployed-commit", "abc123")]
    assert s3.S3Freshness(max_age=60).observe(TARGET, world).status is Status.OK
    assert s3.S3Freshness(max_age=59).observe(TARGET, world).status is Status.FAILING


# --- log-errors


def log(world: FakeWorld, text: str, *, ago_s: float = 0.0) -> None:
    known = world.logs.groups["/g"]
    known.append(LogEvent(id=f"e{len(known)}", at_s=world.clock.instant().wall_s - ago_s, stream="s", message=text))


def errors(probe: logs.LogErrors, world: FakeWorld) -> float:
    return probe.observe(TARGET, world).measures["errors"]


def test_each_error_is_counted_once_although_windows_overlap(world: FakeWorld) -> None:
    probe = logs.LogErrors()
    log(world, "ERROR one", ago_s=60)
    log(world, "all is well")
    assert errors(probe, world) == 1
    assert errors(probe, world) == 0
    world.clock.advance(10)
    log(world, "Error two")
    log(world, "error that arrived late", ago_s=80)
    assert errors(probe, world) == 2
    assert errors(probe, world) == 0


def test_what_left_the_window_is_forgotten_and_not_counted_again(world: FakeWorld) -> None:
    probe = logs.LogErrors()
    for _ in range(20):
        log(world, "error")
        assert errors(probe, world) == 1
        world.clock.advance(30)
    assert len(probe._seen) <= 4


def test_more_errors_than_allowed_fail_with_the_first_lines(world: FakeWorld) -> None:
    for number in range(5):
        log(world, f"error {number}")
    assert logs.LogErrors(allow=5).observe(TARGET, world).status is Status.OK
    reading = logs.LogErrors(allow=4).observe(TARGET, world)
    assert reading.status is Status.FAILING
    assert [f.detail for f in reading.findings] == ["error 0", "error 1", "error 2"]


def test_a_line_must_match_here_too(world: FakeWorld) -> None:
    log(world, '{"level": "error", "text": "x"}')
    log(world, '{"level": "info", "text": "no error"}')
    assert errors(logs.LogErrors(match='"level": "error"'), world) == 1


def test_a_bad_expression_is_told_when_the_probe_is_made() -> None:
    with pytest.raises(ValueError, match="no regular expression"):
        logs.LogErrors(match="(")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("Error: token=abc123 refused", "Error: token=*** refused"),
        ("error Authorization: Bearer eyJ.x.y!", "error Authorization: Bearer ***"),
        ('error {"password": "hunter2", "user": "u"}', 'error {"password": "***", "user": "u"}'),
        ("error key AKIAIOSFODNN7EXAMPLE", "error key ***"),
        ("error\n  at line 3", "error at line 3"),
    ],
)
def test_secrets_and_line_breaks_are_taken_out(line: str, kept: str) -> None:
    assert logs.redacted(line) == kept


def test_long_lines_are_cut() -> None:
    assert logs.redacted("e" * 500) == "e" * 197 + "..."
