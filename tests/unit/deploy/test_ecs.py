"""The task definitions: valid for AWS's own model of the call, and of the shape the guide promises."""

from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from daemon.config.overlay import ENVIRONMENT
from daemon.faces.cli import VERBS

ECS = Path(__file__).parents[3] / "deploy" / "ecs"
FILES = sorted(path.name for path in ECS.glob("*.yaml"))


def definition(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ECS / name).read_text()))


def problems(given: dict[str, Any]) -> str:
    """Return what botocore would refuse to send."""
    model = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition")
    return str(ParamValidator().validate(given, model.input_shape).generate_report())


def container(given: dict[str, Any], name: str) -> dict[str, Any]:
    return dict(next(c for c in given["containerDefinitions"] if c["name"] == name))


@pytest.mark.parametrize("name", FILES)
def test_a_definition_is_what_register_task_definition_takes(name: str) -> None:
    assert problems(definition(name)) == ""
    wrong = definition(name)
    wrong["containerDefinitions"][0]["esential"] = True
    assert "esential" in problems(wrong), "a mistake is found"


@pytest.mark.parametrize("name", FILES)
def test_chaosd_is_read_only_is_asked_for_its_health_and_has_time_to_undo(name: str) -> None:
    given = definition(name)
    chaosd = container(given, "chaosd")
    assert chaosd["readonlyRootFilesystem"] is True
    assert chaosd["linuxParameters"] == {"initProcessEnabled": True}
    assert 90 <= chaosd["stopTimeout"] <= 120, "Fargate's most is 120"
    assert chaosd["healthCheck"]["command"] == ["CMD", "chaosd", "health"]
    assert "health" in VERBS["Look"]
    names = {variable["name"] for variable in chaosd["environment"]}
    assert names <= {*ENVIRONMENT, "CHAOSD_STATE_DIR"}
    mounted = {point["sourceVolume"] for point in chaosd["mountPoints"]}
    assert mounted <= {volume["name"] for volume in given["volumes"]}
    state = next(v["value"] for v in chaosd["environment"] if v["name"] == "CHAOSD_STATE_DIR")
    assert {state, "/tmp"} <= {point["containerPath"] for point in chaosd["mountPoints"]}  # noqa: S108  theirs


def test_the_sidecar_shares_clone_and_processes_and_neither_ends_nor_outlives_the_worker() -> None:
    given = definition("sidecar.yaml")
    worker, chaosd = container(given, "worker"), container(given, "chaosd")
    assert given["pidMode"] == "task"
    assert worker["dependsOn"] == [{"containerName": "chaosd", "condition": "HEALTHY"}]
    assert (worker["essential"], chaosd["essential"]) == (True, False)
    assert chaosd["restartPolicy"]["enabled"] is True
    assert worker["user"] == chaosd["user"]
    shared = {"sourceVolume": "clone", "containerPath": "/srv/repo"}
    assert shared in worker["mountPoints"]
    assert shared in chaosd["mountPoints"]
    assert given["taskRoleArn"].endswith("/git-worker"), "no right beyond the worker's"


def test_the_controller_has_a_role_of_its_own_and_a_journal_that_outlives_it() -> None:
    given = definition("controller.yaml")
    assert given["taskRoleArn"].endswith("/chaosd")
    assert "pidMode" not in given
    (state,) = (v for v in given["volumes"] if v["name"] == "chaosd-state")
    assert state["efsVolumeConfiguration"]["transitEncryption"] == "ENABLED"
