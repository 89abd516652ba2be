"""The state directory on a disk of 1 MiB that fills up: what was begun is undone, and nothing is begun in vain."""

import os
import random
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from daemon.ports.keep import Keep
from tests.e2e.journal.stage import CHAOSD, FAULTS, Stage, ended, fill, kill_all, patched, small_disk
from tests.waiting import wait_for

SAMPLE, FULL, INSTANTS = 1, 12, 100
Step = Callable[[Stage, random.Random], str]
ROOMS_BYTES = (0, 16 << 10, 64 << 10, 200 << 10, 280 << 10, 300 << 10, 330 << 10, 360 << 10, 420 << 10, 600 << 10)
LATE_INTENT = (
    "import threading",
    "from daemon.engine.recorder import Recorder",
    "right = Recorder.record",
    "def late(self, injection, *happened):",
    "    name = type(happened[0]).__name__",
    "    if name == 'Planned': return self._publish(injection, happened, self._listeners)",
    "    if name == 'Injected': threading.Event().wait()  # here it would be written, and here it is killed",
    "    right(self, injection, *happened)",
    "Recorder.record = late",
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Make stages whose state directory is a small disk of their own."""
    with ExitStack() as disks:
        made: list[Stage] = []

        def make(number: int, program: Sequence[str] = CHAOSD) -> Stage:
            directory = tmp_path / str(number)
            directory.mkdir()
            if not disks.enter_context(small_disk(directory / "state")):
                pytest.skip("mounting is not permitted here; the tests with a limit on file sizes stand in")
            made.append(Stage(directory, directory / "state", program))
            return made[-1]

        yield make
        for one in made:
            one.close()


def full_before(stage: Stage, dice: random.Random) -> str:
    """The disk has little room, or none, when chaosd is asked to inject."""
    room = dice.choice(ROOMS_BYTES)
    filler = fill(stage.state, leave=room)
    process = stage.inject(*dice.choice(FAULTS), "500ms")
    begun = stage.await_damage(process)
    if begun:
        assert stage.copies() or process.poll() is not None, "injected although no undo record was on disk"
    answer = ended(process)
    assert stage.residue() == [], (room, answer)
    filler.unlink()
    return f"full before, {room >> 10:3} KiB left: {'injected' if begun else 'refused'}, exit {answer.code}"


def full_during(stage: Stage, dice: random.Random) -> str:
    """The disk fills up while the fault is active; the reserve takes the record of the undo."""
    process = stage.inject(*dice.choice(FAULTS), "3s")
    assert stage.await_damage(process), process.communicate()
    filler = fill(stage.state)
    answer = ended(process)
    assert stage.residue() == [], answer
    shown = stage.run("show", "last")
    assert shown.document["injection"]["state"] in ("reverted", "superseded"), "the undo was not recorded"
    filler.unlink()
    return f"full during: {shown.document['injection']['state']} and recorded, exit {answer.code}"


def full_without_reserve(stage: Stage, dice: random.Random) -> str:
    """Even the reserve is gone: undone all the same, said aloud, and recorded when there is room."""
    process = stage.inject(*dice.choice(FAULTS), "3s")
    assert stage.await_damage(process), process.communicate()
    (stage.state / "reserve").unlink()
    filler = fill(stage.state)
    answer = ended(process)
    assert stage.residue() == [], answer
    assert answer.code == 4, answer
    filler.unlink()
    again = stage.run("recover")
    assert again.code == 0, again
    return f"full without reserve: exit {answer.code}, then `recover` exit {again.code}"


def full_and_killed(stage: Stage, dice: random.Random) -> str:
    """Everybody is killed, and there is no room when `recover` is asked."""
    process = stage.inject(*dice.choice(FAULTS), "60s")
    assert stage.await_damage(process), process.communicate()
    kill_all(process)
    if spent := dice.random() < 0.5:
        (stage.state / "reserve").unlink()
    filler = fill(stage.state)
    answer = stage.run("recover")
    assert stage.residue() == [], answer
    assert answer.code in (0, 4), answer
    filler.unlink()
    again = stage.run("recover")
    assert again.code == 0, again
    return f"full and killed, reserve {'gone' if spent else 'there'}: exit {answer.code}, then {again.code}"


def full_at_an_instant(stage: Stage, dice: random.Random) -> str:
    """The disk fills up at any moment, and nobody, chaosd, or it and its guardian are killed right then."""
    process, whom = stage.inject(*dice.choice(FAULTS), "500ms"), dice.choice(("nobody", "chaosd", "both"))
    with suppress(subprocess.TimeoutExpired):
        process.wait(dice.uniform(0, 3))
    filler = fill(stage.state)
    if process.poll() is not None:
        whom = "nobody: it was over"
    hurt = stage.damaged()
    if whom == "both":
        kill_all(process)
        stage.run("recover")
    elif whom == "chaosd":
        process.kill()
        stage.await_whole()  # by the guardian alone, which cannot record it and tries again until there is room
    else:
        ended(process)
    assert stage.residue() == [], (whom, hurt)
    filler.unlink()
    if whom == "chaosd":
        process.communicate(timeout=600)  # the guardian holds the other end of what chaosd said
    return f"full at an instant, killed {whom}: {'broken' if hurt else 'whole'} at that moment"


STEPS = (full_before, full_during, full_without_reserve, full_and_killed, full_at_an_instant)


def play(make: Callable[..., Stage], rounds: int, steps: Sequence[Step] = STEPS) -> None:
    dice, ends, number = random.Random(1), Counter[str](), 0
    for step in steps:
        for _ in range(rounds):
            stage, number = make(number), number + 1
            ends[step(stage, dice)] += 1
            last = stage.run("recover")
            assert last.code == 0, last
            assert stage.residue() == []
            assert stage.copies() == []
    table = "\n".join(f"  {count:3} x {end}" for end, count in sorted(ends.items()))
    sys.stdout.write(f"\n{number} full disks, no residue:\n{table}\n")


@pytest.mark.timeout(900)
def test_a_full_disk_leaves_no_residue(stage: Callable[..., Stage]) -> None:
    play(stage, SAMPLE)


@pytest.mark.torture
@pytest.mark.timeout(4 * 3600)
def test_many_full_disks_leave_no_residue(stage: Callable[..., Stage]) -> None:
    play(stage, FULL)


@pytest.mark.torture
@pytest.mark.timeout(4 * 3600)
def test_a_hundred_disks_that_fill_up_at_random_instants_leave_no_residue(stage: Callable[..., Stage]) -> None:
    play(stage, INSTANTS, [full_at_an_instant])


def test_a_disk_filled_by_the_journal_itself_refuses_the_next(stage: Callable[..., Stage]) -> None:
    one = stage(0)
    assert ended(one.inject(*FAULTS[0], "0s")).code in (0, 1)
    grow = """
import sys
from pathlib import Path
from daemon.core.errors import JournalFullError
from daemon.core.events import Observed
from daemon.core.model import Finding, Instant, Observation, Phase, Reading, Status
from daemon.ports.journal import Journal
journal = Journal(Path(sys.argv[1]) / "journal.sqlite", clock_s=lambda: 1.0)
at = Instant(1.0, 1.0)
reading = Reading(status=Status.OK, findings=(Finding("x", "y" * 2000),))
seen = Observation(probe="p", target="t", asked=at, answered=at, reading=reading)
look = Observed(phase=Phase.AFTER, observation=seen)
injection = journal.recent()[0].plan.injection
try:
    while True:
        journal.append(injection, look)
except JournalFullError as error:
    print(error.message)
"""
    grown = subprocess.run(
        [sys.executable, "-c", grow, str(one.state)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "nothing is injected without it" in grown.stdout
    answer = ended(one.inject(*FAULTS[0], "0s"))
    assert answer.code == 1, answer
    assert "journal" in answer.err
    assert one.residue() == []
    assert one.copies() == []


@pytest.mark.parametrize("limit", [0, 4096, 30_000, 40_000, 60_000, 100_000, 150_000, 1 << 20])
def test_a_limit_on_the_size_of_files_leaves_no_residue_either(tmp_path: Path, limit: int) -> None:
    """Needs no mount: every file beyond the limit cannot be written, the journal's first of all."""
    one = Stage(tmp_path, tmp_path / "state", limited(limit))
    try:
        answer = ended(one.inject(*FAULTS[0], "500ms"))
        assert answer.code in (0, 1, 3, 4), answer
        last = one.run("recover")
        assert last.code == 0, last
        assert one.residue() == []
        assert one.copies() == []
    finally:
        one.close()


def limited(size: int) -> Sequence[str]:
    return patched(
        "import resource", f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {resource.RLIM_INFINITY}))"
    )


def test_a_disk_that_takes_no_intent_is_told_before_anybody_tries(stage: Callable[..., Stage]) -> None:
    """What the metric chaosd_journal_writable says: as much room as an injection needs, and rights."""
    one = stage(0)
    keep = Keep(one.state)
    assert keep.roomy, "1 MiB, no reserve yet"
    keep.reserve()
    filler = fill(one.state, leave=200 << 10)
    assert keep.roomy, "the reserve stands"
    keep.spend()
    assert keep.roomy
    filler.unlink()
    fill(one.state, leave=200 << 10)
    assert not keep.roomy, "no room for the reserve"
    subprocess.run(["mount", "-o", "remount,nr_inodes=9,size=4m", str(one.state)], check=True)
    assert keep.roomy
    with suppress(OSError):
        for number in range(20):
            (one.state / str(number)).touch()
    assert not keep.roomy, "no name can be made"
    subprocess.run(["mount", "-o", "remount,nr_inodes=99", str(one.state)], check=True)
    assert keep.roomy
    subprocess.run(["mount", "-o", "remount,ro", str(one.state)], check=True)
    assert not keep.roomy
    assert not Keep(one.state / "gone").roomy


def test_a_read_only_state_directory_refuses_before_anything_is_touched(stage: Callable[..., Stage]) -> None:
    one = stage(0)
    assert ended(one.inject(*FAULTS[0], "0s")).code in (0, 1)
    process = one.inject(*FAULTS[1], "60s")
    assert one.await_damage(process)
    kill_all(process)
    remount = ["mount", "-o", "remount,ro", str(one.state)]
    wait_for("nobody writes there any more", lambda: subprocess.run(remount, check=False).returncode == 0, 20)
    refused = ended(one.inject(*FAULTS[0], "0s"))
    assert refused.code == 1, refused
    assert len(refused.err.strip().splitlines()) <= 3, refused.err
    answer = one.run("recover")
    assert (answer.code, one.residue()) == (4, []), answer
    subprocess.run(["mount", "-o", "remount,rw", str(one.state)], check=True)
    assert one.run("recover").code == 0


def test_the_harness_sees_an_intent_written_after_the_injection(stage: Callable[..., Stage]) -> None:
    """The natural mistake: first strike, then note it down. If this stays green, the tests above test nothing."""
    one = stage(0, patched(*LATE_INTENT))
    process = one.inject(*FAULTS[0], "60s")
    assert one.await_damage(process)
    kill_all(process)
    fill(one.state)
    assert one.copies() == []
    one.run("recover")
    assert one.residue() != []
    assert os.statvfs(one.state).f_bavail == 0
