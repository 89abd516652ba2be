"""http, process and command: what they call well, failing and unknown."""

import signal
from typing import Any

import pytest

from daemon.core.errors import ChaosdError, ConfigError, TargetAbsentError, UnreachableError
from daemon.core.model import Reading, Status
from daemon.core.parameters import build
from daemon.core.seams import Completed
from daemon.core.target import Processes, Target
from probes.command import Command
from probes.http import Http
from probes.process import Process
from tests.fakes import FakeWorld

TARGET = Target(name="editor", processes=Processes(match="worker"))
SITE = "http://site/"


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld("/private")


def look(kind: Any, world: Any, **parameters: object) -> Reading:
    return build(kind, parameters, where="test").observe(TARGET, world)  # type: ignore[no-any-return]


def names(reading: Reading) -> list[str]:
    return [finding.name for finding in reading.findings]


# --- http ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "parameters", "wrong"),
    [
        ((200, b"hello"), {}, []),
        ((404, b""), {}, ["status"]),
        ((404, b""), {"status": "200-299, 404"}, []),
        ((301, b""), {"status": 301}, []),
        ((200, b"hello"), {"body": "^hel+o$"}, []),
        ((200, b"error"), {"body": "hello"}, ["body"]),
        ((500, b"error"), {"body": "hello"}, ["status", "body"]),
        ((200, b""), {"expect": "duration_seconds <= 1"}, []),
        ((200, b""), {"expect": "status_code == 204"}, ["unexpected"]),
    ],
)
def test_http(world: FakeWorld, answer: tuple[int, bytes], parameters: dict[str, object], wrong: list[str]) -> None:
    world.http.answers[SITE] = answer
    reading = look(Http, world, url=SITE, **parameters)
    assert names(reading) == wrong
    assert reading.status is (Status.FAILING if wrong else Status.OK)
    assert reading.measures["status_code"] == answer[0]


def test_http_silence_is_failing_and_has_no_numbers(world: FakeWorld) -> None:
    reading = look(Http, world, url=SITE)
    assert (reading.status, reading.measures, names(reading)) == (Status.FAILING, {}, ["no-answer"])


def test_http_measures_the_time(world: FakeWorld) -> None:
    def get(*_: object, **__: object) -> tuple[int, bytes]:
        world.clock.advance(0.7)
        return 200, b""

    world.http.get = get  # type: ignore[method-assign]
    assert look(Http, world, url=SITE).measures["duration_seconds"] == pytest.approx(0.7)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"url": "site"},
        {"url": SITE, "status": "2xx"},
        {"url": SITE, "status": "299-200"},
        {"url": SITE, "body": "("},
        {"url": SITE, "expect": "speed > 1"},
    ],
)
def test_http_mistakes_are_told_when_it_is_made(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        build(Http, parameters, where="test")


# --- process ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "parameters", "wrong"),
    [
        (1, {}, []),
        (0, {}, ["too-few"]),
        (2, {"at_least": 3}, ["too-few"]),
        (2, {"at_most": 1}, ["too-many"]),
        (0, {"at_least": 0, "at_most": 0}, []),
        (1, {"at_least": 0, "at_most": 0}, ["too-many"]),
        (1, {"match": "stranger"}, ["too-few"]),
    ],
)
def test_process(world: FakeWorld, count: int, parameters: dict[str, object], wrong: list[str]) -> None:
    for number in range(count):
        world.processes.start(f"worker {number}")
    reading = look(Process, world, **parameters)
    assert names(reading) == wrong
    assert reading.status is (Status.FAILING if wrong else Status.OK)


def test_process_tells_the_age_of_the_oldest(world: FakeWorld) -> None:
    assert look(Process, world).measures == {"count": 0, "stopped": 0}
    world.processes.start("worker old")
    world.clock.advance(60)
    world.processes.start("worker new")
    world.clock.advance(5)
    assert look(Process, world).measures == {"count": 2, "stopped": 0, "oldest_age_seconds": 65}


def test_a_stopped_process_is_there_and_failing(world: FakeWorld) -> None:
    world.processes.start("worker one")
    hung = world.processes.start("worker two")
    world.processes.signal(hung, signal.SIGSTOP)
    reading = look(Process, world)
    assert (reading.status, names(reading)) == (Status.FAILING, ["stopped"])
    assert (reading.measures["count"], reading.measures["stopped"]) == (2, 1)
    assert f"process {hung.pid}" in reading.findings[0].detail
    world.processes.signal(hung, signal.SIGCONT)
    assert look(Process, world).status is Status.OK


def test_process_without_anything_to_find_is_no_success(world: FakeWorld) -> None:
    with pytest.raises(TargetAbsentError, match="bare"):
        Process().observe(Target(name="bare"), world)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="at_most"):
        build(Process, {"at_least": 3, "at_most": 2}, where="test")


# --- command ---------------------------------------------------------------------------------------------


def says(world: FakeWorld, out: str = "", *, code: int = 0, err: str = "") -> None:
    world.commands.answers["measure"] = Completed(code=code, out=out, err=err)


def test_command_is_split_as_a_shell_would_and_run_without_one(world: FakeWorld) -> None:
    says(world)
    assert look(Command, world, run="measure 'two words' $HOME").status is Status.OK
    assert world.commands.ran == [("measure", "two words", "$HOME")]


@pytest.mark.parametrize("code", [1, 127, -9])
def test_command_that_exits_otherwise_is_failing(world: FakeWorld, code: int) -> None:
    says(world, '{"depth": 1}', code=code, err="first\nno such queue\n")
    reading = look(Command, world, run="measure", format="json", expect="depth < 5")
    assert (reading.status, reading.measures["exit_code"]) == (Status.FAILING, code)
    assert "no such queue" in reading.findings[0].detail
    assert "depth" not in reading.measures


@pytest.mark.parametrize(
    ("expect", "status"),
    [
        ("", Status.OK),
        ("depth <= 3 and age_seconds < 2", Status.OK),
        ("depth < 3", Status.FAILING),
        ("other < 3", Status.UNKNOWN),
    ],
)
def test_command_numbers_become_measures(world: FakeWorld, expect: str, status: Status) -> None:
    says(world, '{"depth": 3, "age_seconds": 1.5}')
    reading = look(Command, world, run="measure", format="json", expect=expect)
    assert reading.status is status
    assert (reading.measures["depth"], reading.measures["age_seconds"]) == (3, 1.5)


@pytest.mark.parametrize(
    "out",
    [
        *("", "3", "[]", "null", '{"a": "3"}', '{"a": true}', '{"a": NaN}', '{"a": 1e999}', "{"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"a": 1' + "0" * 400 + "}", id="beyond any float"),
    ],
)
def test_command_that_prints_no_numbers_is_unknown(world: FakeWorld, out: str) -> None:
    says(world, out)
    with pytest.raises(UnreachableError, match="not measured"):
        look(Command, world, run="measure", format="json")


def test_command_that_cannot_start_is_no_success(world: FakeWorld) -> None:
    with pytest.raises(ChaosdError):
        look(Command, world, run="absent")


@pytest.mark.parametrize("parameters", [{}, {"run": " "}, {"run": "a 'b"}, {"run": "a", "expect": "depth < 3"}])
def test_command_mistakes_are_told_when_it_is_made(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        build(Command, parameters, where="test")
