"""Which injections of a fault are in force on a target: two may be, and the end of one is not the other's."""

from collections.abc import Callable
from threading import Lock

from daemon.core.events import Plan


class InForce:
    """Keeps when each injection in force must be gone. Thread-safe.

    ``show`` is told of every change: fault, target, how many injections are in force, and when the first of them
    must be gone (epoch seconds, 0 for none).
    """

    def __init__(self, show: Callable[[str, str, int, float], None]) -> None:
        self._show = show
        self._due_s: dict[tuple[str, str], dict[str, float]] = {}
        # Experiments end on threads of their own: what is shown last must be what was true last.
        self._lock = Lock()

    def begin(self, plan: Plan, due_s: float) -> None:
        """Take an injection in, or note that it must be gone at another time."""
        with self._lock:
            left = self._due_s.setdefault((plan.fault, plan.target), {})
            left[plan.injection] = due_s
            self._show(plan.fault, plan.target, len(left), min(left.values()))

    def holds(self, plan: Plan) -> bool:
        """Tell whether an injection is in force."""
        with self._lock:
            return plan.injection in self._due_s.get((plan.fault, plan.target), {})

    def end(self, plan: Plan) -> None:
        """Let an injection go; one that is not in force changes nothing."""
        with self._lock:
            at = (plan.fault, plan.target)
            left = self._due_s.get(at, {})
            if left.pop(plan.injection, None) is None:
                return
            if not left:
                del self._due_s[at]
            self._show(*at, len(left), min(left.values(), default=0.0))
