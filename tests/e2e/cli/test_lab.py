"""The lab by itself: up, looked at through the configuration it prints, down, gone."""

import signal
from pathlib import Path

from tests.e2e.cli.conftest import Cli
from tests.e2e.cli.test_demo import await_words, users_of

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def test_up_look_down(chaosd: Cli, tmp_path: Path) -> None:
    place = tmp_path / "lab"
    up = chaosd("lab", "up", "--dir", place)
    try:
        assert up.code == 0, up.err
        config = chaosd.config(up.out)  # what it prints is a configuration
        assert (place / "chaosd.yaml").read_text() == up.out
        looked = chaosd("probe", "tasks", "repository", "-c", config, "-o", "json", **KEYS)
        assert [o["status"] for o in looked.json["observations"]] == ["ok", "ok"]
        found = chaosd("lab", "status", "--dir", place, "-o", "json")
        assert (found.code, found.json["running"], len(found.json["tasks"])) == (0, True, 2)
        watched = chaosd("monitor", "-c", config, **KEYS)
        assert watched.code == 0
        assert "desired=2" in watched.out
    finally:
        down = chaosd("lab", "down", "--dir", place)
    assert down.code == 0
    assert not place.exists()
    assert users_of(place) == []
    assert chaosd("lab", "status", "--dir", place).code == 1
    assert chaosd("lab", "down", "--dir", place).out == "there was no lab\n"


def test_interrupted_while_it_comes_up(chaosd: Cli, tmp_path: Path) -> None:
    place = tmp_path / "lab"
    child = chaosd.begin("lab", "up", "--dir", place)
    await_words(child, "creating queues")
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 143
    assert "SIGTERM received" in err
    assert "Traceback" not in err
    assert not place.exists()
    assert users_of(place) == []
