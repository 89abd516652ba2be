"""The unit under a real systemd, installed as docs/deploy-systemd.md says: one machine for all of it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.git.tree import changed, look, make_repository
from tests.e2e.systemd.machine import ROOT, UNITS, Machine, machine

CONFIG = """
version: 1
targets:
  clone: {{repository: {{worktree: /srv/repo}}}}
  wire: {{network: {{through: host}}}}
probes:
  - {{name: health, probe: git-health, target: clone, every: 1s}}
experiments:
  - {{name: {experiment}, fault: git-lock, target: clone, every: 9h, set: {{mode: head-lock}}}}
sampling: {{stable_for: 200ms}}
api:
  listen: "127.0.0.1:9876"
  tokens: [{{name: ops, scope: control, credential: chaosd-ops}}]
"""
TEST_UNIT = """[Unit]
StartLimitIntervalSec=0
[Service]
TimeoutStartSec=300s
WatchdogSec=15s
TimeoutAbortSec=2s
RestartSec=100ms
"""
pytestmark = pytest.mark.timeout(600)  # a machine is booted, and a busy one starts Python slowly
FAMILIES = ("cgroups", "disk", "git", "limits", "network", "processes")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    clone = make_repository(tmp_path_factory.mktemp("clone") / "repo")
    with machine(tmp_path_factory.mktemp("machine")) as booted:
        _install(booted, clone)
        yield booted


def _install(host: Machine, clone: Path) -> None:
    """Do what the guide tells an operator to do; the worker's clone is another user's."""
    etc = host.files / "etc"
    for unit in ("chaosd", "chaosd-proxy"):
        shutil.copy(UNITS / f"{unit}.service", etc / f"systemd/system/{unit}.service")
    drop_ins = etc / "systemd/system/chaosd.service.d"
    drop_ins.mkdir()
    for family in ("git", "network"):
        shutil.copy(UNITS / "chaosd.service.d" / f"{family}.conf", drop_ins / f"{family}.conf")
    (drop_ins / "test.conf").write_text(TEST_UNIT)
    for kind in ("sysusers", "tmpfiles"):
        (etc / f"{kind}.d").mkdir(exist_ok=True)
        shutil.copy(UNITS / f"chaosd.{kind}.conf", etc / f"{kind}.d/chaosd.conf")
    host.run("systemd-sysusers")
    host.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/chaosd.conf")
    (etc / "chaosd/chaosd.yaml").write_text(CONFIG.format(experiment="lock"))
    (etc / "chaosd/ops.token").write_text("a-token-of-the-systemd-test\n")
    (etc / "chaosd/ops.token").chmod(0o600)
    shutil.copytree(clone, host.files / "srv/repo")
    host.run("chown", "-R", "games:games", "/srv/repo")
    host.run("systemctl", "daemon-reload")


@pytest.fixture
def daemon(host: Machine) -> Iterator[Machine]:
    host.run("systemctl", "start", "chaosd")
    yield host
    host.run("systemctl", "stop", "chaosd", check=False)
    host.run("systemctl", "reset-failed", "chaosd", check=False)


def inject(host: Machine) -> None:
    """Leave a lock in the worker's clone for ten minutes."""
    words = "inject git-lock --target clone --set mode=head-lock --for 10m --no-wait --state-dir /var/lib/chaosd"
    host.run("/opt/chaosd/bin/chaosd", *words.split())
    host.wait(lambda: lock(host).exists(), "the fault is there")


def lock(host: Machine) -> Path:
    return host.files / "srv/repo/.git/HEAD.lock"


def states(host: Machine) -> list[str]:
    words = "history -o json --state-dir /var/lib/chaosd"
    text = host.run("runuser", "-u", "chaosd", "--", "/opt/chaosd/bin/chaosd", *words.split())
    return re.findall(r'"state": "([a-z-]+)"', text)


def test_a_start_waits_until_it_is_ready_and_the_status_says_what_is_active(daemon: Machine) -> None:
    assert daemon.show("ActiveState") == "active"
    assert daemon.show("StatusText") == "nothing injected"
    assert (daemon.files / "var/lib/chaosd").stat().st_mode & 0o7777 == 0o700
    inject(daemon)
    assert daemon.show("StatusText").startswith("active: git-lock on clone (")
    owner = daemon.run("stat", "-c", "%U", "/srv/repo/.git/HEAD.lock").strip()
    assert owner == "games", "the drop-in's capabilities let the fault look like the worker's own"


def test_a_stop_during_an_active_fault_undoes_it_and_is_no_failure(daemon: Machine) -> None:
    before = look(daemon.files / "srv/repo")
    inject(daemon)
    daemon.run("systemctl", "stop", "chaosd")
    assert changed(before, look(daemon.files / "srv/repo")) == []
    assert (daemon.show("ActiveState"), daemon.show("Result")) == ("inactive", "success")
    assert states(daemon)[0] == "reverted"


@pytest.mark.skipif(shutil.which("nft") is None, reason="no nftables on this system")
def test_a_network_fault_has_what_it_needs_and_is_undone_by_whatever_follows_a_kill(daemon: Machine) -> None:
    """The machine has a network of its own."""
    words = "inject network-blackhole --target wire --set port=9 --for 10m --no-wait --state-dir /var/lib/chaosd"
    daemon.run("/opt/chaosd/bin/chaosd", *words.split())
    daemon.wait(lambda: "table inet chaosd_" in daemon.run("nft", "list", "tables"), "the rules are there")
    restarts = int(daemon.show("NRestarts"))
    daemon.run("kill", "-KILL", daemon.show("MainPID"))
    daemon.wait(lambda: int(daemon.show("NRestarts")) > restarts, "systemd starts it anew")
    daemon.wait(lambda: daemon.show("ActiveState") == "active", "it is ready again")
    assert daemon.run("nft", "list", "tables") == ""


def test_a_reload_takes_a_good_file_and_says_why_it_does_not_take_a_bad_one(daemon: Machine) -> None:
    config = daemon.files / "etc/chaosd/chaosd.yaml"
    pid = daemon.show("MainPID")
    config.write_text(CONFIG.format(experiment="other") + "nonsense: 1\n")
    daemon.run("systemctl", "reload", "chaosd")
    refused = "nothing injected; not reloaded, the old configuration stays in force: "
    daemon.wait(lambda: daemon.show("StatusText").startswith(refused), "the refusal is in the status")
    assert (daemon.show("ActiveState"), daemon.show("SubState")) == ("active", "running")
    config.write_text(CONFIG.format(experiment="other"))
    daemon.run("systemctl", "reload", "chaosd")
    daemon.wait(lambda: daemon.show("StatusText") == "nothing injected", "the refusal is over")
    assert '"event": "config.reloaded"' in daemon.log()
    assert daemon.show("MainPID") == pid


def test_the_watchdog_ends_a_daemon_that_hangs_and_what_was_injected_is_undone_before_the_next(
    daemon: Machine,
) -> None:
    before = look(daemon.files / "srv/repo")
    inject(daemon)
    restarts, pid = int(daemon.show("NRestarts")), daemon.show("MainPID")
    daemon.run("kill", "-STOP", pid)
    daemon.run("pkill", "-KILL", "-x", "chaosd-guardian")  # or it might be faster than systemd's ExecStopPost
    daemon.wait(lambda: int(daemon.show("NRestarts")) > restarts, "systemd starts it anew")
    daemon.wait(lambda: daemon.show("ActiveState") == "active", "it is ready again")
    assert changed(before, look(daemon.files / "srv/repo")) == []
    log = daemon.log()
    hung = log.rindex("Watchdog timeout")
    undone = re.search(r"^\d{8}T\S+  reverted  git-lock.*on clone$", log[hung:], re.MULTILINE)
    assert undone, f"ExecStopPost=chaosd recover undid it:\n{log[hung:]}"
    assert hung + undone.start() < log.rindex('"event": "daemon.started"'), "before the next start"
    assert states(daemon)[0] == "reverted"


def test_after_sigkill_nothing_is_left_and_nobody_is_left_behind(daemon: Machine) -> None:
    before = look(daemon.files / "srv/repo")
    inject(daemon)
    restarts, pid = int(daemon.show("NRestarts")), daemon.show("MainPID")
    mark = len(daemon.log())
    daemon.run("kill", "-KILL", pid)
    daemon.wait(lambda: int(daemon.show("NRestarts")) > restarts, "systemd starts it anew")
    daemon.wait(lambda: daemon.show("ActiveState") == "active", "it is ready again")
    assert changed(before, look(daemon.files / "srv/repo")) == []
    undone = re.search(r"guardian.reverted|^\d{8}T\S+  reverted  git-lock", daemon.log()[mark:], re.MULTILINE)
    assert undone
    print(f"after SIGKILL it was undone by: {undone[0]}")  # noqa: T201  who was faster, with -s
    daemon.run("systemctl", "stop", "chaosd")
    assert daemon.run("pgrep", "-c", "-f", "daemon.faces", check=False).strip() == "0", "no guardian, no reverter"


@pytest.fixture
def proxy(host: Machine) -> Iterator[Machine]:
    """The proxy in its own unit, and the daemon started after it; the configuration has a ``proxy:`` meanwhile."""
    config, environment = host.files / "etc/chaosd/chaosd.yaml", host.files / "etc/chaosd/environment"
    before = config.read_text()
    config.write_text(before + 'proxy: {start: false, listen: "127.0.0.1:4510", upstream: "http://127.0.0.1:9"}\n')
    environment.write_text("AWS_ACCESS_KEY_ID=test\nAWS_SECRET_ACCESS_KEY=test\nAWS_DEFAULT_REGION=us-west-2\n")
    host.run("systemctl", "start", "chaosd-proxy", "chaosd")
    yield host
    host.run("systemctl", "stop", "chaosd", "chaosd-proxy", check=False)
    config.write_text(before)
    environment.unlink()


def test_a_proxy_of_its_own_outlives_a_killed_daemon_and_comes_back_when_it_or_both_are_killed(
    proxy: Machine,
) -> None:
    def listens() -> bool:
        return "127.0.0.1:4510" in proxy.run("ss", "-Hltn")

    proxy.wait(listens, "the proxy listens")
    pid = proxy.show("MainPID", unit="chaosd-proxy")
    proxy.wait(lambda: proxy.log().count('"event": "proxy.found"') == 1, "the daemon uses it")
    proxy.run("kill", "-KILL", proxy.show("MainPID"))
    proxy.wait(lambda: proxy.log().count('"event": "proxy.found"') == 2, "so does the next daemon")
    assert proxy.show("MainPID", unit="chaosd-proxy") == pid
    proxy.run("kill", "-KILL", pid)
    proxy.wait(lambda: proxy.show("MainPID", unit="chaosd-proxy") not in ("0", pid), "systemd starts it anew")
    proxy.wait(lambda: proxy.log().count('"event": "proxy.found"') == 3, "and uses the next proxy")
    proxy.run("kill", "-KILL", proxy.show("MainPID"), proxy.show("MainPID", unit="chaosd-proxy"))
    proxy.wait(lambda: proxy.log().count('"event": "proxy.found"') == 4, "both come back, and find each other")
    assert '"event": "proxy.started"' not in proxy.log(), "the daemon started none beside it"


def documented(begin: str) -> str:
    """Return a command of the guide, as it stands there."""
    text = (ROOT / "docs/deploy-systemd.md").read_text()
    (found,) = re.findall(rf"^{begin} (?:[^\n]*\\\n)*[^\n]*$", text, re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("begin", [pytest.param("systemctl restart", marks=pytest.mark.torture), "systemd-run"])
def test_what_a_stop_could_not_undo_is_undone_by_the_commands_of_the_guide(daemon: Machine, begin: str) -> None:
    """The clone is another user's: the undo needs the capabilities of the unit."""
    clone, aside = daemon.files / "srv/repo", daemon.files / "srv/aside"
    before = look(clone)
    inject(daemon)
    daemon.run("mv", "/srv/repo", "/srv/aside")
    daemon.run("systemctl", "stop", "chaosd")
    assert daemon.run("systemctl", "is-failed", "chaosd", check=False).strip() == "failed", "as the guide says"
    daemon.run("mv", "/srv/aside", "/srv/repo")
    assert lock(daemon).exists()
    bare = "runuser -u chaosd -- /opt/chaosd/bin/chaosd recover --state-dir /var/lib/chaosd"
    daemon.run(*bare.split(), check=False)
    assert lock(daemon).exists(), "without capabilities it cannot be taken back: the guide warns of it"
    daemon.run("sh", "-ec", documented(begin))
    assert changed(before, look(clone)) == []
    assert not aside.exists()
    assert states(daemon)[0] == "reverted"
    daemon.run("systemctl", "start", "chaosd")
    for words in ("status", "recover", "history"):
        daemon.run("/opt/chaosd/bin/chaosd", words, "--state-dir", "/var/lib/chaosd")
    daemon.run("systemctl", "stop", "chaosd")
    assert daemon.run("systemctl", "is-failed", "chaosd", check=False).strip() == "inactive"


def test_the_unit_and_its_drop_ins_are_free_of_complaints(host: Machine) -> None:
    drop_ins = host.files / "etc/systemd/system/chaosd.service.d"
    for family in FAMILIES:
        shutil.copy(UNITS / "chaosd.service.d" / f"{family}.conf", drop_ins / f"{family}.conf")
    try:
        assert host.run("systemd-analyze", "verify", "chaosd.service", "chaosd-proxy.service") == ""
    finally:
        for family in set(FAMILIES) - {"git"}:
            (drop_ins / f"{family}.conf").unlink()


def score(directory: Path, *families: str, unit: str = "chaosd") -> str:
    """Return systemd's exposure level of a unit with drop-ins."""
    shutil.copy(UNITS / f"{unit}.service", directory / f"{unit}.service")
    (directory / f"{unit}.service.d").mkdir()
    for family in families:
        shutil.copy(UNITS / f"{unit}.service.d" / f"{family}.conf", directory / f"{unit}.service.d")
    words = ("systemd-analyze", "security", "--offline=true", str(directory / f"{unit}.service"))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(rf"Overall exposure level for {unit}.service: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return found[1]


@pytest.mark.parametrize("families", [(), *((f,) for f in FAMILIES), FAMILIES], ids=lambda f: "+".join(f) or "none")
def test_the_guide_states_the_exposure_of_each_drop_in(tmp_path: Path, families: tuple[str, ...]) -> None:
    found = score(tmp_path, *families)
    name = {(): "none", FAMILIES: "all"}.get(families, f"`{'.conf`, `'.join(families)}.conf`")
    print(f"{name}: {found}")  # noqa: T201  the score, with -s
    assert f"| {name} | {found} |" in (ROOT / "docs/deploy-systemd.md").read_text()


def test_the_guide_states_the_exposure_of_the_proxy_s_unit(tmp_path: Path) -> None:
    assert f"(exposure {score(tmp_path, unit='chaosd-proxy')})" in (ROOT / "docs/deploy-systemd.md").read_text()
