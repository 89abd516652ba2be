"""The control groups of this machine, versions 1 and 2, through their file systems."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from daemon.core.cgroups import Cgroup, Memory
from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.seams import Process
from daemon.ports.mounts import mounts
from daemon.ports.pressing import free_bytes

_OLD_NAMES = {"io": "blkio"}  # how version 1 calls what version 2 calls otherwise
_LET = "run chaosd as root, or in a delegated group, with the control groups writable (docs/process-faults.md)"


class LocalCgroups:
    """Implements ``Cgroups``. ``proc`` and ``mountinfo`` are other ones only in tests."""

    def __init__(self, proc: Path = Path("/proc"), mountinfo: str | None = None) -> None:
        self._proc = proc
        self._mountinfo = mountinfo

    def memory(self) -> Memory:
        groups = self._bounds()
        free, total = free_bytes(groups)
        return Memory(free_bytes=free, total_bytes=total, groups=groups)

    def _bounds(self) -> tuple[str, ...]:
        """Return the groups that bound our own memory: ours and those above it; none where they cannot be seen."""
        try:
            own = self._of("self", "memory")
        except (RefusedError, TargetAbsentError):
            return ()
        above = [Path(own.path), *Path(own.path).parents]
        return tuple(str(path) for path in above if (path / "cgroup.procs").exists())

    def of(self, process: Process, controller: str) -> Cgroup:
        return self._of(str(process.pid), controller)

    def _of(self, pid: str, controller: str) -> Cgroup:
        try:
            lines = (self._proc / pid / "cgroup").read_text().splitlines()
        except OSError:
            raise TargetAbsentError(f"no control group found: process {pid} is gone") from None
        entries = [line.split(":", 2) for line in lines]
        old = _OLD_NAMES.get(controller, controller)
        own = next((path for _, names, path in entries if old in names.split(",")), None)
        if own is not None:
            return self._placed(own, old, 1)
        unified = next((path for number, _, path in entries if number == "0"), None)
        if unified is None:
            raise _out_of_reach(f"process {pid} is in no group of the controller {controller}")
        found = self._placed(unified, controller, 2)
        enabled = self.read(found.path, "cgroup.controllers")
        if enabled is None or controller not in enabled.split():
            raise _out_of_reach(f"the controller {controller} is not enabled in {found.path}")
        return found

    def _placed(self, group: str, controller: str, version: int) -> Cgroup:
        for mount in mounts(self._mountinfo):
            right = mount.kind == "cgroup2" if version == 2 else controller in mount.options  # noqa: PLR2004
            if mount.kind not in ("cgroup", "cgroup2") or not right:
                continue
            if ".." not in PurePosixPath(group).parts and PurePosixPath(group).is_relative_to(mount.root):
                below = PurePosixPath(group).relative_to(mount.root)
                return Cgroup(path=str(PurePosixPath(mount.point) / below), version=version, root=not below.parts)
        raise _out_of_reach(f"no mounted file system shows the group {group} of the controller {controller}")

    def device(self, path: str) -> str:
        try:
            found = os.stat(path).st_dev  # noqa: PTH116
        except OSError as error:
            raise TargetAbsentError(f"no disk found: {path}: {error.strerror}", hint="check the path") from None
        here = Path(f"/sys/dev/block/{os.major(found)}:{os.minor(found)}")
        if not here.exists():
            raise RefusedError(
                f"no disk slowed: {path} is on no block device of this machine (tmpfs, overlay, network, btrfs)",
                rule="cgroup",
                hint="name a path on a disk of this machine; for others there is no honest way to be slow",
            )
        whole = here.resolve().parent if (here / "partition").exists() else here
        return (whole / "dev").read_text().strip()

    def writable(self, path: str) -> bool:
        return os.access(path, os.W_OK)

    def read(self, path: str, name: str) -> str | None:
        try:
            return (Path(path) / name).read_text().strip()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENOTDIR):
                return None
            raise _refused(path, error) from None

    def members(self, path: str) -> tuple[int, ...]:
        return tuple(map(int, (self.read(path, "cgroup.procs") or "").split()))

    def make(self, path: str) -> bool:
        with _translated(path):
            try:
                os.mkdir(path, 0o755)  # noqa: PTH102  one system call
            except FileExistsError:
                return False
        return True

    def write(self, path: str, name: str, value: str) -> None:
        with _translated(f"{path}/{name}"):
            # never O_CREAT: it must be the kernel's
            descriptor = os.open(f"{path}/{name}", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, value.encode())
            finally:
                os.close(descriptor)

    def join(self, path: str, pid: int) -> bool:
        try:
            self.write(path, "cgroup.procs", str(pid))
        except TargetAbsentError:
            return False
        return True

    def remove(self, path: str) -> bool:
        with _translated(path):
            try:
                os.rmdir(path)  # noqa: PTH106  one system call
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EBUSY, errno.ENOTEMPTY):
                    return False
                raise
        return True


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        raise TargetAbsentError(f"not changed: {what}: the process is gone") from None
    except OSError as error:
        raise _refused(what, error) from None


def _refused(what: str, error: OSError) -> RefusedError:
    return RefusedError(f"not changed: {what}: {(error.strerror or 'no').lower()}", rule="cgroup", hint=_LET)


def _out_of_reach(why: str) -> RefusedError:
    return RefusedError(f"no control group found: {why}", rule="cgroup", hint=_LET)
