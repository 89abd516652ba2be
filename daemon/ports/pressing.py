"""A program of its own: keep memory from others, or let processes run only part of the time, for a while.

Started by ``daemon.ports.marked`` as ``pressing.py chaosd-holder MARK SECONDS WHAT ARGUMENT...``. Standard library
only, and nothing of chaosd's: it starts in a few milliseconds and outlives whoever started it. At its end, by
SIGTERM or by its own clock, it lets every process run on that it stopped.
"""

import itertools
import mmap
import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

PIECE_BYTES = 16 << 20
_LOOK_S = 0.05
_READY_PIECES = 256  # 4 GiB: who waits for us does not wait for more than that
_SAME_LIFE_S = 2.0
_STARTED = 19  # proc(5): field 22 of /proc/PID/stat, counted after the name
_KIB = 1024
# Control groups, version 1 and 2: the file with the limit, with what is used, and what of that can be had back.
_BOUNDS = (
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ("memory.max", "memory.current", "inactive_file"),
)


def main(arguments: Sequence[str]) -> NoReturn:
    """Hold, say ``ready`` on standard output, and go on until the time is over."""
    _, _, seconds, what, *rest = arguments
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _end)
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    if what == "memory":
        take, leave, floor = map(int, rest[:3])
        _press(take, leave, floor, rest[3:])
    _pulse(float(rest[0]), float(rest[1]), rest[2:])


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _ready() -> None:
    os.write(1, b"ready\n")
    os.close(1)


def _rest(seconds: float) -> None:
    select.select([], [], [], seconds)


# --- memory ----------------------------------------------------------------------------------------------


def free_bytes(groups: Sequence[str]) -> tuple[int, int]:
    """Return what can be had before anything is killed, and all there is: of the machine, or of a group if less."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    facts = {name: int(rest.split()[0]) * _KIB for name, _, rest in (line.partition(":") for line in lines)}
    free, total = facts["MemAvailable"], facts["MemTotal"]
    for group, (limit, used, back) in itertools.product(groups, _BOUNDS):
        bound = _number(f"{group}/{limit}")
        if bound is None or bound >= total:
            continue
        taken = (_number(f"{group}/{used}") or 0) - _had_back(f"{group}/memory.stat", back)
        free, total = min(free, max(0, bound - taken)), bound
    return free, total


def _number(path: str) -> int | None:
    try:
        text = Path(path).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _had_back(path: str, name: str) -> int:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)


def _press(take: int, leave: int, floor: int, groups: Sequence[str]) -> NoReturn:
    """Touch memory until ``take`` bytes are ours or only ``leave`` are free; give back whatever the floor needs."""
    Path("/proc/self/oom_score_adj").write_text("1000")  # whoever must be killed for memory: we are the first
    kept: list[mmap.mmap] = []
    for _ in _grown(kept, take, max(leave, floor), groups):
        if len(kept) == _READY_PIECES:
            _ready()
    if len(kept) < _READY_PIECES:
        _ready()
    while True:
        _rest(_LOOK_S)
        while kept and free_bytes(groups)[0] < floor:
            kept.pop().close()


def _grown(kept: list[mmap.mmap], take: int, leave: int, groups: Sequence[str]) -> Iterator[None]:
    """Add piece after piece; mapped and populated by the kernel, so every page is really there."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    while (rest := take - len(kept) * PIECE_BYTES) > 0:
        size = min(PIECE_BYTES, rest)
        if free_bytes(groups)[0] - size < leave:
            return
        kept.append(mmap.mmap(-1, size, flags=flags))
        yield


# --- processor time --------------------------------------------------------------------------------------


def _pulse(share: float, period_s: float, whom: Sequence[str]) -> NoReturn:
    """Let processes (``PID:STARTED``) run for a share of each period, and stop them for the rest of it."""
    handles = [handle for handle in map(_opened, whom) if handle is not None]
    if not handles:
        raise SystemExit("none of the processes runs")
    try:
        _send(handles, signal.SIGSTOP)
        _ready()
        while _send(handles, signal.SIGSTOP):
            _rest(period_s * (1 - share))
            _send(handles, signal.SIGCONT)
            _rest(period_s * share)
    finally:
        # A second signal must not keep us from it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGALRM})
        _send(handles, signal.SIGCONT)
    raise SystemExit(0)


def _opened(whom: str) -> int | None:
    """Return a handle of exactly that process, which no later owner of its pid can have."""
    pid, started_s = whom.split(":")
    try:
        handle = os.pidfd_open(int(pid))
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boots = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    except OSError:
        return None
    born_s = int(boots.split()[1]) + int(fields[_STARTED]) / os.sysconf("SC_CLK_TCK")
    return handle if abs(born_s - float(started_s)) < _SAME_LIFE_S else None


def _send(handles: Sequence[int], number: int) -> int:
    """Signal all; return how many there still were."""
    there = 0
    for handle in handles:
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            continue
        there += 1
    return there


if __name__ == "__main__":
    sys.path[:] = [part for part in sys.path if part != str(Path(__file__).parent)]
    main(sys.argv[1:])
