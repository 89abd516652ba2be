"""The kernel's side of a fake world: control groups, and a disk that is small whatever it really is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.core.cgroups import Cgroup, Memory
from daemon.core.errors import RefusedError
from daemon.core.filesystem import Room
from daemon.core.seams import Process
from daemon.ports.files import LocalFiles

MIB = 1 << 20
UNLIMITED_FILES = {
    "cpu.cfs_quota_us": "-1",
    "cpu.cfs_period_us": "100000",
    "cpu.max": "max 100000",
    "memory.limit_in_bytes": "9223372036854771712",
    "memory.max": "max",
    "memory.current": str(100 * MIB),
    "blkio.throttle.read_bps_device": "",
    "blkio.throttle.write_bps_device": "",
    "io.max": "",
}


@dataclass
class _Group:
    files: dict[str, str] = field(default_factory=lambda: dict(UNLIMITED_FILES))
    pids: set[int] = field(default_factory=set)


class FakeCgroups:
    """Groups as a tree of paths. Whoever was never moved is in ``/cg/home``; a dead process is in none."""

    HOME = "/cg/home"

    def __init__(self, alive: Callable[[], set[int]], version: int = 1) -> None:
        self._alive = alive
        self.version = version
        self.root = False
        self.let = True
        self.groups: dict[str, _Group] = {self.HOME: _Group()}
        self.free_bytes, self.total_bytes = 4096 * MIB, 8192 * MIB

    def memory(self) -> Memory:
        return Memory(free_bytes=self.free_bytes, total_bytes=self.total_bytes, groups=(self.HOME,))

    def of(self, process: Process, controller: str) -> Cgroup:
        assert controller in ("cpu", "memory", "io")
        path = next((p for p, g in self.groups.items() if process.pid in g.pids), self.HOME)
        return Cgroup(path=path, version=self.version, root=self.root)

    def device(self, path: str) -> str:
        assert path
        return "8:0"

    def writable(self, path: str) -> bool:
        return self.let and path in self.groups

    def read(self, path: str, name: str) -> str | None:
        return self.groups[path].files.get(name) if path in self.groups else None

    def members(self, path: str) -> tuple[int, ...]:
        alive = self._alive()
        moved = {pid for p, g in self.groups.items() if p != self.HOME for pid in g.pids}
        if path == self.HOME:
            return tuple(sorted(alive - moved))
        return tuple(sorted(self.groups[path].pids & alive)) if path in self.groups else ()

    def make(self, path: str) -> bool:
        self._checked(path)
        if path in self.groups:
            return False
        self.groups[path] = _Group()
        return True

    def write(self, path: str, name: str, value: str) -> None:
        self._checked(path)
        assert name in self.groups[path].files
        # The kernel shows no line for a device without limits.
        self.groups[path].files[name] = "" if value.endswith("rbps=max wbps=max riops=max wiops=max") else value

    def join(self, path: str, pid: int) -> bool:
        self._checked(path)
        if pid not in self._alive():
            return False
        for group in self.groups.values():
            group.pids.discard(pid)
        if path != self.HOME:
            self.groups[path].pids.add(pid)
        return True

    def remove(self, path: str) -> bool:
        if path not in self.groups or self.members(path):
            return False
        del self.groups[path]
        return True

    def _checked(self, path: str) -> None:
        if not self.let:
            raise RefusedError(f"not changed: {path}: permission denied", rule="cgroup")

    def state(self) -> Any:
        """Return groups, limits, and who is in a group of ours."""
        return {p: (dict(g.files), self.members(p) if p != self.HOME else ()) for p, g in self.groups.items()}


class SmallDisk(LocalFiles):
    """Files below one directory are on a disk of their own: 512 MiB, 4000 inodes, taken by what is really there."""

    TOTAL_BYTES, TOTAL_INODES = 512 * MIB, 4000

    def __init__(self, root: Path, device: int = 77, kind: str = "ext4") -> None:
        self._root = root
        self.device, self.kind = device, kind

    def room(self, path: str) -> Room:
        if not Path(path).is_relative_to(self._root):
            return super().room(path)
        files = [p for p in self._root.rglob("*") if p.is_file()]
        return Room(
            free_bytes=self.TOTAL_BYTES - sum(p.stat().st_size for p in files),
            total_bytes=self.TOTAL_BYTES,
            free_inodes=self.TOTAL_INODES - len(files),
            total_inodes=self.TOTAL_INODES,
            device=self.device,
            kind=self.kind,
        )

    def ballast(self, directory: str, number: int, size: int) -> int:
        """Take it in pieces of 100 MiB, as a broken-up disk may, and with holes, so that it costs nothing."""
        taken = min(size, 100 * MIB)
        with (Path(directory) / f"ballast-{number}").open("wb") as file:
            file.truncate(taken)
        return taken
