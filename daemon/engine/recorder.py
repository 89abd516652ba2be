"""One event stream: the journal must take each event, listeners may fail and are counted, never obeyed."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from daemon.core.errors import JournalError
from daemon.core.events import Event, Injection, Judged, Observed
from daemon.core.model import Observation

if TYPE_CHECKING:  # a fault without a workload needs none of it
    from daemon.core.course import Opened, RunEvent, ScenarioRun

Listener = Callable[[str, Event], None]
Looked = Callable[[Observation], None]
RunListener = Callable[[str, "RunEvent"], None]


class RunsSeam(Protocol):
    """What the engine asks of the journal about runs of scenarios; every call may raise JournalError."""

    def append(self, run: str, *happened: "RunEvent") -> None: ...
    def run(self, run: str) -> "ScenarioRun | None": ...
    def open_runs(self) -> "tuple[ScenarioRun, ...]": ...
    def latest(self, fits: "Callable[[Opened], bool]", *, since_s: float) -> "Iterator[ScenarioRun]": ...


class JournalSeam(Protocol):
    """What the engine asks of the journal; every call may raise JournalError."""

    def append(self, injection: str, *happened: Event) -> None: ...
    def injection(self, injection: str) -> Injection | None: ...
    def outstanding(self) -> tuple[Injection, ...]: ...
    def running(self) -> tuple[Injection, ...]: ...
    def note(self, name: str, body: object) -> None: ...
    def noted(self, name: str) -> object: ...
    def kept(self, injection: str) -> Injection | None: ...
    def open_run_ids(self) -> Sequence[str]: ...
    @property
    def scenarios(self) -> RunsSeam: ...


class Recorder:
    """Writes events to the journal first, then tells the listeners.

    ``on_failure`` is told which listener broke and how; metrics count it.
    """

    def __init__(
        self,
        journal: JournalSeam,
        *,
        listeners: Sequence[Listener] = (),
        looked: Sequence[Looked] = (),
        runs: Sequence[RunListener] = (),
        on_failure: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        self.journal = journal
        self._listeners = tuple(listeners)
        self._looked = tuple(looked)
        self._runs = tuple(runs)
        self._on_failure = on_failure or (lambda _name, _error: None)
        self._lost: set[str] = set()

    def record(self, injection: str, *happened: Event) -> None:
        """Make events durable, then publish them; raises JournalError when they are not on disk."""
        if not happened:
            return
        self.journal.append(injection, *happened)
        if any(isinstance(event, Judged) for event in happened):
            self._lost.discard(injection)
        self._publish(injection, happened, self._listeners)

    def record_run(self, run: str, *happened: "RunEvent") -> None:
        """Make events of a scenario's run durable, then publish them; raises JournalError as ``record`` does."""
        self.journal.scenarios.append(run, *happened)
        self._publish(run, happened, self._runs)

    def looks(self, injection: str, seen: Sequence[Observed]) -> bool:
        """Record looks, which may be lost: tell whether they were kept. They are published all the same."""
        try:
            if seen:
                self.journal.append(injection, *seen)
        except JournalError as error:
            self._lost.add(injection)
            self._on_failure("journal.looks", error)
        self._publish(injection, seen, self._listeners)
        return injection not in self._lost

    def lost(self, injection: str) -> bool:
        """Tell whether looks of an injection never reached the journal; forgotten once it is judged."""
        return injection in self._lost

    def tell(self, injection: str, *happened: Event) -> None:
        """Publish what another process has journalled, or what was done though the journal does not take it."""
        self._publish(injection, happened, self._listeners)

    def unrecorded(self, error: JournalError) -> None:
        """Count and tell that the journal could not take down how an undo went."""
        self._on_failure("journal.undo", error)

    def _publish(self, name: str, happened: Sequence[Any], listeners: Sequence[Callable[[str, Any], None]]) -> None:
        for event in happened:
            for listener in listeners:
                self._tell(lambda to=listener, what=event: to(name, what), listener)  # type: ignore[misc]

    def looked(self, observation: Observation) -> None:
        """Publish one look of a probe; looks between experiments are not journalled."""
        for listener in self._looked:
            self._tell(lambda to=listener: to(observation), listener)  # type: ignore[misc]

    def _tell(self, tell: Callable[[], None], listener: object) -> None:
        try:
            tell()
        except Exception as error:  # noqa: BLE001  a broken listener must not keep a fault from being undone
            self._on_failure(getattr(listener, "__qualname__", type(listener).__name__), error)
