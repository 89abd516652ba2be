"""disk-fill and disk-slow on real disks of the test's own: what a writer feels, the floors, what is left after."""

import errno
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError
from daemon.core.model import Outcome
from daemon.ports.clock import SystemClock
from daemon.ports.world import LocalWorld
from faults.disk.fill import DiskFill
from faults.disk.slow import DiskSlow
from tests.integration.process.children import child
from tests.integration.process.workshop import as_root, local_world, mounted, order, stored

GO = threading.Event()  # never set: nobody stops the injection
MIB = 1 << 20
DIRECT = """\
import mmap, os, sys
block = mmap.mmap(-1, 1 << 17)
file = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o600)
print('ready', flush=True)
for line in sys.stdin:
    os.pwrite(file, block, 0)
    print('written', flush=True)
"""


@pytest.fixture
def world(tmp_path: Path) -> LocalWorld:
    return local_world(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MiB and 600 inodes with somebody's file on it."""
    with mounted(tmp_path / "disk", "size=32m,nr_inodes=600") as made:
        (made / "theirs").write_text("work\n")
        yield made


def free(path: Path) -> int:
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize


def names(path: Path) -> list[str]:
    return sorted(str(p.relative_to(path)) for p in path.rglob("*"))


def fill(disk: Path, world: LocalWorld, **how: Any) -> Any:
    undo = stored(DiskFill(floor=1, **how).prepare(order("m", disk=disk), world))
    DiskFill.inject(undo, world, GO)
    return undo


@as_root
def test_the_disk_is_full_down_to_what_was_stated_and_empty_again(disk: Path, world: LocalWorld) -> None:
    before = free(disk)
    undo = fill(disk, world, leave=2)
    assert 2 * MIB - 4096 * 4 <= free(disk) <= 2 * MIB
    with pytest.raises(OSError, match="No space") as full:
        (disk / "more").write_bytes(bytes(3 * MIB))
    assert full.value.errno == errno.ENOSPC
    (disk / "more").unlink()
    back = DiskFill.revert(undo, world)
    assert (back.outcome, back.proof["files_removed"]) == (Outcome.RESTORED, 1)
    assert names(disk) == ["theirs"]
    assert free(disk) == before
    assert DiskFill.revert(undo, world).outcome is Outcome.UNTOUCHED


@as_root
def test_no_file_can_be_made_where_the_inodes_are_gone(disk: Path, world: LocalWorld) -> None:
    undo = fill(disk, world, mode="inodes")
    for number in range(6):  # 1 % of 600 is the floor
        (disk / f"more-{number}").touch()
    with pytest.raises(OSError, match="No space"):
        (disk / "one-too-many").touch()
    assert free(disk) > 30 * MIB
    for one in disk.glob("more-*"):
        one.unlink()
    assert DiskFill.revert(undo, world).proof["files_removed"] > 500
    assert names(disk) == ["theirs"]


@as_root
def test_the_floor_holds_whatever_is_asked(disk: Path, world: LocalWorld) -> None:
    undo = fill(disk, world, leave=0, floor_percent=50.0)
    assert free(disk) >= 16 * MIB - 4096
    DiskFill.revert(undo, world)
    with pytest.raises(RefusedError, match="must stay free") as refused:
        DiskFill(floor=64).prepare(order("m", disk=disk), world)
    assert refused.value.rule == "floor"


@as_root
def test_it_stops_when_told_and_when_others_were_faster(disk: Path, world: LocalWorld) -> None:
    undo = stored(DiskFill(floor=4).prepare(order("m", disk=disk), world))
    (disk / "others").write_bytes(bytes(29 * MIB))
    DiskFill.inject(undo, world, GO)
    assert free(disk) >= 2 * MIB, "the others took it below the floor, we nothing"
    DiskFill.revert(undo, world)
    assert names(disk) == ["others", "theirs"]


@as_root
def test_another_disk_than_meant_is_not_filled(disk: Path, world: LocalWorld, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="is not on what is mounted at") as refused:
        DiskFill(floor=1, mount="/").prepare(order("m", disk=disk), world)
    assert refused.value.rule == "device"
    undo = stored(DiskFill(floor=1).prepare(order("m", disk=disk), world))
    subprocess.run(["umount", str(disk)], check=True)
    with pytest.raises(RefusedError, match="another disk"):
        DiskFill.inject(undo, world, GO)
    assert names(disk) == []
    subprocess.run(["mount", "-t", "tmpfs", "none", str(disk)], check=True)  # for the fixture's end
    assert tmp_path.exists()


@as_root
def test_a_disk_that_is_not_there_at_the_undo_is_asked_for(disk: Path, world: LocalWorld) -> None:
    undo = fill(disk, world)
    on_a_real_disk = replace(undo, data={**undo.data, "kind": "ext4"})
    subprocess.run(["umount", str(disk)], check=True)
    try:
        with pytest.raises(UndoFailedError, match="another disk now"):
            DiskFill.revert(on_a_real_disk, world)
        assert DiskFill.revert(undo, world).outcome is Outcome.UNTOUCHED, (
            "what was in memory is gone with its mount"
        )
    finally:
        subprocess.run(["mount", "-t", "tmpfs", "none", str(disk)], check=True)


@as_root
def test_what_somebody_put_into_our_directory_is_not_removed(disk: Path, world: LocalWorld) -> None:
    undo = fill(disk, world, leave=2)
    theirs = Path(undo.data["own"]) / "ballast-of-theirs"
    theirs.write_text("work\n")
    with pytest.raises(UndoFailedError, match="not empty"):
        DiskFill.revert(undo, world)
    assert theirs.read_text() == "work\n"
    theirs.rename(disk / "moved")
    assert DiskFill.revert(undo, world).outcome is Outcome.RESTORED


def test_the_journal_keeps_its_room_and_clones_stay_clean(world: LocalWorld, tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    for wrong in ({"floor": 1}, {"mode": "inodes", "floor": 64}):
        with pytest.raises(RefusedError, match="state directory") as refused:
            DiskFill(**wrong).prepare(order("m", disk=beside), world)  # type: ignore[arg-type]
        assert refused.value.rule == "state-directory"
    (beside / ".git").mkdir()
    (beside / "below").mkdir()
    for inside in (beside, beside / "below", beside / ".git"):
        with pytest.raises(RefusedError, match="commit our files"):
            DiskFill().prepare(order("m", disk=inside), world)
    with pytest.raises(TargetAbsentError, match="no directory"):
        DiskFill().prepare(order("m", disk=tmp_path / "absent"), world)


@as_root
def test_a_disk_in_memory_does_not_take_the_machine_s(tmp_path: Path, world: LocalWorld) -> None:
    huge = world.cgroups.memory().total_bytes
    with (
        mounted(tmp_path / "huge", f"size={huge}") as path,
        pytest.raises(RefusedError, match="the machine's memory"),
    ):
        DiskFill(floor=1).prepare(order("m", disk=path), world)


# --- disk-slow -------------------------------------------------------------------------------------------


@as_root
def test_a_throttled_worker_writes_slowly_and_at_full_speed_again(world: LocalWorld, tmp_path: Path) -> None:
    mark, clock = f"mark-{uuid.uuid4().hex}", SystemClock()
    try:
        world.cgroups.device(str(tmp_path))
    except RefusedError:
        pytest.skip("the tests' directory is on no block device")
    words = [sys.executable, "-c", DIRECT, mark, str(tmp_path / "written")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as one:
        assert one.stdin is not None
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"

        def write_s() -> float:
            began_s = clock.instant().mono_s
            one.stdin.write("go\n")  # type: ignore[union-attr]
            assert one.stdout.readline() == "written\n"  # type: ignore[union-attr]
            return clock.instant().mono_s - began_s

        write_s()
        undo = stored(DiskSlow(rate=64).prepare(order(mark, disk=tmp_path, injection=mark), world))
        if undo.data["cages"][0]["kind"] != "child":
            pytest.skip("no control groups of version 1")
        DiskSlow.inject(undo, world, GO)
        slow_s = write_s() + write_s()  # 256 KiB at 64 KiB/s
        back = DiskSlow.revert(undo, world)
        assert back.outcome is Outcome.RESTORED
        assert slow_s > 2
        assert write_s() < slow_s / 2
        one.communicate(timeout=20)
    assert not Path(undo.data["cages"][0]["path"]).exists()


@as_root
def test_what_is_on_no_disk_of_this_machine_is_refused(disk: Path, world: LocalWorld) -> None:
    mark = f"mark-{uuid.uuid4().hex}"
    with (
        child("import time; print('ready', flush=True); time.sleep(600)", mark),
        pytest.raises(RefusedError, match="on no block device"),
    ):
        DiskSlow().prepare(order(mark, disk=disk), world)
