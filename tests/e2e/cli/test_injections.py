"""Injecting without a daemon: what is printed, what is undone, and what remains in the journal."""

import json
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import Cli, Tree
from tests.e2e.guardian.kit import kill_both

KEYS = {"id", "fault", "mode", "target", "seed", "state", "victim"}


def await_file(path: Path, *, there: bool = True, within_s: float = 30.0) -> None:
    never = threading.Event()
    for _ in range(int(within_s / 0.02)):
        if path.exists() is there:
            return
        never.wait(0.02)
    raise AssertionError(f"{path} {'never came' if there else 'never went'}")


def test_the_document_of_an_injection(chaosd: Cli, repository: Path, tree: Callable[[Path], Tree]) -> None:
    before = tree(repository)
    words = ("inject", "git-corrupt", "--repository", repository, "--mode", "head-garbage", "--seed", 7, "--for")
    ran = chaosd(*map(str, words), "1s", "-o", "json")
    found = ran.json
    assert tree(repository) == before
    assert found["schema_version"] == 1
    assert found["injection"].keys() >= KEYS
    assert found["injection"]["seed"] == 7
    assert found["injection"]["mode"] == "head-garbage"
    assert found["injection"]["state"] == "reverted"
    assert found["undo"]["proved"] is True
    assert found["undo"]["superseded"] is False
    # Nobody but chaosd mends this repository, so it cannot have recovered by itself.
    assert (found["verdict"], found["recovery"]["healed_by"], ran.code) == ("not-recovered", "revert", 1)
    low, high = found["impact"]["after"]
    assert 0 <= low <= high < 1.5
    assert ran.err == ""


def test_the_same_in_words(chaosd: Cli, repository: Path) -> None:
    ran = chaosd("inject", "git-lock", "--repository", repository, "--for", "0s")
    assert ran.code == 0
    for word in ("git-lock/index-lock", ".git/index.lock", "no-impact (exit code 0)", "reverted and proved"):
        assert word in ran.out
    assert "\x1b" not in ran.out + ran.err
    assert ran.err == ""


def test_a_dry_run_touches_nothing_and_leaves_no_journal(
    chaosd: Cli, repository: Path, tree: Callable[[Path], Tree]
) -> None:
    before = tree(repository)
    ran = chaosd("inject", "git-corrupt", "--repository", repository, "--seed", "3", "--dry-run", "-o", "json")
    assert ran.code == 0
    assert ran.json["dry_run"] is True
    assert ran.json["actions"]
    assert tree(repository) == before
    assert not chaosd.state.exists()
    words = chaosd("inject", "git-corrupt", "--repository", repository, "--seed", "3", "--dry-run").out
    for action in ran.json["actions"]:
        assert action in words


def test_a_dry_run_names_the_victim_that_the_seed_will_hit(chaosd: Cli, repository: Path) -> None:
    words = ("inject", "git-corrupt", "--repository", repository, "--seed", "3", "-o", "json")
    foretold = chaosd(*words, "--dry-run").json["injection"]["victim"]
    assert chaosd(*words, "--for", "0s").json["injection"]["victim"] == foretold


def test_the_fault_is_there_while_it_lasts(chaosd: Cli, repository: Path) -> None:
    child = chaosd.begin("inject", "git-lock", "--repository", repository, "--for", "30s", "-o", "json")
    lock = repository / ".git/index.lock"
    await_file(lock)
    done = subprocess.run(
        ["git", "-C", str(repository), "add", "."], capture_output=True, text=True, check=False, timeout=30
    )
    assert "index.lock" in done.stderr
    # A worker removes the lock: that repair is left alone, and is the worker's merit.
    threading.Event().wait(1.6)  # the probe calls a lock stale when it is a second old
    lock.unlink()
    out, _ = child.communicate(timeout=30)
    found = json.loads(out)
    assert child.returncode == 0
    assert found["undo"]["superseded"] is True
    assert (found["verdict"], found["recovery"]["healed_by"]) == ("recovered", "worker")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_undoes_first_and_a_second_one_does_not_skip_that(
    chaosd: Cli, repository: Path, tree: Callable[[Path], Tree], number: signal.Signals, code: int
) -> None:
    before = tree(repository)
    child = chaosd.begin("inject", "git-lock", "--repository", repository, "--for", "60s", "-o", "json")
    await_file(repository / ".git/index.lock")
    child.send_signal(number)
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    found = json.loads(out)
    assert child.returncode == code
    assert found["verdict"] == "aborted"
    assert number.name in found["reasons"][0]
    assert tree(repository) == before
    assert "Traceback" not in err


def test_recover_takes_back_what_a_killed_run_left(
    chaosd: Cli, repository: Path, tree: Callable[[Path], Tree]
) -> None:
    before = tree(repository)
    child = chaosd.begin("inject", "git-lock", "--repository", repository, "--for", "60s")
    await_file(repository / ".git/index.lock")
    kill_both(child)
    assert tree(repository) != before
    status = chaosd("status", "-o", "json").json
    assert [i["injection"]["fault"] for i in status["outstanding"]] == ["git-lock"]
    assert status["daemon"] is None
    ran = chaosd("recover", "-o", "json")
    assert (ran.code, ran.json["remaining"]) == (0, 0)
    assert [i["injection"]["state"] for i in ran.json["injections"]] == ["reverted"]
    assert tree(repository) == before
    assert chaosd("recover").out == "nothing to recover\n"
    assert chaosd("history", "-o", "json").json["injections"][0]["verdict"] == "aborted"


STUBBORN = """
from dataclasses import dataclass
from pathlib import Path

from daemon.core.errors import UndoFailedError
from daemon.core.model import Mode, Outcome, Resource, Reversion, Undo
from daemon.core.parameters import parameter


@dataclass(frozen=True)
class Stubborn:
    name = "stubborn"
    summary = "cannot be taken back while it is held"
    modes = (Mode("only", "the only one"),)
    touches = Resource.REPOSITORY
    mode: str = parameter("only", "the mode", choices=("only",))

    def prepare(self, order, world):
        hold = f"{order.target.repository.worktree[0]}/hold"
        return Undo(fault="stubborn", mode="only", victim={"hold": hold}, actions=("hold",), data={"hold": hold})

    @classmethod
    def inject(cls, undo, world, stop):
        Path(undo.data["hold"]).touch()

    @classmethod
    def revert(cls, undo, world):
        if Path(undo.data["hold"]).exists():
            raise UndoFailedError("it is held")
        return Reversion(outcome=Outcome.RESTORED)
"""


@pytest.fixture
def stubborn(tmp_path: Path) -> str:
    """Install a fault of a third party and return the path to find it by."""
    folder = tmp_path / "plugins"
    info = folder / "stubborn-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "stubborn.py").write_text(STUBBORN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stubborn\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[chaosd.faults]\nstubborn = stubborn:Stubborn\n")
    return str(folder)


def test_residue_is_exit_code_4_until_it_is_gone(chaosd: Cli, repository: Path, stubborn: str) -> None:
    words = ("inject", "stubborn", "--repository", repository, "--for", "0s")
    ran = chaosd(*words, PYTHONPATH=stubborn)
    assert (ran.code, "FAILED, residue may remain" in ran.out, "it is held" in ran.out) == (4, True, True)
    assert chaosd("status").code == 4
    again = chaosd("recover", PYTHONPATH=stubborn)
    assert again.code == 4
    assert "1 could not be taken back, residue may remain" in again.err
    refused = chaosd("inject", "git-lock", "--repository", repository, PYTHONPATH=stubborn)
    assert (refused.code, "unresolved" in refused.err) == (77, True)
    (repository / "hold").unlink()
    assert chaosd("recover", PYTHONPATH=stubborn).code == 0
    assert chaosd("status").code == 0


def test_the_next_injection_recovers_first(chaosd: Cli, repository: Path) -> None:
    child = chaosd.begin("inject", "git-lock", "--repository", repository, "--for", "60s")
    lock = repository / ".git/index.lock"
    await_file(lock)
    kill_both(child)
    ran = chaosd("inject", "git-lock", "--repository", repository, "--mode", "head-lock", "--for", "0s")
    assert ran.code == 0, ran
    assert "an earlier run left" in ran.err
    assert not lock.exists()


def test_recover_needs_no_configuration_and_survives_a_broken_one(chaosd: Cli, repository: Path) -> None:
    child = chaosd.begin("inject", "git-lock", "--repository", repository, "--for", "60s")
    await_file(repository / ".git/index.lock")
    kill_both(child)
    chaosd.config("targts: {}\n")  # ./chaosd.yaml, which nobody named
    ran = chaosd("recover")
    assert ran.code == 0
    assert "going on without the configuration" in ran.err
    assert not (repository / ".git/index.lock").exists()


def test_two_engines_on_one_state_directory_are_impossible(chaosd: Cli, repository: Path) -> None:
    first = chaosd.begin("inject", "git-lock", "--repository", repository, "--for", "60s")
    await_file(repository / ".git/index.lock")
    second = chaosd("inject", "git-lock", "--repository", repository, "--mode", "head-lock")
    assert second.code == 75
    assert "another chaosd works" in second.err
    assert chaosd("recover").code == 75
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=30)
    assert not (repository / ".git/index.lock").exists()


def test_history_and_show(chaosd: Cli, repository: Path) -> None:
    assert chaosd("history").out == "no injections yet\n"
    ids = []
    for mode in ("index-lock", "head-lock"):
        words = ("inject", "git-lock", "--repository", repository, "--mode", mode, "--for", "0s", "-o", "json")
        ids.append(chaosd(*words).json["injection"]["id"])
    listed = chaosd("history", "-o", "json").json["injections"]
    assert [i["injection"]["id"] for i in listed] == ids
    assert [i["injection"]["id"] for i in chaosd("history", "-n", "1", "-o", "json").json["injections"]] == ids[1:]
    table = chaosd("history", COLUMNS="80").out
    assert all(i in table for i in ids)
    assert max(map(len, table.splitlines())) <= 80
    shown = chaosd("show", "last", "-o", "json").json
    assert shown["injection"]["id"] == ids[1]
    assert [s["what"] for s in shown["timeline"]][:1] == ["planned"]
    assert "injected" in [s["what"] for s in shown["timeline"]]
    assert ids[0] in chaosd("show", ids[0]).out
    for words in (["--since", "0s"], ["--fault", "git-corrupt"]):
        assert chaosd("history", *words).out == "none of 2 injections match\n"
    assert chaosd("history", "--fault", "git-lok").code == 2


def test_a_halt_holds_across_runs(chaosd: Cli, repository: Path, tree: Callable[[Path], Tree]) -> None:
    assert chaosd("halt", "release", "day").out == "halted: release day\n"
    before = tree(repository)
    refused = chaosd("inject", "git-lock", "--repository", repository)
    assert refused.code == 77
    assert "release day" in refused.err
    document = chaosd("inject", "git-lock", "--repository", repository, "-o", "json")
    assert (document.code, document.json["verdict"]) == (77, "refused")
    assert tree(repository) == before
    assert chaosd("status", "-o", "json").json["halted"] == "release day"
    assert chaosd("resume", "--because", "released").code == 0
    assert chaosd("inject", "git-lock", "--repository", repository, "--for", "0s").code == 0
