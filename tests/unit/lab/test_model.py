"""The lab's description of itself."""

import json
from pathlib import Path

import yaml

from daemon.lab.model import LabInfo

INFO = LabInfo(
    directory=Path("/srv/lab of mine"),
    tasks=2,
    defect=None,
    build_s=0.1,
    endpoint_url="http://127.0.0.1:4567",
    region="us-west-2",
    cluster="edit-cluster",
    service="edit-service",
    input_queue_url="http://127.0.0.1:4567/000000000000/edit-input",
    responses_queue_url="http://127.0.0.1:4567/000000000000/edit-responses",
    dead_letter_queue_url="http://127.0.0.1:4567/000000000000/edit-dead-letter",
    interrupt_queue_url="http://127.0.0.1:4567/000000000000/edit-interrupts",
    bucket="edit-site",
    key="index.html",
    log_group="/ecs/edit",
    remote=Path("/srv/lab of mine/remote.git"),
    clones=Path("/srv/lab of mine/clones"),
)


def test_the_description_survives_json() -> None:
    assert LabInfo.from_json(json.loads(json.dumps(INFO.to_json()))) == INFO


def test_the_rendered_configuration_points_at_the_lab() -> None:
    config = yaml.safe_load(INFO.config_yaml())
    target = config["targets"]["editor"]
    assert config["aws"] == {"region": "us-west-2", "endpoint_url": INFO.endpoint_url}
    assert target["queue"]["interrupts"] == INFO.interrupt_queue_url
    assert target["repository"]["worktree"] == "/srv/lab of mine/clones/*"
    assert target["repository"]["remote"] == "/srv/lab of mine/remote.git"
    assert target["processes"]["match"] == INFO.worker_match
    assert config["guard"]["require_tag"] == {"key": "chaosd:allow", "value": "true"}
