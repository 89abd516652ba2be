"""The daemon's life: recover first, then serve, look and schedule; on a signal undo everything, then leave."""

import os
import signal
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from daemon import salvage, wiring
from daemon.config import notes
from daemon.core.access import Keyring
from daemon.core.errors import ChaosdError, ConfigError, RefusedError
from daemon.core.events import Event, Observed
from daemon.core.plan import Occurrences, Request
from daemon.core.settings import ExperimentSetting, Settings, Tcp, UnixSocket
from daemon.engine.prober import Prober
from daemon.engine.scheduler import Scheduler
from daemon.engine.watchman import Watchman
from daemon.faces import logs
from daemon.faces.api import Application, Desk, Server
from daemon.faces.metrics import Metrics
from daemon.faces.serving.auditing import Auditor
from daemon.faces.serving.gate import Gate
from daemon.faces.shapes import stamp
from daemon.ports import credentials
from daemon.ports.audit import AuditLog
from daemon.ports.signals import Signals
from daemon.ports.state import StateDirectory

RETRY_S = 30.0
RETRY_MAX_S = 1800.0
UNDO_S = 60.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)
HALT_SIGNAL = signal.SIGUSR1


class Daemon:
    """The running parts of one daemon. ``start`` then ``stop``; each once."""

    def __init__(self, settings: Settings, state: StateDirectory, watchman: Watchman) -> None:
        self._log = logs.logger()
        self._settings = settings
        self._keyring = Keyring(credentials.load(settings.api, os.environ))
        self._metrics = Metrics(settings, version=version("chaosd"))
        listener = logs.LogListener()
        self.station = wiring.station(
            settings,
            state,
            wiring.Audience(
                listeners=(listener, self._metrics, self._keep_latest),
                looked=(listener.looked, self._metrics.looked),
                runs=(listener.ran, self._metrics.ran),
                on_failure=self._broke,
                waiting=lambda what: self._log.warning("reverter.waiting", detail=what),
                watchman=watchman,
            ),
        )
        self._prober = Prober(self.station.lookouts, world=self.station.world, publish=self.station.recorder.looked)
        seed = settings.seed if settings.seed is not None else int.from_bytes(os.urandom(4), "big")
        self._occurrences = Occurrences(seed, dict(self.station.journal.proposals()))
        self._scheduler = Scheduler(
            {e.name: e for e in settings.experiments},
            seed=seed,
            fire=self._fire,
            skipped=self._skipped,
            lagged=self._lagged,
        )
        self._ready = threading.Event()
        self._servers = self._make_servers(state)

    def start(self) -> None:
        """Undo what an earlier life left, then open for business. Raises JournalError."""
        self._metrics.resume(self.station.journal.outstanding())
        recovered = self.station.control.recover()
        for injection in recovered.injections:
            self._log.warning(
                "injection.recovered", injection=injection.plan.injection, state=injection.state.value
            )
        for run in recovered.runs:
            self._log.warning("scenario.recovered", run=run.opened.run, swept=not run.outstanding)
        self._metrics.watch(
            halted=lambda: self.station.control.halted is not None,
            pending=self._pending,
            next_times=self._scheduler.next_times,
        )
        for server in self._servers:
            server.start()
        self._prober.start()
        self._scheduler.start()
        self._ready.set()
        for note in notes(self._settings, self.station.faults):
            self._log.warning("config.note", note=note)
        self._log.info("daemon.started", listen=self.address, experiments=len(self._settings.experiments))

    def stop(self, reason: str) -> bool:
        """Stop scheduling, abort and undo what runs, close; False when an undo did not end in time."""
        self._ready.clear()
        self._scheduler.stop()
        undone = self.station.control.close(reason, UNDO_S)
        self._prober.stop()
        for server in self._servers:
            server.close()
        left = self.station.control.left
        self._log.info("daemon.stopped", reason=reason, outstanding=left)
        self.station.close()
        return undone and not left

    def halt(self, reason: str) -> None:
        """Undo what is active, begin nothing new, across restarts. Idempotent."""
        try:
            self.station.control.halt(reason)
        except ChaosdError as error:  # what ran is being undone, and nothing begins without a journal
            self._log.error("journal.failed", error=error.message)
        self._log.warning("daemon.halted", reason=reason)

    def retry(self, waited_s: float) -> float:
        """Try again what could not be undone; return the seconds until the next try, doubling while it fails."""
        try:
            self.station.watchman.ready()  # one that died while a fault is active must not stay away until the next
        except RefusedError as error:
            self._log.error("guardian.absent", error=error.message)
        try:
            left = self.station.control.retry_failed()
        except ChaosdError as error:  # the daemon stays: it is the one who tries again
            self._log.error("retry.failed", error=error.message)
            left = 1
        return min(waited_s * 2, RETRY_MAX_S) if left else RETRY_S

    @property
    def address(self) -> str:
        """Return where the API listens, as a URL."""
        listen = self._settings.api.listen
        return f"http://{listen.host}:{self._servers[0].port}" if isinstance(listen, Tcp) else listen.path

    # --- inside ------------------------------------------------------------------------------------------

    def _pending(self) -> int:
        return len(self.station.journal.outstanding()) + len(self.station.journal.open_run_ids())

    def _make_servers(self, state: StateDirectory) -> tuple[Server, ...]:
        clock = self.station.world.clock
        desk = Desk(
            control=self.station.control,
            journal=self.station.journal,
            metrics=self._metrics,
            faults=self.station.faults,
            latest=lambda: self._prober.latest,
            next_times=self._scheduler.next_times,
            facts={
                "pid": os.getpid(),
                "version": version("chaosd"),
                "started_at": stamp(clock.instant().wall_s),
            },
            ready=self._ready,
            audit=Auditor(AuditLog(state.path), clock, self._log.warning),
        )
        api = self._settings.api
        hosts = ("localhost", *api.hosts, api.listen.host.lower()) if isinstance(api.listen, Tcp) else ()
        gate = Gate(keyring=self._keyring, hosts=hosts, reading_is_open=api.reading_is_open)
        address = Path(api.listen.path) if isinstance(api.listen, UnixSocket) else api.listen
        public, private = Application(desk, gate), Application(desk, Gate(private=True, keyring=self._keyring))
        return _listen(public, address), _listen(private, state.socket)

    def _fire(self, experiment: ExperimentSetting) -> None:
        request = Request(
            fault=experiment.fault,
            target=experiment.target,
            parameters=experiment.parameters,
            duration_s=experiment.duration_s,
            origin="schedule",
            by="schedule",
            seed=self._occurrences.next_seed(experiment.name),
            experiment=experiment.name,
            recover_s=experiment.timeout_s,
            workload=experiment.workload,
        )
        try:
            self.station.control.run(request)
        except ChaosdError as error:
            self._log.warning("experiment.failed", experiment=experiment.name, error=error.message)

    def _skipped(self, experiment: str, reason: str) -> None:
        self._metrics.skipped(reason)
        self._log.warning("experiment.skipped", experiment=experiment, reason=reason)

    def _lagged(self, planned_s: float) -> None:
        self._metrics.lagged(max(0.0, self.station.world.clock.instant().wall_s - planned_s))

    def _keep_latest(self, _: str, event: Event) -> None:
        if isinstance(event, Observed):
            self._prober.note(event.observation)

    def _broke(self, listener: str, error: BaseException) -> None:
        self._metrics.broke(listener)
        self._log.error("listener.failed", listener=listener, error=repr(error))


def serve(
    settings: Settings,
    state: StateDirectory,
    watchman: Watchman,
    *,
    started: Callable[[str], None] | None = None,
) -> int:
    """Run the daemon in the foreground until a signal; return the exit code (DESIGN §6).

    ``started`` is told the address once it listens. Raises BusyError when another engine owns the state
    directory, ConfigError when it cannot listen.
    """
    logs.configure()
    with Signals((*SIGNALS, HALT_SIGNAL)) as signals, state:
        _salvage(settings, state)
        daemon = Daemon(settings, state, watchman)
        daemon.start()
        if started is not None:
            started(daemon.address)
        last = _attend(daemon, signals)
        undone = daemon.stop(f"{signal.Signals(last).name} received")
    return 128 + last if undone else 4


def _attend(daemon: Daemon, signals: Signals) -> int:
    """Retry what could not be undone and halt when told to, until a signal to end; return which."""
    retrying = Retrying(daemon.retry)
    while True:
        number = signals.wait(retrying.pause_s)
        if number is None:
            retrying.go()
        elif number == HALT_SIGNAL:
            daemon.halt(f"{signal.Signals(number).name} received")
        else:
            return number


class Retrying:
    """Tries again in a thread of its own: an undo may wait for minutes, and a signal must not wait for it."""

    def __init__(self, retry: Callable[[float], float]) -> None:
        self._retry = retry
        self._thread: threading.Thread | None = None
        self.pause_s = RETRY_S

    def go(self) -> None:
        """Begin one attempt, unless the last is still at it."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._once, name="retry", daemon=True)
            self._thread.start()

    def _once(self) -> None:
        self.pause_s = self._retry(self.pause_s)


def _salvage(settings: Settings, state: StateDirectory) -> None:
    """Undo what is active although the journal cannot be used; raises JournalError when it still cannot."""
    rescued = salvage.prepare(settings, state)
    if rescued.damaged is not None and rescued.salvaged is not None:
        logs.logger().error(
            "journal.damaged",
            damaged=str(rescued.damaged),
            saved=rescued.salvaged.records,
            unaccounted=list(rescued.salvaged.unaccounted),
            undone={i.plan.injection: i.state.value for i in rescued.found.injections},
        )
    if rescued.unrecorded is not None:
        raise rescued.unrecorded


def _listen(application: Application, address: Tcp | Path) -> Server:
    try:
        return Server(application, address)
    except OSError as error:
        where = f"{address.host}:{address.port}" if isinstance(address, Tcp) else address
        raise ConfigError(
            f"nothing was started: cannot listen on {where}: {error.strerror or error}",
            hint="choose another api.listen, or stop what listens there",
        ) from error
