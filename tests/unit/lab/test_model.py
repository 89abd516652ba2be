"""The lab's description of itself."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from daemon.lab.detour import Detour
from daemon.lab.errors import LabError
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


def test_a_lab_behind_a_proxy_says_so_and_only_its_workers_go_through_it() -> None:
    behind = replace(INFO, detour=Detour(behind="http://127.0.0.1:4510/"))
    config = yaml.safe_load(behind.config_yaml())
    assert config["proxy"] == {"listen": "127.0.0.1:4510"}
    assert config["targets"]["editor"]["proxy"] == {"aws": True}
    assert config["targets"]["editor"]["queue"]["url"] == INFO.input_queue_url
    assert behind.seen_by_worker(INFO.input_queue_url) == "http://127.0.0.1:4510/000000000000/edit-input"
    assert LabInfo.from_json(json.loads(json.dumps(behind.to_json()))) == behind


def test_a_lab_behind_proxy_and_relay_says_both() -> None:
    both = replace(INFO, detour=Detour(behind="http://127.0.0.1:4510", relay="127.0.0.1:9419"), remote_port=9418)
    config = yaml.safe_load(both.config_yaml())
    relay = {"name": "origin", "listen": "127.0.0.1:9419", "upstream": "127.0.0.1:9418"}
    assert config["proxy"] == {"listen": "127.0.0.1:4510", "relays": [relay]}
    assert config["targets"]["editor"]["proxy"] == {"aws": True, "git": "origin"}
    assert both.remote_of_worker == "git://127.0.0.1:9419/remote.git"
    assert LabInfo.from_json(json.loads(json.dumps(both.to_json()))) == both


@pytest.mark.parametrize("wrong", [{"behind": "127.0.0.1:4510"}, {"behind": "http://x:99999"}, {"relay": "9419"}])
def test_an_address_that_is_none_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(LabError, match="is no address of a"):
        Detour(**wrong)


def test_a_lab_behind_nothing_has_no_proxy_in_its_configuration() -> None:
    config = yaml.safe_load(INFO.config_yaml())
    assert "proxy" not in config
    assert "proxy" not in config["targets"]["editor"]
    assert INFO.seen_by_worker(INFO.input_queue_url) == INFO.input_queue_url
