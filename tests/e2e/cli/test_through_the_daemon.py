"""The verbs that talk to a running daemon."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import Cli

CONFIG = """
version: 1
targets: {{editor: {{repository: {{worktree: {repository}}}, limits: {{recover: 10s}}}}}}
probes:
  - {{name: repository, probe: git-health, target: editor, every: 1s}}
steady_state: {{editor: [repository]}}
sampling: {{stable_for: 500ms, steady_timeout: 10s}}
experiments:
  - {{name: later, fault: git-lock, target: editor, every: 1h}}
"""


@pytest.fixture
def daemon(chaosd: Cli, repository: Path) -> Iterator[Cli]:
    config = chaosd.config(CONFIG.format(repository=repository))
    child = chaosd.begin("run", "-c", config, "--listen", "127.0.0.1:0")
    for _ in range(300):
        if chaosd("health").code == 0:
            break
        assert child.poll() is None, child.communicate()
        threading.Event().wait(0.05)
    yield chaosd
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)


def test_status_tells_of_the_daemon(daemon: Cli) -> None:
    found = daemon("status", "-o", "json").json
    assert found["daemon"]["version"]
    assert [n["experiment"] for n in found["next"]] == ["later"]
    assert f"pid {found['daemon']['pid']}" in daemon("status").out


def test_inject_goes_through_the_daemon(daemon: Cli, repository: Path) -> None:
    ran = daemon("inject", "git-lock", "--target", "editor", "--for", "0s", "--seed", "5", "-o", "json")
    assert (ran.code, ran.json["verdict"]) == (0, "no-impact")
    assert (ran.json["injection"]["origin"], ran.json["injection"]["seed"]) == ("api", 5)
    assert not (repository / ".git/index.lock").exists()
    assert daemon("show", "last", "-o", "json").json["injection"]["id"] == ran.json["injection"]["id"]


def test_who_does_not_wait_learns_at_once_of_what_there_is_not(daemon: Cli) -> None:
    for words in (("git-lok",), ("git-lock", "--target", "nobody"), ("git-lock", "--set", "mode=none")):
        ran = daemon("inject", *words, "--no-wait")
        assert (ran.code, ran.out, ran.err.count("chaosd: ")) == (2, "", 1), ran


def test_the_daemons_only_target_needs_no_name(daemon: Cli) -> None:
    ran = daemon("inject", "git-lock", "--for", "0s", "-o", "json")
    assert (ran.code, ran.json["injection"]["target"]) == (0, "editor")
    audit = (daemon.state / "audit.jsonl").read_text()
    assert "git-lock on the only target" in audit


def test_its_refusals_and_mistakes_come_through(daemon: Cli, repository: Path) -> None:
    unknown = daemon("inject", "git-lok", "--target", "editor")
    assert (unknown.code, "did you mean 'git-lock'?" in unknown.err) == (2, True)
    parameter = daemon("inject", "git-lock", "--target", "editor", "--set", "mod=x")
    assert (parameter.code, "did you mean 'mode'?" in parameter.err) == (2, True)
    target = daemon("inject", "git-lock", "--target", "edtor")
    assert (target.code, "editor" in target.err) == (2, True)
    path = daemon("inject", "git-lock", "--repository", repository)
    assert (path.code, "another --state-dir" in path.err) == (75, True)


def test_an_interrupt_has_the_daemon_undo_it(daemon: Cli, repository: Path) -> None:
    child = daemon.begin("inject", "git-lock", "--target", "editor", "--for", "60s")
    lock = repository / ".git/index.lock"
    for _ in range(500):
        if lock.exists():
            break
        threading.Event().wait(0.02)
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "aborted" in out
    assert "Traceback" not in err
    assert not lock.exists()


def test_no_wait_revert_and_halt(daemon: Cli, repository: Path) -> None:
    words = ("inject", "git-lock", "--target", "editor", "--for", "60s", "--no-wait", "-o", "json")
    injection = daemon(*words).json["id"]
    reverted = daemon("revert", injection, "-o", "json")
    assert reverted.code == 0
    assert reverted.json["remaining"] == 0
    assert not (repository / ".git/index.lock").exists()
    assert daemon("halt", "--reason", "release").out == "halted: release\n"
    refused = daemon("inject", "git-lock", "--target", "editor")
    assert (refused.code, "release" in refused.err) == (77, True)
    assert daemon("resume", "--because", "released").code == 0
    assert daemon("revert", "--all").code == 0


@pytest.mark.parametrize(("reason", "kept"), [("\udcff\udcfe", "\ufffd\ufffd"), ("x" * 5000, "x" * 1000)])
def test_it_halts_whatever_the_reason(daemon: Cli, reason: str, kept: str) -> None:
    ran = daemon("halt", reason)
    assert (ran.code, ran.err) == (0, "")
    assert daemon("status", "-o", "json").json["halted"] == kept
    for name in ("\udcff", "a b?c"):
        assert (found := daemon("revert", name)).code == 2
        assert "no injection" in found.err
        assert daemon("settle", name, "--because", "\udcff").code == 5
    assert daemon("resume", "--because", "\udcff").code == 0
    assert daemon("status", "-o", "json").json["halted"] is None


def test_health_without_a_daemon(chaosd: Cli) -> None:
    ran = chaosd("health")
    assert (ran.code, ran.out) == (1, "")
    assert "no daemon answers" in ran.err


def test_it_ends_when_its_starter_has_gone(chaosd: Cli, repository: Path) -> None:
    config = chaosd.config(CONFIG.format(repository=repository))
    child = chaosd.begin("run", "-c", config, "--listen", "127.0.0.1:0", "--until-stdin-closes")  # stdin: /dev/null
    child.communicate(timeout=60)
    assert child.returncode in {143, -signal.SIGTERM}


def test_monitor_shows_what_the_daemon_sees(daemon: Cli) -> None:
    shown = daemon("monitor", COLUMNS="80")
    assert shown.code == 0
    assert "git-health" not in shown.out  # it is shown by the name it has in the configuration
    assert "repository" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


def test_monitor_watches_until_it_is_interrupted(daemon: Cli) -> None:
    child = daemon.begin("monitor", "--watch", "--every", "200ms")
    assert child.stdout is not None
    assert any("repository" in line for line in child.stdout)  # bounded by the test's timeout
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")
