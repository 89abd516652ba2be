"""`chaosd inject` on a repository made by plain git: really there, exactly undone, whatever kills chaosd."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.git.tree import MODES, changed, git, look, make_repository
from tests.e2e.guardian.kit import Stage, guardian_of
from tests.waiting import wait_for

CHAOSD = str(Path(sys.executable).parent / "chaosd")
SAMPLE, FULL = 2, 50
# The git command that must fail while the mode is active, on the repository of `make_repository`.
FAILS: dict[str, tuple[str, ...]] = {
    "loose-object-truncate": ("fsck", "--full"),
    "loose-object-bitflip": ("fsck", "--full"),
    "loose-object-missing": ("fsck", "--full"),
    "index-truncate": ("status",),
    "head-garbage": ("status",),
    "ref-empty": ("log", "-1"),
    "ref-missing-object": ("log", "-1"),
    "index-lock": ("add", "-A"),
    "ref-lock": ("commit", "--allow-empty", "-m", "x"),
    "head-lock": ("checkout", "thread-b"),
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository")


@pytest.fixture
def chaosd(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start chaosd with a state directory of its own; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [CHAOSD, "--state-dir", str(tmp_path / "state"), "-o", "json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def inject(repository: Path, fault: str, mode: str, hold: str = "1s") -> tuple[str, ...]:
    return ("inject", fault, "--repository", str(repository), "--mode", mode, "--seed", "7", "--for", hold)


def await_damage(repository: Path, before: object, process: subprocess.Popen[str]) -> None:
    """Wait, bounded, until the tree differs from before or chaosd has ended."""
    for _ in range(2000):
        if process.poll() is not None or look_safely(repository) != before:
            return
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.005)
    raise AssertionError("the fault never came")


def look_safely(root: Path) -> object:
    try:
        return look(root)
    except FileNotFoundError:  # a temporary file went away while we looked: try again
        return look_safely(root)


def copied(root: Path) -> Path:
    """Copy a repository beside itself, anew when a temporary file went away meanwhile: chaosd is at work in it."""
    for number in range(10):
        copy = root.parent / f"broken-{number}"
        if subprocess.run(["cp", "-a", str(root), str(copy)], check=False, capture_output=True).returncode == 0:
            return copy
    raise AssertionError("not copied")


@pytest.mark.parametrize(("fault", "mode"), MODES)
def test_the_fault_is_really_there_and_then_the_tree_is_as_before(
    repository: Path, chaosd: Callable[..., subprocess.Popen[str]], fault: str, mode: str
) -> None:
    command = FAILS[mode]
    dry = look(repository)
    process = chaosd(*inject(repository, fault, mode, "60s"))
    stage = Stage(repository.parent)
    wait_for("the injection", lambda: stage.has("injected", 0) or process.poll() is not None)
    # The command runs on a copy: even a failing git may write, and the copy is broken just the same.
    broken = copied(repository)
    process.send_signal(signal.SIGINT)  # however long the copy took, the fault was there meanwhile
    out, err = process.communicate(timeout=60)
    assert git(broken, *command).returncode != 0, f"git {' '.join(command)} works although {mode} is active"
    assert changed(dry, look(repository)) == []
    assert git(repository, *command).returncode == 0
    answer = json.loads(out)
    assert answer["undo"]["proved"] is True, err
    assert answer["injection"]["state"] == "reverted"
    assert process.returncode == 130


def test_the_same_seed_picks_the_same_victim(
    repository: Path, chaosd: Callable[..., subprocess.Popen[str]]
) -> None:
    victims = []
    for _ in range(2):
        out, err = chaosd(*inject(repository, "git-corrupt", "loose-object-bitflip", "0s")).communicate(timeout=60)
        victims.append(json.loads(out)["injection"]["victim"])
        assert victims[-1], err
    assert victims[0] == victims[1]


def kill_and_recover(
    repository: Path, chaosd: Callable[..., subprocess.Popen[str]], fault: str, mode: str, dice: random.Random
) -> str:
    """Kill chaosd and its guardian at a random moment of an injection, recover, and return what was found.

    The guardian alone is the subject of tests/e2e/guardian.
    """
    before = look(repository)
    process = chaosd(*inject(repository, fault, mode, "1s"))
    if dice.random() < 0.5:  # half of the kills anywhere, half right around the first touch
        await_damage(repository, before, process)
    try:
        process.wait(dice.uniform(0, 1.2))
    except subprocess.TimeoutExpired:
        guardian = guardian_of(process.pid)
        if guardian is not None:
            os.kill(guardian, signal.SIGKILL)
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    hurt = bool(changed(before, look(repository)))
    recover = chaosd("recover")
    out, err = recover.communicate(timeout=60)
    assert recover.returncode == 0, out + err
    assert changed(before, look(repository)) == [], f"{fault}/{mode} left residue"
    return "killed while broken" if hurt else "killed while whole"


@pytest.mark.parametrize(("fault", "mode"), [("git-corrupt", "loose-object-truncate"), ("git-lock", "index-lock")])
def test_kill_9_then_recover_is_byte_identical(
    repository: Path, chaosd: Callable[..., subprocess.Popen[str]], fault: str, mode: str
) -> None:
    dice = random.Random(mode)
    for _ in range(SAMPLE):
        kill_and_recover(repository, chaosd, fault, mode, dice)


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("fault", "mode"), MODES)
def test_fifty_kills_a_mode_leave_nothing(
    repository: Path, chaosd: Callable[..., subprocess.Popen[str]], fault: str, mode: str
) -> None:
    dice = random.Random(mode)
    found = [kill_and_recover(repository, chaosd, fault, mode, dice) for _ in range(FULL)]
    broken = found.count("killed while broken")
    sys.stdout.write(f"\n{fault}/{mode}: {FULL} kills, {broken} while broken, 0 residue\n")
    assert broken >= FULL // 5, "the kills missed the fault; the harness shows nothing"


@pytest.mark.parametrize(
    ("fault", "mode"),
    [("git-lock", "index-lock"), ("git-corrupt", "loose-object-truncate"), ("git-corrupt", "head-garbage")],
)
def test_a_repair_by_the_worker_is_left_alone(
    repository: Path, chaosd: Callable[..., subprocess.Popen[str]], tmp_path: Path, fault: str, mode: str
) -> None:
    spare = tmp_path / "spare"
    subprocess.run(["cp", "-a", str(repository), str(spare)], check=True)
    before = look(repository)
    process = chaosd(*inject(repository, fault, mode, "10s"))
    await_damage(repository, before, process)
    # Not before the injection is through: it still puts the times of directories back.
    wait_for("its end", lambda: Stage(directory=tmp_path).has("injected", 0))
    if mode == "index-lock":
        (repository / ".git/index.lock").unlink()
    elif mode == "head-garbage":  # the worker throws the clone away and clones again
        subprocess.run(["rm", "-rf", str(repository)], check=True)
        git(tmp_path, "clone", "-q", "--no-local", str(spare), str(repository))
    else:
        # A rewritten object: same bytes, new file.
        for path in (spare / ".git/objects").rglob("??/*"):
            mine = repository / path.relative_to(spare)
            if mine.read_bytes() != path.read_bytes():
                mine.unlink()
                mine.write_bytes(path.read_bytes())
    repaired = look(repository)
    out, err = process.communicate(timeout=60)
    answer = json.loads(out)
    assert changed(repaired, look(repository)) == []
    assert answer["undo"]["superseded"] is True, err
    assert answer["injection"]["state"] == "superseded"
    # A repair that is quicker than the probes' patience with young locks leaves no impact to be seen.
    seen = answer["impact"]["seen"]
    assert answer["recovery"]["healed_by"] == ("worker" if seen else None)
    assert answer["verdict"] == ("recovered" if seen else "no-impact")
    assert process.returncode == 0
