"""The system's clock: the only module that reads the time."""

import time
from datetime import UTC, datetime

from daemon.core.model import Instant
from daemon.core.seams import Flag


def boot_s() -> float:
    """Return seconds since the machine began, its sleep included where the system counts that (CLOCK_BOOTTIME)."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def monotonic_us() -> int:
    """Return CLOCK_MONOTONIC in whole microseconds, as systemd counts."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def file_time_ns() -> int:
    """Return the time as the kernel stamps files with it: no stamp made from now on is earlier."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_REALTIME_COARSE", time.CLOCK_REALTIME))


class SystemClock:
    """Real time: CLOCK_MONOTONIC for differences, the epoch for people."""

    def instant(self) -> Instant:
        return Instant(time.monotonic(), time.time())

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, flag: Flag | None, timeout_s: float) -> bool:
        if flag is None:
            time.sleep(max(0.0, timeout_s))
            return False
        return flag.wait(max(0.0, timeout_s))
