"""The task definitions: valid for AWS's own model of the call, and of the shape the guide promises."""

import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from daemon.config.overlay import ENVIRONMENT
from daemon.core.proxying import ENDPOINTS
from daemon.core.settings import ProxySetting
from daemon.faces.cli import VERBS, main

ROOT = Path(__file__).parents[3]
ECS = ROOT / "deploy" / "ecs"
GUIDE = (ROOT / "docs/deploy-ecs.md").read_text()
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
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
    # stopped after the worker; HEALTHY would keep the worker from starting when chaosd cannot
    assert worker["dependsOn"] == [{"containerName": "chaosd", "condition": "START"}]
    assert (worker["essential"], chaosd["essential"]) == (True, False)
    assert chaosd["restartPolicy"] == {
        "enabled": True,
        "ignoredExitCodes": [2, 78, 143],
        "restartAttemptPeriod": 60,
    }
    assert "within 60 s of its start or of its last restart, and none that ended with 2, 78 or 143" in GUIDE
    assert worker["user"] == chaosd["user"]
    shared = {"sourceVolume": "clone", "containerPath": "/srv/repo"}
    assert shared in worker["mountPoints"]
    assert shared in chaosd["mountPoints"]
    assert given["taskRoleArn"].endswith("/git-worker"), "no right beyond the worker's"


def lines(first: str) -> Any:
    """Return a block of the guide by its first comment."""
    (found,) = re.findall(rf"```yaml\n# {first}[^\n]*\n(.*?)```", GUIDE, re.DOTALL)
    return yaml.safe_load(found)


def test_the_lines_for_the_proxy_fit_the_sidecar_and_each_other() -> None:
    given, config = definition("sidecar.yaml"), lines("in chaosd.yaml")
    (proxy,), more = lines("one more"), lines("to the worker")
    containers = given["containerDefinitions"]
    given["containerDefinitions"] = [*({**c, **more} if c["name"] == "worker" else c for c in containers), proxy]
    assert problems(given) == ""
    chaosd, worker = container(given, "chaosd"), container(given, "worker")
    assert worker["dependsOn"][0] in container(definition("sidecar.yaml"), "worker")["dependsOn"]
    assert worker["dependsOn"][1]["containerName"] == proxy["name"]
    for shared in ("image", "user", "readonlyRootFilesystem"):
        assert proxy[shared] == chaosd[shared]
    assert all(point in chaosd["mountPoints"] for point in proxy["mountPoints"]), "one state directory"
    assert all(variable in chaosd["environment"] for variable in proxy["environment"])
    assert config["proxy"]["start"] is False
    port, asked = ProxySetting().listen.port, {v["name"]: v["value"] for v in worker["environment"]}
    assert asked == {ENDPOINTS[name]: f"http://127.0.0.1:{port}" for name in config["proxy"]["services"]}
    assert not asked.keys() & {variable["name"] for variable in chaosd["environment"]}, (
        "chaosd itself goes straight"
    )
    assert f"('127.0.0.1', {port})" in proxy["healthCheck"]["command"][-1]
    assert main([*proxy["command"], "--help"]) == 0


def test_the_image_is_made_for_the_user_it_runs_as() -> None:
    """In the sidecar that is the worker's, in the controller the image's own and the access point's."""
    user = container(definition("sidecar.yaml"), "chaosd")["user"]
    uid, gid = user.split(":")
    for text in (DOCKERFILE, (ECS / "sidecar.yaml").read_text(), GUIDE):
        assert f"--build-arg UID={uid} --build-arg GID={gid}" in text
    own = dict(re.findall(r"^ARG (UID|GID)=(\d+)$", DOCKERFILE, re.MULTILINE))
    assert own.keys() == {"UID", "GID"}
    assert "USER ${UID}:${GID}" in DOCKERFILE
    assert not re.findall(rf"^(?!ARG ).*{own['UID']}", DOCKERFILE, re.MULTILINE), "said once"
    assert "user" not in container(definition("controller.yaml"), "chaosd")
    assert f"uid and gid {own['UID']}" in (ECS / "controller.yaml").read_text()


@pytest.mark.parametrize("name", FILES)
def test_what_is_mounted_empty_is_declared_in_the_image_so_that_its_user_can_write_there(name: str) -> None:
    declared = json.loads(re.findall(r"^VOLUME (.+)$", DOCKERFILE, re.MULTILINE)[0])
    given = definition(name)
    empty = {volume["name"] for volume in given["volumes"] if "efsVolumeConfiguration" not in volume}
    for point in container(given, "chaosd")["mountPoints"]:
        path = point["containerPath"]
        if point["sourceVolume"] in empty and path not in declared:
            assert f'VOLUME ["{path}"]' in GUIDE, path


def test_the_controller_has_a_role_of_its_own_and_a_journal_that_outlives_it() -> None:
    given = definition("controller.yaml")
    assert given["taskRoleArn"].endswith("/chaosd")
    assert "pidMode" not in given
    (state,) = (v for v in given["volumes"] if v["name"] == "chaosd-state")
    assert state["efsVolumeConfiguration"]["transitEncryption"] == "ENABLED"
