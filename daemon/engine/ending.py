"""When a workload may be judged: not while a fault is in effect that is still to be taken back."""

from threading import Lock


class Ending:
    """Agreed between two threads: the one that plays the workload, and the one that injects beside it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._postponed = self._begun = False

    def postpone(self) -> bool:
        """Keep the workload from being judged until ``allow``; False when it is being judged already."""
        with self._lock:
            self._postponed = not self._begun
            return self._postponed

    def allow(self) -> None:
        """Let the workload be judged as soon as it has settled; idempotent."""
        with self._lock:
            self._postponed = False

    def begin(self) -> bool:
        """Begin to judge, after which nothing postpones it any more; False while it is postponed."""
        with self._lock:
            self._begun = not self._postponed
            return self._begun

    @property
    def postponed(self) -> bool:
        """Whether it has to wait."""
        return self._postponed

    @property
    def begun(self) -> bool:
        """Whether the workload is being judged, or has been."""
        return self._begun
