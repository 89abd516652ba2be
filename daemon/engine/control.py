"""The control desk: starts injections, stops them, halts, resumes, reverts. Used by schedule, API and CLI alike."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from daemon.core.errors import BusyError, ChaosdError, JournalError, RefusedError, UsageError
from daemon.core.events import Injection
from daemon.core.guard import Unanswered
from daemon.core.plan import Request
from daemon.engine.facts import HALT, RESUMED, halted
from daemon.engine.injector import Injector
from daemon.engine.outside import Outside
from daemon.engine.recorder import JournalSeam
from daemon.engine.reverter import Recovered, Reverter
from daemon.engine.sentinel import Sentinel
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


@dataclass(frozen=True, slots=True)
class Regime:
    """What injections run under; ``outside`` and ``sentinel`` listen to what others say."""

    injector: Injector
    outside: Outside | None = None
    sentinel: Sentinel | None = None


class Control:
    """Every verb that changes anything. Thread-safe."""

    def __init__(
        self,
        *,
        regime: Regime,
        reverter: Reverter,
        journal: JournalSeam,
        new_id: Callable[[], str],
        halt_by_file: Callable[[str], None] | None = None,
    ) -> None:
        self._halt_by_file = halt_by_file
        self._unwritten: str | None = None
        self._regime = regime
        self._new_id = new_id
        self._reverter = reverter
        self._journal = journal
        self._lock = threading.Condition()
        self._runs: list[Run] = []
        self._recovering = False
        self._closed = ""

    def run(self, request: Request) -> Injection:
        """Carry out one injection in this thread; raises what ``Injector.run`` raises."""
        run, regime = self._enter(request)
        self._carry_out(run, regime)
        return run.outcome()

    def start(self, request: Request) -> Run:
        """Begin one injection in a thread of its own and return its handle.

        Raises UsageError or ConfigError for what cannot be injected at all: who does not wait must learn of it.
        """
        self._regime.injector.check(request)
        run, regime = self._enter(request)
        threading.Thread(target=self._carry_out, args=(run, regime), name=f"inject-{request.fault}").start()
        return run

    def adopt(self, regime: Regime) -> None:
        """Let what begins from now on run under another regime; what is under way ends under its own."""
        with self._lock:
            self._regime = regime

    def halt(self, reason: str) -> None:
        """Stop everything running and let nothing new begin, across restarts, until ``resume``. Idempotent.

        Where the journal does not take it, the halt file is written. Raises JournalError when that cannot be
        either: what runs is stopped all the same, and nothing begins until this process ends.
        """
        try:
            self._journal.note(HALT, reason)
        except JournalError:
            self._unwritten = reason
            if not self._halted_by_file(reason):
                raise
        finally:
            self.stop_all(f"halted: {reason}")

    def _halted_by_file(self, reason: str) -> bool:
        if self._halt_by_file is None:
            return False
        try:
            self._halt_by_file(reason)
        except ChaosdError:  # the journal's error tells more, and is raised by who asked
            return False
        return True

    def resume(self, because: str) -> None:
        """Lift the halt; idempotent. ``because`` is kept in the journal.

        Raises UsageError without a reason, and RefusedError while a halt file is there or a lever is engaged or
        cannot be read: what others hold is theirs to let go.
        """
        if not because.strip():
            raise UsageError("not resumed: a reason is needed", hint='say why: `chaosd resume --because "..."`')
        outside = self._regime.outside
        held = outside.halted() if outside else None
        if held is not None:
            raise RefusedError(f"not resumed: {held}", rule="halted", hint="remove the file first")
        for name, answer in (outside.levers() if outside else {}).items():
            if answer is not None:
                why = f"is unknown: {answer.reason}" if isinstance(answer, Unanswered) else f"is engaged: {answer}"
                raise RefusedError(f"not resumed: {name} {why}", rule="lever", hint="release the lever first")
        self._journal.note(RESUMED, because.strip())
        self._journal.note(HALT, None)
        self._unwritten = None

    @property
    def halted(self) -> str | None:
        """Return the reason of the halt in force, or None: somebody's word, or a halt file."""
        return self._unwritten or halted(self._journal, self._regime.outside)  # a full disk's file is empty

    def stop_all(self, reason: str) -> None:
        """Abort and undo what is running; returns at once."""
        with self._lock:
            for run in self._runs:
                run.stop.set(reason)

    @property
    def under_way(self) -> frozenset[str]:
        """Return the injections that run now."""
        with self._lock:
            return frozenset(run.injection for run in self._runs)

    def revert(self, injection: str, reason: str) -> Injection:
        """Take one injection back: a running one is aborted first. Returns its fold; idempotent."""
        with self._lock:
            run = next((r for r in self._runs if r.injection == injection), None)
        if run is None:
            return self._reverter.revert(injection)
        run.stop.set(reason)
        return run.outcome()

    def settle(self, injection: str, *, by: str, because: str) -> Injection:
        """Close the case of an injection whose undo failed; raises what ``Reverter.settle`` raises."""
        return self._reverter.settle(injection, by=by, because=because)

    def recover(self) -> Recovered:
        """Take back whatever is outstanding; refuses with BusyError while injections run."""
        with self._undisturbed() as undisturbed:
            if not undisturbed:
                raise BusyError(
                    "not recovering: injections are running", hint="`chaosd halt` aborts and undoes them"
                )
            return self._reverter.recover()

    def retry_failed(self) -> int:
        """Try again what could not be undone, close what ended without its record, return how much is left.

        What runs meanwhile is left alone and goes on; queues are swept only while nothing runs. Raises, after all
        of them, what the first one that failed had raised.
        """
        left = {found.plan.injection: None for found in (*self._journal.outstanding(), *self._journal.running())}
        with self._lock:  # looked at after the journal: what does not run now has ended
            runs = {run.injection for run in self._runs}
        failed: ChaosdError | None = None
        for injection in (name for name in left if name not in runs):
            try:
                self._reverter.close(injection)
            except ChaosdError as error:  # one that cannot be recorded keeps no other in force
                failed = failed or error
        if failed is not None:
            raise failed
        with self._undisturbed() as undisturbed:
            if undisturbed:
                self._reverter.sweep()
        return self.left

    @property
    def left(self) -> int:
        """Return how many injections and runs of scenarios may still have left something behind."""
        return len(self._journal.outstanding()) + len(self._reverter.orphans())

    def close(self, reason: str, timeout_s: float) -> bool:
        """Abort and undo everything and let nothing begin any more; False when that did not end in time."""
        with self._lock:
            self._closed = reason
            self._lock.notify_all()
        self.stop_all(reason)
        with self._lock:
            runs = tuple(self._runs)
            recovered = self._lock.wait_for(lambda: not self._recovering, timeout_s)
        return recovered and all(run.done.wait(timeout_s) for run in runs)

    def _enter(self, request: Request) -> tuple[Run, Regime]:
        run = Run(request, self._new_id())
        with self._lock:
            self._lock.wait_for(lambda: self._closed or not self._recovering)
            if self._closed:
                raise BusyError(f"not injecting: {self._closed}")
            if self._unwritten is not None:  # the guard, who asks journal and files, does not know of it
                raise RefusedError(
                    f"not injecting: halted ({self._unwritten})", rule="halted", hint="`chaosd resume` lifts it"
                )
            self._runs.append(run)
            regime = self._regime
        if regime.sentinel is not None:
            regime.sentinel.begin(self.stop_all)
        return run, regime

    @contextmanager
    def _undisturbed(self) -> Iterator[bool]:
        """Let nothing begin meanwhile; False when something runs already.

        The lock is not held: taking back may wait for a task for minutes, and a halt must come through.
        """
        with self._lock:
            self._lock.wait_for(lambda: not self._recovering)
            self._recovering = undisturbed = not self._runs
        try:
            yield undisturbed
        finally:
            if undisturbed:
                with self._lock:
                    self._recovering = False
                    self._lock.notify_all()

    def _carry_out(self, run: Run, regime: Regime) -> None:
        try:
            run.result = regime.injector.run(run.request, run.stop, injection=run.injection)
        except ChaosdError as error:
            run.error = error
        finally:
            with self._lock:
                self._runs.remove(run)
            if regime.sentinel is not None:
                regime.sentinel.end()
            run.done.set()
