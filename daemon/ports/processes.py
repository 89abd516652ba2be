"""Local processes: found by command line, pid file or port; signalled only when certainly the same."""

import os
import signal
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

from daemon.core.errors import RefusedError
from daemon.core.processes import Command
from daemon.core.seams import Process
from daemon.ports.clock import boot_s
from daemon.ports.inside import LocalInsides, descendants, held_open

_SAME_S = 0.001  # start times come in ticks of 10 ms; this only absorbs the float's rounding
_WRITTEN_LATE_S = 2.0  # file systems with coarse times; a pid file older than its process is stale
_SAME_LIFE_S = 2.0  # another process may read another boot time: start times differ by whole seconds then
_FORKED_S = 1.0  # a program that is started takes milliseconds from fork to exec
_STARTED = 19  # proc(5): field 22 of /proc/PID/stat, counted after the name
_INIT = 1


def this_process() -> tuple[int, float]:
    """Return pid and start time (epoch seconds) of this process, for others to ask ``lives`` with."""
    return os.getpid(), _started_s(os.getpid()) or 0.0


def lives(pid: int, started_s: float) -> bool:
    """Tell whether the process that had this pid and start time in this boot still runs; a zombie does not."""
    return _running_since(pid, started_s, within_s=_SAME_LIFE_S)


class LocalProcesses(LocalInsides):
    """The process table of this machine (or pid namespace), read with psutil.

    Never finds or signals pid 1, chaosd, its ancestors, its copies (a process with chaosd's own command line,
    such as a fork) and what ``spare`` names. A clock step makes processes found before it look gone: then they
    are not signalled, never the wrong one.
    """

    def __init__(self, spare: Callable[[], Collection[int]] = frozenset) -> None:
        self._spare = spare

    def find(
        self, *, match: str | None = None, pid_file: str | None = None, port: int | None = None
    ) -> tuple[Process, ...]:
        """Return what fits every criterion given, oldest first; everything when none is given.

        A pid file that is unreadable, no number, or older than the process it names finds nothing. A listening
        socket shared by forked processes counts for one of them. A child that was forked within the last second
        is not found while it bears the command line of a parent that is: it may be about to become another
        program, and nobody would start it again. Raises RefusedError when ports may not be read.
        """
        pids = _all_pids()
        if pid_file is not None:
            pids &= _named_by(pid_file)
        if port is not None:
            pids &= _listening(port)
        pids -= self._spared()
        ours = _command(os.getpid())
        found = (_look(pid, match) for pid in pids)
        kept = {p.pid: (p, parent) for p, parent in filter(None, found) if p.command != ours}
        grown = [p for p, parent in kept.values() if not _just_forked(p, kept.get(parent))]
        return tuple(sorted(grown, key=lambda p: (p.started_s, p.pid)))

    def commands(self, name: str, *, below: Sequence[str]) -> Iterator[Command]:
        """Read from /proc alone: psutil takes ten times as long, and the program may be over by then."""
        for pid in sorted(map(int, filter(str.isdecimal, os.listdir("/proc"))), reverse=True):  # noqa: PTH208  quick
            found = _at_work(pid, name, below)
            if found is not None:
                yield found

    def children(self, process: Process) -> tuple[Process, ...]:
        below = descendants(process.pid) - self._spared()
        if not self.alive(process):  # afterwards: they are those of exactly this one, not of one that got its pid
            return ()
        found = [each[0] for each in (_look(pid, None) for pid in below) if each is not None]
        return tuple(sorted(found, key=lambda p: (p.started_s, p.pid)))

    def alive(self, process: Process) -> bool:
        return _running_since(process.pid, process.started_s)

    def signal(self, process: Process, number: int, *, group: bool = False) -> bool:
        """Send a signal; number 0 sends nothing and makes only the checks. False when the process is gone.

        The process is held open before its start time is checked, so its pid cannot be given to another in
        between. A group is signalled only while the process named is alive and still in it.
        """
        if process.pid in self._spared():
            raise RefusedError(
                f"not signalling pid {process.pid}: it is chaosd, one of its parents, or pid 1", rule="own-process"
            )
        with held_open(process.pid) as handle:
            if not self.alive(process):
                return False
            try:
                if group:
                    self._signal_group(process, number)
                elif handle is not None:
                    signal.pidfd_send_signal(handle, number)
                else:
                    os.kill(process.pid, number)
            except ProcessLookupError:
                return False
            except PermissionError:
                raise RefusedError(
                    f"not signalled: no permission for pid {process.pid} ({process.command})",
                    rule="permission",
                    hint="run chaosd as the same user as the process, or with CAP_KILL",
                ) from None
        return True

    def _signal_group(self, process: Process, number: int) -> None:
        group = os.getpgid(process.pid)
        if group != process.group:
            raise RefusedError(
                f"not signalling group {process.group}: pid {process.pid} is in group {group} now", rule="moved"
            )
        if group in {_group(pid) for pid in self._spared()}:
            raise RefusedError(
                f"not signalling group {group} of pid {process.pid}: chaosd or one of its parents is in it",
                rule="own-process",
                hint="start the worker in a group of its own (setsid), or use scope=process",
            )
        os.killpg(group, number)

    def _spared(self) -> set[int]:
        import psutil  # noqa: PLC0415  half the start-up of `chaosd inject --repository`, which needs no processes

        try:
            parents = {p.pid for p in psutil.Process().parents()}
        except psutil.Error:  # a parent ended while we looked
            parents = {os.getppid()}
        return {0, _INIT, os.getpid(), *parents, *self._spare()}


def _all_pids() -> set[int]:
    import psutil  # noqa: PLC0415

    return set(psutil.pids())


def _named_by(pid_file: str) -> set[int]:
    path = Path(pid_file)
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            return set()
        pid = int(path.read_bytes()[:64].split()[0])
    except (OSError, ValueError, IndexError):
        return set()
    born = _started_s(pid)
    return {pid} if born is not None and born <= facts.st_mtime + _WRITTEN_LATE_S else set()


def _listening(port: int) -> set[int]:
    import psutil  # noqa: PLC0415

    try:
        sockets = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        raise RefusedError(
            f"not looked up: no permission to see who listens on port {port}",
            rule="permission",
            hint="find the process by match or pid_file instead",
        ) from None
    listening = (s for s in sockets if s.status == psutil.CONN_LISTEN and s.laddr and s.laddr.port == port)
    return {s.pid for s in listening if s.pid is not None}


def _look(pid: int, match: str | None) -> tuple[Process, int] | None:
    """Return the process and its parent's pid if it runs and its command line contains ``match``, else None."""
    command = _command(pid)
    if command is None or (match is not None and match not in command):
        return None
    import psutil  # noqa: PLC0415

    group = _group(pid)
    try:
        process = psutil.Process(pid)  # one for both questions: a fault that waits for an event has no time to lose
        with process.oneshot():
            started, parent = float(process.create_time()), process.ppid()
            dead = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except (psutil.Error, OSError, ValueError, OverflowError):
        return None
    if dead or group is None:
        return None
    return Process(pid=pid, started_s=started, group=group, command=command), parent


def _just_forked(process: Process, parent: tuple[Process, int] | None) -> bool:
    if parent is None or parent[0].command != process.command:
        return False
    try:
        ticks = int(Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()[_STARTED])
    except (OSError, ValueError, IndexError):
        return True  # over already
    return boot_s() - ticks / os.sysconf("SC_CLK_TCK") < _FORKED_S


def _at_work(pid: int, name: str, below: Sequence[str]) -> Command | None:
    """Return a process of a program that works below one of the directories; None when it is another, or over."""
    try:
        if Path(f"/proc/{pid}/comm").read_bytes().rstrip(b"\n") != os.fsencode(name):
            return None
        said = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).removesuffix("\0")
        words = tuple(said.split("\0"))
        command = " ".join(words).strip()
        try:
            where = str(Path(f"/proc/{pid}/cwd").readlink())
        except PermissionError:
            where = below[0]
    except OSError:
        return None
    inside = any(f"{where}/".startswith(f"{directory}/") or directory in command for directory in below)
    started_s, group = _started_s(pid), _group(pid)
    if not inside or not command or started_s is None or group is None:
        return None
    process = Process(pid=pid, started_s=started_s, group=group, command=command)
    return Command(process=process, words=words)


def _command(pid: int) -> str | None:
    """Return the command line; None for a kernel thread, a zombie, or one we may not see.

    A process without one is called by its name in brackets, as ps(1) does: in the middle of exec(2) the kernel has
    taken the old command line and not given the new one yet, and such a child may inherit from a victim.
    """
    here = f"/proc/{pid}"
    try:
        words = Path(here, "cmdline").read_bytes()  # psutil says the same, and takes ten times as long
        said = os.fsdecode(words.replace(b"\0", b" ")).strip()
        if said:
            return said
        Path(here, "exe").readlink()  # fails for kernel threads and zombies: they run no program
        return f"[{os.fsdecode(Path(here, 'comm').read_bytes()).rstrip()}]"
    except OSError:
        return None


def _started_s(pid: int) -> float | None:
    import psutil  # noqa: PLC0415

    try:
        return float(psutil.Process(pid).create_time())
    except (psutil.Error, OSError, ValueError, OverflowError):
        return None


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _running_since(pid: int, started_s: float, *, within_s: float = _SAME_S) -> bool:
    import psutil  # noqa: PLC0415

    try:
        process = psutil.Process(pid)
        dead = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return not dead and abs(process.create_time() - started_s) < within_s
    except (psutil.Error, OSError, ValueError, OverflowError):
        return False


def own_ports() -> tuple[int, ...]:
    """Return the TCP ports at which this very process answers others; loopback's own are left out."""
    import psutil  # noqa: PLC0415

    sockets = psutil.Process().net_connections(kind="tcp")
    open_ = (s for s in sockets if s.status == psutil.CONN_LISTEN and not ip_address(s.laddr.ip).is_loopback)
    return tuple(sorted({s.laddr.port for s in open_}))
