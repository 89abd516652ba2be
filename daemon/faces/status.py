"""What is going on, in one line, for `systemctl status`: what is active, not undone, halted, refused."""

from collections.abc import Callable, Iterable
from threading import Lock

from daemon.core.errors import ChaosdError
from daemon.core.events import Event, Injection, Judged, Plan, Planned, Proposed, Reverted, RevertFailed, Settled


class StatusLine:
    """A listener that tells ``show`` the line whenever it changes. Thread-safe.

    ``halted`` says why a halt is in force. It is asked at ``refresh`` alone: it reads the journal, and events come
    from threads that have an undo to do.
    """

    def __init__(self, show: Callable[[str], None], *, halted: Callable[[], str | None]) -> None:
        self._show, self._halted = show, halted
        self._shown = self._halt = ""
        self._lock = Lock()
        self._plans: dict[str, Plan] = {}
        self._active: dict[str, str] = {}
        self._refused = ""

    @property
    def text(self) -> str:
        """Return the line, with the halt as it was at the last ``refresh``."""
        with self._lock:
            head = f"active: {', '.join(self._active.values())}" if self._active else "nothing injected"
            halted = f"halted: {self._halt}" if self._halt else ""
            return "; ".join(part for part in (head, halted, self._refused) if part)

    def resume(self, outstanding: Iterable[Injection]) -> None:
        """Take over what an earlier life of the daemon left and could not be undone yet."""
        for left in outstanding:
            self._plans[left.plan.injection] = left.plan
            self._active[left.plan.injection] = f"{_what(left.plan)}, not undone yet"
        self.refresh()

    def __call__(self, injection: str, event: Event) -> None:
        """Take one event into account."""
        with self._lock:
            plan = self._plans.get(injection)
            match event:
                case Proposed():
                    self._plans[injection] = event.plan
                    return
                case Planned() if plan is not None:
                    self._active[injection] = _what(plan)
                case RevertFailed() if plan is not None:
                    self._active[injection] = f"{_what(plan)}, UNDO FAILED: run `chaosd recover`"
                case Reverted() | Settled():
                    self._active.pop(injection, None)
                case Judged() if injection not in self._active:
                    self._plans.pop(injection, None)
                    return
                case _:
                    return
        self._tell()

    def refresh(self) -> None:
        """Ask whether a halt is in force, and show the line if it is another than the last."""
        try:
            self._halt = self._halted() or ""
        except ChaosdError as error:  # the journal: what is active is said all the same
            self._halt = error.message
        self._tell()

    def _tell(self) -> None:
        line = self.text
        if line != self._shown:
            self._shown = line
            self._show(line)

    def reloaded(self, refusal: str) -> str:
        """Take a reload into account, and why it was refused if it was; return the line."""
        self._refused = refusal
        return self.text


def _what(plan: Plan) -> str:
    return f"{plan.fault} on {plan.target} ({plan.injection})"
