"""chaosd finds itself from the task metadata endpoint, on EC2 and on Fargate, and leaves its own task alone."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.config import load, origins
from daemon.core.errors import ConfigError, RefusedError, UnreachableError
from daemon.core.model import Order
from daemon.core.settings import Aws
from daemon.core.target import EcsService, Target
from daemon.core.whereabouts import Sibling
from daemon.faces.cli.session import reading
from daemon.ports.local import LocalHttp
from daemon.ports.metadata import discover
from daemon.ports.world import VARIABLE, LocalWorld
from faults.ecs.task_stop import EcsTaskStop
from tests.ecs_metadata import EC2, FARGATE, TASK, endpoint, task
from tests.fakes import FakeWorld

CONFIG = """version: 1
targets:
  editor:
    ecs: {}
experiments:
  - {name: stop, fault: ecs-task-stop, target: editor, every: 1h}
"""


@pytest.mark.parametrize(("answer", "launch"), [(EC2, "EC2"), (FARGATE, "FARGATE")])
def test_a_task_finds_itself_and_its_siblings(answer: dict[str, Any], launch: str) -> None:
    with endpoint(answer) as address:
        found = discover({VARIABLE: address}, LocalHttp())
    assert found is not None
    assert (found.id, found.cluster, found.service, found.launch) == (TASK, "workers", "git-service", launch)
    assert (found.region, found.account) == ("eu-west-1", "111122223333")
    assert (found.family, found.revision, found.container) == ("git-worker", "7", "chaosd")
    image = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/worker:1"
    assert found.siblings == (Sibling(name="worker", image=image, log_group="/ecs/git-worker"),)


def test_a_task_of_its_own_has_no_service() -> None:
    with endpoint(task(Group="family:git-worker", LaunchType="EC2")) as address:
        found = discover({VARIABLE: address}, LocalHttp())
    assert found is not None
    assert found.service is None


@pytest.mark.parametrize("answer", [task(TaskARN="nonsense"), task(Cluster=None), task(TaskARN=None)])
def test_an_answer_that_makes_no_sense_is_one_error(answer: dict[str, Any]) -> None:
    with endpoint(answer) as address, pytest.raises(UnreachableError, match="cannot be told which ECS task"):
        discover({VARIABLE: address}, LocalHttp())


def test_an_endpoint_that_refuses_is_no_answer_and_none_outside_ecs() -> None:
    with endpoint(EC2, status=429) as address, pytest.raises(UnreachableError, match="answers 429"):
        discover({VARIABLE: address}, LocalHttp())
    with pytest.raises(UnreachableError):
        discover({VARIABLE: "http://127.0.0.1:1/v4/id"}, LocalHttp())
    assert discover({}, LocalHttp()) is None


@pytest.mark.parametrize("answer", [EC2, FARGATE])
def test_the_configuration_may_leave_out_what_the_task_knows(
    answer: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chaosd.yaml"
    path.write_text(CONFIG)
    with endpoint(answer) as address:
        monkeypatch.setenv(VARIABLE, address)
        settings = load(path, **reading())
        found = {o.key: (o.value, o.origin) for o in origins(path, **reading())}
    assert settings.targets["editor"].ecs == EcsService(cluster="workers", service="git-service")
    assert found["targets.editor.ecs.cluster"] == ("workers", "metadata")
    assert found["targets.editor.ecs.service"] == ("git-service", "metadata")
    assert found["aws.region"] == ("eu-west-1", "metadata")


def test_what_the_file_says_stands_and_another_cluster_s_service_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chaosd.yaml"
    with endpoint(EC2) as address:
        monkeypatch.setenv(VARIABLE, address)
        path.write_text(CONFIG.replace("{}", "{service: other}") + "aws: {region: us-east-1}\n")
        settings = load(path, **reading())
        assert settings.targets["editor"].ecs == EcsService(cluster="workers", service="other")
        assert settings.aws.region == "us-east-1"
        path.write_text(CONFIG.replace("{}", "{cluster: elsewhere}"))
        with pytest.raises(ConfigError, match=r"targets\.editor\.ecs\.service: is required"):
            load(path, **reading())


def test_outside_ecs_and_without_an_answer_the_keys_are_missing_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chaosd.yaml"
    path.write_text(CONFIG)
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=r"targets\.editor\.ecs\.cluster: is required"):
        load(path, **reading())
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:1/v4/id")
    with pytest.raises(ConfigError, match=r"ecs: what it leaves out cannot be found: it cannot be told"):
        load(path, **reading())


def order() -> Order:
    target = Target(name="editor", ecs=EcsService(cluster="workers", service="git-service"))
    return Order(injection="inj-1", target=target, dice=Random(1))


def stopped(fault: EcsTaskStop, world: FakeWorld) -> set[str]:
    return set(fault.prepare(order(), world).data["stop"])


def test_its_own_task_is_left_alone_and_refused_where_it_is_the_only_one() -> None:
    world = FakeWorld("/nowhere")
    world.ecs.add("workers", "git-service", 3)
    own, *others = (t.id for t in world.ecs.service("workers", "git-service").tasks)
    world.own_task = own
    assert stopped(EcsTaskStop(mode="all"), world) == set(others)
    assert all(stopped(EcsTaskStop(mode="oldest", count=n), world) <= set(others) for n in (1, 2, 3))
    assert own in stopped(EcsTaskStop(mode="all", own_task=True), world)
    lonely = FakeWorld("/nowhere")
    lonely.ecs.add("workers", "git-service", 1)
    lonely.own_task = lonely.ecs.service("workers", "git-service").tasks[0].id
    with pytest.raises(RefusedError, match="is the one chaosd itself runs in") as refused:
        EcsTaskStop(mode="random").prepare(order(), lonely)
    assert refused.value.rule == "own-task"
    assert EcsTaskStop(mode="random", own_task=True).prepare(order(), lonely).data["stop"]


def test_nothing_is_stopped_while_it_cannot_be_told_which_task_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = LocalWorld(aws=Aws(), private=tmp_path)
    with endpoint(FARGATE) as address:
        monkeypatch.setenv(VARIABLE, address)
        assert world.own_task == TASK
    fresh = LocalWorld(aws=Aws(), private=tmp_path)
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:1/v4/id")
    with pytest.raises(UnreachableError):
        _ = fresh.own_task
    monkeypatch.delenv(VARIABLE)
    assert fresh.own_task == ""
