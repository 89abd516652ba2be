"""Control groups of both versions, as plain files of the test's own: which group is found, and what is refused."""

from pathlib import Path

import pytest

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.seams import Process
from daemon.ports.cgroups import LocalCgroups
from daemon.ports.mounts import mounts
from daemon.ports.pressing import free_bytes

WORKER = Process(pid=7, started_s=1.0, group=7, command="worker")
V1 = "30 20 0:26 {root} {point}/{name} rw,nosuid shared:5 - cgroup cgroup rw,{name}"
V2 = "31 20 0:27 {root} {point} rw - cgroup2 cgroup2 rw,nsdelegate"
MIB = 1 << 20


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    for group in ("cpu/app", "unified/app"):
        (tmp_path / group).mkdir(parents=True)
    (tmp_path / "unified/app/cgroup.controllers").write_text("cpu memory\n")
    return tmp_path


def look(tree: Path, lines: str, mountinfo: str) -> LocalCgroups:
    (tree / "proc/7/cgroup").write_text(lines)
    return LocalCgroups(tree / "proc", mountinfo)


def v1(tree: Path, root: str = "/", name: str = "cpu") -> str:
    return V1.format(root=root, point=tree, name=name)


def v2(tree: Path, root: str = "/") -> str:
    return V2.format(root=root, point=tree / "unified")


def test_version_1_is_found_by_its_controller_and_version_2_by_its_own(tree: Path) -> None:
    hybrid = look(tree, "5:cpu,cpuacct:/app\n0::/app\n", f"{v1(tree)}\n{v2(tree)}")
    old, new = hybrid.of(WORKER, "cpu"), hybrid.of(WORKER, "memory")
    assert (old.path, old.version, old.root) == (str(tree / "cpu/app"), 1, False)
    assert (new.path, new.version, new.root) == (str(tree / "unified/app"), 2, False)


def test_what_version_2_calls_io_is_blkio_in_version_1(tree: Path) -> None:
    found = look(tree, "5:blkio:/\n0::/app\n", f"{v1(tree, name='blkio')}\n{v2(tree)}").of(WORKER, "io")
    assert (found.path, found.version, found.root) == (str(tree / "blkio"), 1, True)


def test_a_container_s_mount_shows_only_a_part(tree: Path) -> None:
    inside = look(tree, "0::/pod/app\n", v2(tree, root="/pod"))
    assert inside.of(WORKER, "cpu").path == str(tree / "unified/app")
    with pytest.raises(RefusedError, match="no mounted file system shows"):
        look(tree, "0::/other/app\n", v2(tree, root="/pod")).of(WORKER, "cpu")
    with pytest.raises(RefusedError, match="no mounted file system shows"):
        look(tree, "0::/../app\n", v2(tree)).of(WORKER, "cpu")


def test_a_controller_that_is_not_enabled_is_refused_and_says_so(tree: Path) -> None:
    with pytest.raises(RefusedError, match="io is not enabled") as refused:
        look(tree, "0::/app\n", v2(tree)).of(WORKER, "io")
    assert refused.value.rule == "cgroup"
    with pytest.raises(RefusedError, match="no group of the controller"):
        look(tree, "5:pids:/\n", v2(tree)).of(WORKER, "cpu")
    with pytest.raises(TargetAbsentError, match="is gone"):
        LocalCgroups(tree / "nowhere", "").of(WORKER, "cpu")


def test_files_are_read_and_written_and_never_made(tree: Path) -> None:
    groups = LocalCgroups(tree / "proc", "")
    own = str(tree / "cpu/app")
    with pytest.raises(RefusedError, match="not changed"):
        groups.write(own, "cpu.max", "max")
    assert groups.read(own, "cpu.max") is None
    (tree / "cpu/app/cpu.max").write_text("max 100000\n")
    groups.write(own, "cpu.max", "10000")
    assert groups.read(own, "cpu.max") == "1000000000", (
        "as pwrite does with a file; the kernel takes it as one word"
    )
    assert groups.make(f"{own}/chaosd-1") is True
    assert groups.make(f"{own}/chaosd-1") is False
    assert groups.remove(f"{own}/chaosd-1") is True
    assert groups.remove(f"{own}/chaosd-1") is False
    assert groups.remove(own) is False, "not empty"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, None),
        ({"memory.max": "max", "memory.current": "5"}, None),
        ({"memory.max": str(200 * MIB), "memory.current": str(150 * MIB)}, 50 * MIB),
        (
            {"memory.max": str(200 * MIB), "memory.current": str(150 * MIB), "memory.stat": f"inactive_file {MIB}"},
            51 * MIB,
        ),
        ({"memory.limit_in_bytes": str(64 * MIB), "memory.usage_in_bytes": str(65 * MIB)}, 0),
        ({"memory.limit_in_bytes": str((1 << 63) - 4096), "memory.usage_in_bytes": "5"}, None),
    ],
)
def test_what_can_be_had_is_the_group_s_if_that_is_less_than_the_machine_s(
    tmp_path: Path, files: dict[str, str], free: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    machine = {
        name: int(rest.split()[0]) * 1024
        for name, _, rest in (line.partition(":") for line in Path("/proc/meminfo").read_text().splitlines())
    }
    found, total = free_bytes([str(tmp_path)])
    if free is None:
        assert total == machine["MemTotal"]
        assert 0 < found <= total
    else:
        assert found == free


def test_mounts_are_read_with_their_escapes() -> None:
    (found,) = mounts(r"36 35 98:0 /mnt1 /a\040disk rw,noatime master:1 - ext3 /dev/root rw,errors=continue")
    assert (found.device, found.root, found.point, found.kind) == ("98:0", "/mnt1", "/a disk", "ext3")
    assert "errors=continue" in found.options
