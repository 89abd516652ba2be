"""``chaosd scenario``: the list, and what is wrong is said before anything is sent."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.core.gittable import GIT_SCENARIOS
from daemon.core.workloads import SCENARIOS

CHAOSD = str(Path(sys.executable).parent / "chaosd")
CONFIG = """\
version: 1
aws: {region: us-west-2, endpoint_url: "http://127.0.0.1:9"}
targets:
  editor:
    queue: {url: "http://127.0.0.1:9/0/input"}
    repository: {worktree: /nowhere, remote: /nowhere/remote.git}
  other: {repository: {worktree: /nowhere}}
"""


def chaosd(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (directory / "chaosd.yaml").write_text(CONFIG)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return subprocess.run(
        [CHAOSD, *words],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "CHAOSD_STATE_DIR": str(directory / "s"), **keys},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_list_names_every_scenario_with_its_parameters(tmp_path: Path) -> None:
    listed = json.loads(chaosd(tmp_path, "scenario", "list", "-o", "json").stdout)
    assert listed["schema_version"] == 1
    assert [s["name"] for s in listed["scenarios"]] == list(SCENARIOS)
    by_name = {s["name"]: s for s in listed["scenarios"]}
    assert by_name["rapid-switching"]["parameters"]["messages"]["default"] == 8
    assert all(s["expects"] for s in listed["scenarios"])
    assert [s["name"] for s in listed["git_scenarios"]] == list(GIT_SCENARIOS)
    shown = chaosd(tmp_path, "scenario", "list")
    assert all(name in shown.stdout for name in (*SCENARIOS, *GIT_SCENARIOS))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bsic",), "unknown scenario 'bsic'; did you mean 'basic'?"),
        (("git-stash",), "`chaosd scenario git git-stash --worker ...`"),
        (("basic", "--set", "mesages=3"), "mesages: unknown parameter; did you mean 'messages'?"),
        (("basic", "--set", "messages=0"), "below the least allowed"),
        (("basic", "--target", "editr"), "unknown target 'editr'; did you mean 'editor'?"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_sent(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = chaosd(tmp_path, "scenario", "run", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_a_target_without_a_queue_is_refused(tmp_path: Path) -> None:
    done = chaosd(tmp_path, "scenario", "run", "basic", "--target", "other")
    assert done.returncode == 5
    assert "needs a queue and a repository" in done.stderr
