"""The control desk: starts injections, stops them, halts, resumes, reverts. Used by schedule, API and CLI alike."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from daemon.core.errors import BusyError, ChaosdError
from daemon.core.events import Injection
from daemon.core.model import Observation, Status
from daemon.core.plan import Request
from daemon.core.settings import StopWhen
from daemon.engine.facts import HALT
from daemon.engine.injector import Injector
from daemon.engine.recorder import JournalSeam
from daemon.engine.reverter import Recovered, Reverter
from daemon.engine.stop import StopSwitch


@dataclass(slots=True)
class Run:
    """One injection under way: its id, its switch, and its end once ``done`` is set."""

    request: Request
    injection: str
    stop: StopSwitch = field(default_factory=StopSwitch)
    done: threading.Event = field(default_factory=threading.Event)
    result: Injection | None = None
    error: ChaosdError | None = None

    def outcome(self) -> Injection:
        """Return the finished injection, or raise what ended it; waits until it is done."""
        self.done.wait()
        if self.error is not None:
            raise self.error
        if self.result is None:
            raise ChaosdError("the injection ended without a result; see the log")
        return self.result


class Control:
    """Every verb that changes anything. Thread-safe."""

    def __init__(
        self, *, injector: Injector, reverter: Reverter, journal: JournalSeam, new_id: Callable[[], str]
    ) -> None:
        self._injector = injector
        self._new_id = new_id
        self._reverter = reverter
        self._journal = journal
        self._lock = threading.Lock()
        self._runs: list[Run] = []
        self._closed = ""

    def run(self, request: Request) -> Injection:
        """Carry out one injection in this thread; raises what ``Injector.run`` raises."""
        run = self._enter(request)
        self._carry_out(run)
        return run.outcome()

    def start(self, request: Request) -> Run:
        """Begin one injection in a thread of its own and return its handle."""
        run = self._enter(request)
        threading.Thread(target=self._carry_out, args=(run,), name=f"inject-{request.fault}").start()
        return run

    def halt(self, reason: str) -> None:
        """Stop everything running and let nothing new begin, across restarts, until ``resume``. Idempotent."""
        self._journal.note(HALT, reason)
        self.stop_all(f"halted: {reason}")

    def resume(self) -> None:
        """Lift the halt. Idempotent."""
        self._journal.note(HALT, None)

    @property
    def halted(self) -> str | None:
        """Return the reason of the halt in force, or None."""
        noted = self._journal.noted(HALT)
        return None if noted is None else str(noted)

    def stop_all(self, reason: str) -> None:
        """Abort and undo what is running; returns at once."""
        with self._lock:
            for run in self._runs:
                run.stop.set(reason)

    def revert(self, injection: str, reason: str) -> Injection:
        """Take one injection back: a running one is aborted first. Returns its fold; idempotent."""
        with self._lock:
            run = next((r for r in self._runs if r.injection == injection), None)
        if run is None:
            return self._reverter.revert(injection)
        run.stop.set(reason)
        return run.outcome()

    def recover(self) -> Recovered:
        """Take back whatever is outstanding; refuses with BusyError while injections run."""
        with self._lock:
            if self._runs:
                raise BusyError(
                    "not recovering: injections are running", hint="`chaosd halt` aborts and undoes them"
                )
            return self._reverter.recover()

    def retry_failed(self) -> int:
        """Try again what could not be undone, and return how much is left; does nothing while injections run."""
        with self._lock:
            if not self._runs and self.left:
                self._reverter.recover()
        return self.left

    @property
    def left(self) -> int:
        """Return how many injections and runs of scenarios may still have left something behind."""
        return len(self._journal.outstanding()) + len(self._reverter.orphans())

    def close(self, reason: str, timeout_s: float) -> bool:
        """Abort and undo everything and let nothing begin any more; False when that did not end in time."""
        self._closed = reason
        self.stop_all(reason)
        with self._lock:
            runs = tuple(self._runs)
        return all(run.done.wait(timeout_s) for run in runs)

    def _enter(self, request: Request) -> Run:
        run = Run(request, self._new_id())
        with self._lock:
            if self._closed:
                raise BusyError(f"not injecting: {self._closed}")
            self._runs.append(run)
        return run

    def _carry_out(self, run: Run) -> None:
        try:
            run.result = self._injector.run(run.request, run.stop, injection=run.injection)
        except ChaosdError as error:
            run.error = error
        finally:
            with self._lock:
                self._runs.remove(run)
            run.done.set()


class StopConditions:
    """Throws the switch when a probe has had a status without a break for long enough."""

    def __init__(self, conditions: Sequence[StopWhen], stop_all: Callable[[str], None]) -> None:
        self._conditions = tuple(conditions)
        self._stop_all = stop_all
        self._since: dict[str, tuple[Status, float]] = {}

    def __call__(self, observation: Observation) -> None:
        """Take one observation into account."""
        known = self._since.get(observation.probe)
        at_s = observation.answered.mono_s
        if known is None or known[0] is not observation.status:
            self._since[observation.probe] = (observation.status, at_s)
        held_s = at_s - self._since[observation.probe][1]
        for when in self._conditions:
            fits = when.probe == observation.probe and when.status is observation.status
            if fits and held_s >= when.for_s:
                self._stop_all(f"stop condition: {when.probe} is {when.status} for {held_s:.1f} s")
