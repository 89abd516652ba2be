"""A wrong clock for the worker, where it runs under libfaketime."""

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError
from daemon.core.filesystem import FileStat
from daemon.core.model import Mode, Order, Outcome, Resource, Reversion, Undo
from daemon.core.parameters import parameter
from daemon.core.seams import Flag, Process, World
from faults.process.victims import Chosen, named

_DONE = "no clock changed"
_LIBRARY, _FILE = "faketime", "FAKETIME_TIMESTAMP_FILE"
_LIMIT_BYTES = 4096
_START = "start the worker with libfaketime, LD_PRELOAD and FAKETIME_TIMESTAMP_FILE (docs/process-faults.md)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSkew(Chosen):
    """Writes another time into the file that libfaketime in the worker reads, and puts it back byte for byte.

    The machine's clock is not touched. The victims are asked which file that is; all that read it have the same
    wrong clock. How soon they see it, and which of their clocks move, is libfaketime's business.
    """

    name: ClassVar[str] = "clock-skew"
    summary: ClassVar[str] = "Gives a worker that runs under libfaketime a wrong clock"
    modes: ClassVar[tuple[Mode, ...]] = (
        Mode("ahead", "its clock is ahead by `by`"),
        Mode("behind", "its clock is behind by `by`: time goes back once"),
    )
    touches: ClassVar[Resource] = Resource.PROCESS
    calls: ClassVar[tuple[Call, ...]] = NONE

    mode: str = parameter("ahead", "in which way it is wrong", choices=("ahead", "behind"))
    by: float = parameter(3600.0, "by how much", unit="s", least=0.001)

    def prepare(self, order: Order, world: World) -> Undo:
        """Find the file; raises TargetAbsentError when a victim does not run under libfaketime, or has no file."""
        victims = self.victims(order, world, _DONE)
        paths = {_timestamp_file(victim, world): victim for victim in victims}
        if len(paths) > 1:
            raise RefusedError(
                f"{_DONE}: the victims read {len(paths)} files: {', '.join(sorted(paths))}",
                rule="several",
                hint="take one of them with pick",
            )
        path = world.files.resolve(*paths)
        stat = world.files.lstat(path)
        if stat is None:
            raise TargetAbsentError(f"{_DONE}: {path}, which libfaketime should read, is not there", hint=_START)
        was = world.files.read(path, limit=_LIMIT_BYTES, straight=True)
        if b" x" in was or len(was) == _LIMIT_BYTES:
            # A rate stays in force in libfaketime when the file stops naming it: nothing we write would be an undo.
            raise RefusedError(
                f"{_DONE}: {path} says more than an offset already", rule="drift", hint="make it '+0'"
            )
        ours = f"{'+' if self.mode == 'ahead' else '-'}{self.by:.3f}\n"
        return Undo(
            fault=self.name,
            mode=self.mode,
            victim={**named(victims), "file": path},
            actions=(f"write {ours!r} into {path} (was {was.decode(errors='replace').strip()!r})",),
            data={
                "path": path,
                "was": was.decode("latin-1"),
                "ours": ours,
                "like": asdict(stat),
                "temporary": f"{path}.chaosd-{order.injection}",
            },
        )

    @classmethod
    def inject(cls, undo: Undo, world: World, stop: Flag) -> None:
        """Write the file; raises RefusedError when it was changed since ``prepare``."""
        if stop.is_set():
            return
        data = undo.data
        if _content(world, data["path"]) != data["was"]:
            raise RefusedError(f"{_DONE}: {data['path']} was changed meanwhile", rule="drift")
        like = replace(FileStat(**data["like"]), mtime_ns=int(world.clock.instant().wall_s * 1e9))
        world.files.put(data["path"], data["ours"].encode(), like, temporary=data["temporary"])

    @classmethod
    def revert(cls, undo: Undo, world: World) -> Reversion:
        """Put the file back as it was, if it still is as we wrote it; raises UndoFailedError when it is not."""
        data, path = undo.data, undo.data["path"]
        before = _content(world, path)
        if before == data["ours"]:
            like = FileStat(**data["like"])
            world.files.put(path, data["was"].encode("latin-1"), like, temporary=data["temporary"])
        world.files.remove(data["temporary"])
        now = _content(world, path)
        if now == data["ours"]:
            raise UndoFailedError(
                f"not taken back: {path} says {now!r} still", hint=f"write {data['was']!r} into it"
            )
        found = {data["ours"]: Outcome.RESTORED, data["was"]: Outcome.UNTOUCHED}
        return Reversion(
            outcome=Outcome.SUPERSEDED if before is None else found.get(before, Outcome.SUPERSEDED),
            proof={"file": path, "before": before, "now": now},
        )


def _timestamp_file(victim: Process, world: World) -> str:
    preloaded = world.processes.variable(victim, "LD_PRELOAD") or ""
    path = world.processes.variable(victim, _FILE)
    if _LIBRARY not in preloaded or not path:
        raise TargetAbsentError(
            f"{_DONE}: process {victim.pid} ({victim.command}) does not run under libfaketime with {_FILE}",
            hint=_START,
        )
    return path


def _content(world: World, path: str) -> str | None:
    if world.files.lstat(path) is None:
        return None
    return world.files.read(path, limit=_LIMIT_BYTES, straight=True).decode("latin-1")
