"""What `chaosd config init` finds by itself in an ECS task, and what it does when it cannot."""

from pathlib import Path
from typing import Any

import pytest

from daemon.config import Found, load, starter
from daemon.core.errors import ConfigError
from daemon.faces.cli.detect import detected
from daemon.ports.local import LocalHttp
from daemon.ports.world import VARIABLE
from tests.ecs_metadata import EC2, FARGATE, endpoint, task
from tests.unit.config.test_catalogue import INSTALLED


@pytest.mark.parametrize("answer", [EC2, FARGATE], ids=["EC2", "Fargate"])
def test_the_task_tells_its_cluster_by_its_name_and_its_service(answer: dict[str, Any], tmp_path: Path) -> None:
    with endpoint(answer) as address:
        found = detected({VARIABLE: address}, tmp_path, LocalHttp())
    assert (found.cluster, found.service, found.region) == ("workers", "git-service", "eu-west-1")


@pytest.mark.parametrize("answer", [task(TaskARN="nonsense"), task(Cluster=None)])
def test_a_task_that_does_not_tell_is_said_and_stops_nothing(
    answer: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with endpoint(answer) as address:
        found = detected({VARIABLE: address}, tmp_path, LocalHttp())
    assert (found.cluster, found.service, found.region) == (None, None, None)
    assert "it cannot be told which ECS task this is" in capsys.readouterr().err


def test_a_cluster_nobody_named_is_asked_for_and_not_made_up(tmp_path: Path) -> None:
    text = starter(Found(service="shop"))
    assert "edit-cluster" not in text
    path = tmp_path / "chaosd.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(path, **INSTALLED)
    assert "targets.editor.ecs.cluster" in str(refused.value)
    path.write_text(starter(Found(service="shop", cluster="mine")))
    ecs = load(path, **INSTALLED).targets["editor"].ecs
    assert ecs is not None
    assert (ecs.cluster, ecs.service) == ("mine", "shop")
    assert "# ecs: {cluster: mine, service: edit-service}" in starter(Found(queue="q", cluster="mine"))
