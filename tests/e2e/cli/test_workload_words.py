"""``chaosd inject --scenario``: what is wrong with it is said before anything is sent, daemon or not."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import Cli
from tests.e2e.cli.test_scenario import CONFIG
from tests.e2e.cli.test_scenario import chaosd as alone

INJECT = ("inject", "interrupt-message", "--target", "editor")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scenario", "bsic"), "unknown scenario 'bsic'; did you mean 'basic'?"),
        (("--scenario", "basic", "--scenario-set", "mesages=3"), "did you mean 'messages'?"),
        (("--scenario-set", "messages=3"), "need --scenario"),
        (("--strike", "2s"), "need --scenario"),
        (("--scenario", "basic", "--strike", "2x"), "is no duration"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_sent(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = alone(tmp_path, *INJECT, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (tmp_path / "s/journal.sqlite").exists() or "nothing" in done.stderr


def test_a_target_or_a_repository_without_a_queue_can_have_no_workload(tmp_path: Path) -> None:
    other = alone(tmp_path, "inject", "git-lock", "--target", "other", "--scenario", "basic")
    assert (other.returncode, "needs a queue and a repository" in other.stderr) == (2, True)
    path = alone(tmp_path, "inject", "git-lock", "--repository", str(tmp_path), "--scenario", "basic")
    assert (path.returncode, "not a --repository" in path.stderr) == (2, True)


def test_the_daemon_says_the_same(daemon: Cli) -> None:
    unknown = daemon(*INJECT, "--scenario", "bsic")
    assert (unknown.code, "did you mean 'basic'?" in unknown.err) == (2, True)
    parameter = daemon(*INJECT, "--scenario", "basic", "--scenario-set", "mesages=3")
    assert (parameter.code, "did you mean 'messages'?" in parameter.err) == (2, True)
    assert daemon("status", "-o", "json").json["runs"] == []
    assert daemon("recover", "-o", "json").json == {
        "schema_version": 1, "injections": [], "runs": [], "remaining": 0,
    }  # fmt: skip


@pytest.fixture
def daemon(chaosd: Cli) -> Iterator[Cli]:
    config = chaosd.config(CONFIG)
    child = chaosd.begin("run", "-c", config, "--listen", "127.0.0.1:0")
    for _ in range(300):
        if chaosd("health").code == 0:
            break
        assert child.poll() is None, child.communicate()
        threading.Event().wait(0.05)
    yield chaosd
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=60)
