"""A full disk: files of ours take its bytes or its inodes, down to a floor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError
from daemon.core.filesystem import FileStat, Room
from daemon.core.model import Mode, Order, Outcome, Resource, Reversion, Undo
from daemon.core.parameters import parameter, victim_parameter
from daemon.core.seams import Flag, World

_DONE = "no disk filled"
_MIB = 1 << 20
_PERCENT = 100
_PIECE_BYTES = 1 << 30
_BATCH = 1000
_FILES_MOST = 500_000  # more would take minutes to make and to remove
_PER_SECOND = 5_000  # of them, on a disk that has other things to do
_IN_MEMORY = frozenset(("tmpfs", "ramfs", "hugetlbfs"))
_MEMORY_STAYS_BYTES = 256 * _MIB  # what a file system in memory must leave to everybody else
_JOURNAL_BYTES = 64 * _MIB  # chaosd's own: its reserve is 256 KiB, and it goes on writing while the disk is full


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFill:
    """Takes the free room of a file system away, and never what lies below the floor: bytes and a share of all.

    In a directory of its own, named after the injection; revert removes it with what we put there. Room that others
    free meanwhile is not taken again, what they write meanwhile may go below the floor.
    """

    name: ClassVar[str] = "disk-fill"
    summary: ClassVar[str] = "Fills the worker's disk down to a stated free amount, in bytes or in inodes"
    modes: ClassVar[tuple[Mode, ...]] = (
        Mode("bytes", "files take the room: writing fails with ENOSPC once the rest is used"),
        Mode("inodes", "empty files take the inodes: nothing can be created, although there is room"),
    )
    touches: ClassVar[Resource] = Resource.DISK
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("bytes", "what is taken", choices=("bytes", "inodes"))
    path: str | None = victim_parameter(
        None, "a directory on the disk, outside of any clone; default: the target's disk"
    )
    mount: str | None = parameter(None, "refuse unless the path is on what is mounted here")
    leave: int = parameter(0, "bytes: how much stays free; 0: the floor", unit="MiB", least=0)
    floor: int = parameter(64, "bytes: never less than that stays free", unit="MiB", least=1)
    floor_percent: float = parameter(1.0, "nor less than this share of all", unit="%", least=0.1, most=90)
    leave_inodes: int = parameter(0, "inodes: how many stay free; 0: the floor", unit="inodes", least=0)

    def prepare(self, order: Order, world: World) -> Undo:
        """Find the disk and the room; raises RefusedError where the floor, the journal or a clone forbids it."""
        path = self._directory(order, world)
        room = world.files.room(path)
        self._meant(path, room, world)
        amount, stays = self._inodes(room) if self.mode == "inodes" else self._bytes(path, room, world)
        if amount <= 0:
            raise RefusedError(
                f"{_DONE}: {path} has {stays + amount} {self.mode} free, and {stays} must stay free",
                rule="floor",
                hint="lower leave, floor and floor_percent, or free something",
            )
        own = f"{path.rstrip('/')}/chaosd-fill-{order.injection}"
        unit = f"{amount // _MIB} MiB" if self.mode == "bytes" else f"{amount} inodes"
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={"path": path, "device": room.device, "kind": room.kind},
            actions=(f"take {unit} of the disk of {path} with files in {own}, until {stays} {self.mode} are free",),
            data={
                "path": path,
                "own": own,
                "device": room.device,
                "kind": room.kind,
                "stays": stays,
                "amount": amount,
                "boot": world.boot,
            },
            takes_s=amount / _PER_SECOND if self.mode == "inodes" else 0.0,
        )

    def _directory(self, order: Order, world: World) -> str:
        named = self.path or (order.target.disk.path if order.target.disk else None)
        if not named:
            raise TargetAbsentError(
                f"{_DONE}: target {order.target.name} does not say which disk is its own",
                hint="add disk: {path: DIRECTORY} to the target, or set path",
            )
        path = world.files.resolve(named)
        found = world.files.lstat(path)
        if found is None or found.kind != "directory":
            raise TargetAbsentError(
                f"{_DONE}: {path} of target {order.target.name} is no directory", hint="check the path"
            )
        parts = path.split("/")
        above = ["/".join(parts[:n]) or "/" for n in range(1, len(parts) + 1)]
        clone = next((one for one in above if world.files.lstat(f"{one.rstrip('/')}/.git") is not None), None)
        if clone is not None or ".git" in parts:
            raise RefusedError(
                f"{_DONE}: {path} is in the clone {clone or path}: the worker could commit our files",
                rule="worktree",
                hint="name a directory of the same disk beside the clone",
            )
        return path

    def _meant(self, path: str, room: Room, world: World) -> None:
        """Raise RefusedError when it is another disk than meant, or the journal's with too little left for it."""
        if self.mount is not None and world.files.room(self.mount).device != room.device:
            raise RefusedError(
                f"{_DONE}: {path} is not on what is mounted at {self.mount}",
                rule="device",
                hint="mount it, or correct path and mount",
            )
        shared = world.files.room(world.private).device == room.device
        if shared and (self.mode == "inodes" or max(self.leave, self.floor) * _MIB < _JOURNAL_BYTES):
            raise RefusedError(
                f"{_DONE}: {path} is on the disk of chaosd's own state directory, whose journal needs "
                f"{_JOURNAL_BYTES // _MIB} MiB and inodes of its own",
                rule="state-directory",
                hint=f"leave {_JOURNAL_BYTES // _MIB} MiB or more, or put the state directory on another disk",
            )

    def _bytes(self, path: str, room: Room, world: World) -> tuple[int, int]:
        floor = max(self.floor * _MIB, int(room.total_bytes * self.floor_percent / _PERCENT))
        stays = max(self.leave * _MIB, floor)
        amount = room.free_bytes - stays
        if room.kind in _IN_MEMORY and amount > world.cgroups.memory().free_bytes - _MEMORY_STAYS_BYTES:
            raise RefusedError(
                f"{_DONE}: {path} is {room.kind}, and taking {amount // _MIB} MiB would take the machine's memory",
                rule="memory",
                hint="leave more, or use memory-pressure",
            )
        return amount, stays

    def _inodes(self, room: Room) -> tuple[int, int]:
        if room.total_inodes == 0:
            raise RefusedError(
                f"{_DONE}: a {room.kind} counts no inodes", rule="inodes", hint="use mode bytes, or another disk"
            )
        floor = max(2, int(room.total_inodes * self.floor_percent / _PERCENT))
        stays = max(self.leave_inodes, floor)
        amount = room.free_inodes - stays
        if amount > _FILES_MOST:
            raise RefusedError(
                f"{_DONE}: that would be {amount} files, more than {_FILES_MOST}",
                rule="inodes",
                hint="set leave_inodes higher, or use a smaller disk",
            )
        return amount, stays

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        """Take the room piece by piece, looking each time; raises RefusedError when the disk is another one now."""
        data = undo.data
        if stop.is_set():
            return
        like = world.files.lstat(data["path"])
        if like is None or world.files.room(data["path"]).device != data["device"]:
            raise RefusedError(f"{_DONE}: {data['path']} is on another disk than when planned", rule="drift")
        # Our own directory, whoever owns the one above: -1 leaves owner and group as the system gives them.
        world.files.make_directory(data["own"], FileStat(**{**_facts(like), "mode": 0o700, "uid": -1, "gid": -1}))
        if undo.mode == "inodes":
            _take_inodes(data, world, stop)
        else:
            _take_bytes(data, world, stop)

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Remove our files and their directory; raises UndoFailedError when they stay, or the disk is not there."""
        data, own = undo.data, undo.data["own"]
        found = world.files.lstat(own)
        if found is None and not _there(undo, world):
            raise UndoFailedError(
                f"not taken back: {data['path']} is on another disk now; our files, if any, are on the one before",
                hint=f"mount it at {data['path']} again, then `chaosd recover`",
            )
        removed = world.files.clear(own)
        world.files.remove_directory(own)
        if world.files.lstat(own) is not None:
            raise UndoFailedError(
                f"not taken back: {own} is not empty, or may not be removed",
                hint="somebody put files of his own there: move them, then `chaosd recover`",
            )
        free = world.files.room(data["path"]) if world.files.lstat(data["path"]) else None
        return Reversion(
            outcome=Outcome.RESTORED if found else Outcome.UNTOUCHED,
            proof={
                "directory": own,
                "files_removed": removed,
                "free_bytes": free.free_bytes if free else None,
                "free_inodes": free.free_inodes if free else None,
            },
        )


def _take_bytes(data: Mapping[str, Any], world: World, stop: Flag) -> None:
    number = total = 0
    while (room := world.files.room(data["own"]).free_bytes - data["stays"]) > 0 and not stop.is_set():
        if total > 2 * data["amount"]:
            raise RefusedError(
                f"{_DONE}: {total // _MIB} MiB were written to {data['own']}, and its disk does not get fuller",
                rule="unfillable",
                hint="it compresses, or somebody frees as much meanwhile",
            )
        taken = world.files.ballast(data["own"], number, min(room, _PIECE_BYTES))
        if not taken:
            return
        number, total = number + 1, total + taken


def _take_inodes(data: Mapping[str, Any], world: World, stop: Flag) -> None:
    first = 0
    while (room := world.files.room(data["own"]).free_inodes - data["stays"]) > 0 and not stop.is_set():
        made = world.files.litter(data["own"], first, min(room, _BATCH))
        first += made
        if not made or first > _FILES_MOST:
            return


def _there(undo: Undo, world: World) -> bool:
    """Tell whether the disk of then is where it was, or cannot have our files any more."""
    lost = undo.data["kind"] in _IN_MEMORY  # unmounted or gone with a restart, our files with it
    path = undo.data["path"]
    return lost or (world.files.lstat(path) is not None and world.files.room(path).device == undo.data["device"])


def _facts(stat: FileStat) -> dict[str, Any]:
    return {name: getattr(stat, name) for name in FileStat.__slots__}
