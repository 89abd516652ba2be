"""The daemon's life: recover first, then serve, look and schedule; on a signal undo everything, then leave."""

import os
import socket
import threading
from importlib.metadata import version
from pathlib import Path

from daemon import attendance, reload, wiring
from daemon.config import notes
from daemon.core.access import Keyring
from daemon.core.addresses import Tcp, UnixSocket
from daemon.core.errors import ChaosdError, ConfigError, RefusedError
from daemon.core.events import Event, Observed
from daemon.core.model import Observation
from daemon.core.settings import Settings
from daemon.engine.agenda import Agenda, Told
from daemon.engine.prober import Prober
from daemon.engine.watchman import Watchman
from daemon.faces import logs
from daemon.faces.api import Application, Desk, Server
from daemon.faces.heralds import Heralds
from daemon.faces.metrics import Metrics
from daemon.faces.serving.auditing import Auditor
from daemon.faces.serving.gate import Gate
from daemon.faces.serving.news import News
from daemon.faces.serving.server import listening
from daemon.faces.shapes import stamp
from daemon.faces.status import StatusLine
from daemon.ports import credentials
from daemon.ports.audit import AuditLog
from daemon.ports.clock import SystemClock
from daemon.ports.courier import Outcome
from daemon.ports.local import LocalHttp
from daemon.ports.state import StateDirectory
from daemon.ports.supervisor import Supervisor

RETRY_MAX_S = 1800.0
PULSE_S = 60.0  # within which the scheduler must move where no watchdog says


class Daemon:
    """The running parts of one daemon. ``start`` then ``stop``; each once."""

    def __init__(
        self,
        settings: Settings,
        state: StateDirectory,
        watchman: Watchman,
        supervisor: Supervisor,
        read: reload.Read | None = None,
    ) -> None:
        self._log = logs.logger()
        self._settings = settings
        self._read = read or (lambda: settings)
        self._reloading = threading.Lock()
        self._present = reload.Present()
        self._supervisor = supervisor
        self._line = StatusLine(supervisor.status, halted=lambda: self.station.control.halted)
        self._keyring = Keyring(credentials.load(settings.api, os.environ))
        self.metrics = Metrics(settings, version=version("chaosd"), faults=wiring.faults())
        self._heralds = Heralds(
            settings, LocalHttp(), os.environ, source=f"/chaosd/{socket.gethostname()}", told=self._told
        )
        self._news = News(SystemClock())
        self.station = wiring.station(settings, state, self._audience(watchman))
        self._prober = Prober(self.station.lookouts, world=self.station.world, publish=self.station.recorder.looked)
        self._agenda = Agenda(
            settings,
            self.station.control,
            Told(skipped=self._skipped, lagged=self._lagged, failed=self._failed),
            seed=int.from_bytes(os.urandom(4), "big"),
            proposed=self.station.journal.proposals(),
        )
        self._scheduler = self._agenda.scheduler
        self._ready = threading.Event()
        self.retries = attendance.Retries(
            self._retry, lambda: wiring.retry_most_s(self.station.journal), self.station.world.clock
        )
        self._servers = self._make_servers(state)

    def _audience(self, watchman: Watchman) -> wiring.Audience:
        log, only = logs.LogListener(), self._present.only
        shown = only(self.metrics), self._line, only(self._keep_latest), self._heralds, only(self._news)
        return wiring.Audience(
            listeners=(log, *shown),
            looked=(log.looked, self.metrics.looked, self._news.looked),
            runs=(log.ran, self.metrics.ran, self._news.ran),
            on_failure=self._broke,
            waiting=lambda what: self._log.warning("reverter.waiting", detail=what),
            watchman=watchman,
        )

    def start(self) -> None:
        """Undo what an earlier life left, then open for business. Raises JournalError."""
        self._heralds.start()
        outstanding = self.station.journal.outstanding()
        self.metrics.resume(outstanding)
        self._line.resume(outstanding)
        self._heralds.resume(outstanding)
        self._supervisor.extend(wiring.patience_s(self.station.journal))
        recovered = self.station.control.recover()
        for injection in recovered.injections:
            self._log.warning(
                "injection.recovered", injection=injection.plan.injection, state=injection.state.value
            )
        for run in recovered.runs:
            self._log.warning("scenario.recovered", run=run.opened.run, swept=not run.outstanding)
        self.metrics.watch(
            halted=lambda: self.station.control.halted is not None,
            pending=self._pending,
            writable=self._writable,
            next_times=self._scheduler.next_times,
        )
        for server in self._servers:
            server.start()
        self._prober.start()
        clock = self.station.world.clock
        self._scheduler.pulse(self._supervisor.watchdog_s or PULSE_S, lambda: clock.instant().mono_s)
        self._scheduler.start()
        self.metrics.reloaded(self.station.world.clock.instant().wall_s)
        self._ready.set()
        self._note()
        self._line.refresh()
        self._supervisor.ready(self._line.text)
        self._log.info("daemon.started", listen=self.address, experiments=len(self._settings.experiments))

    def stop(self, reason: str) -> bool:
        """Stop scheduling, abort and undo what runs, close; False when an undo did not end in time."""
        self._ready.clear()
        self._scheduler.stop()
        # As long as what is being undone may take: who leaves before that leaves it half done.
        patience_s = wiring.patience_s(self.station.journal)
        self._supervisor.stopping(f"{reason}; {self._line.text}")
        self._supervisor.extend(patience_s)
        undone = self.station.control.close(reason, patience_s)
        self._prober.stop()
        self._news.close()
        for server in self._servers:
            server.close()
        left = self.station.control.left
        self._heralds.close()
        self._log.info("daemon.stopped", reason=reason, outstanding=left)
        self.station.close()
        return undone and not left

    def halt(self, reason: str) -> None:
        """Undo what is active, begin nothing new, across restarts. Idempotent."""
        try:
            self.station.control.halt(reason)
        except ChaosdError as error:  # what ran is being undone, and nothing begins until a restart
            self._log.error("journal.failed", error=error.message)
        self._news.say("halt", reason=reason)
        self.tell()
        self._log.warning("daemon.halted", reason=reason)

    def tell(self) -> None:
        """Tell systemd what is going on, if that is news."""
        self._line.refresh()

    def ailing(self) -> tuple[str, ...]:
        """Return which main parts do not move any more: what a target is like is no part of it."""
        deaf = () if all(server.alive for server in self._servers) else ("nobody answers HTTP",)
        return (*self._scheduler.ailing(), *self._prober.ailing(), *self.retries.ailing(), *deaf)

    def stuck(self, parts: tuple[str, ...]) -> None:
        """Tell that the watchdog is not fed: systemd is about to end this process, and to start another."""
        self._supervisor.status(f"hangs: {'; '.join(parts)}")
        self._log.error("daemon.hangs", parts=parts)

    def reload(self) -> Settings:
        """Take the configuration as it is on disk now; experiments under way end under the old one. Thread-safe.

        All of it or nothing: raises ConfigError when the old one stays in force, having told log and metrics.
        """
        with self._reloading:
            self._supervisor.reloading()
            try:
                with reload.all_or_nothing():
                    wanted = self._read()
                    reload.check(self._settings, wanted)
                    tokens = credentials.load(wanted.api, os.environ)
                    staff = self._heralds.staff(wanted)
                    under_way = self.station.control.under_way
                    station = wiring.renewed(self.station, wanted)
            except ConfigError as error:
                self.metrics.reloaded(None)
                self._log.error("config.refused", error=error.message, hint=error.hint)
                self._supervisor.ready(self._line.reloaded(error.message))
                raise
            self._present.adopt(self._settings, wanted, under_way)
            self._adopt(wanted, station)
            self._keyring.replace(tokens)
            self._heralds.adopt(staff)
            self._supervisor.ready(self._line.reloaded(""))
        self._news.say("reload")
        self._log.info("config.reloaded", experiments=len(wanted.experiments), probes=len(wanted.probes))
        self._note()
        return wanted

    @property
    def address(self) -> str:
        """Return where the API listens, as a URL."""
        listen = self._settings.api.listen
        return f"http://{listen.host}:{self._servers[0].port}" if isinstance(listen, Tcp) else listen.path

    # --- inside ------------------------------------------------------------------------------------------

    def _adopt(self, settings: Settings, station: wiring.Station) -> None:
        """Put another configuration in the place of the one in force; cannot fail."""
        self._settings, self.station = settings, station
        prober = self._prober.successor(station.lookouts)
        self._prober.stop()  # first, else a look of a probe that is another from now on would come back
        self.metrics.adopt(settings)
        self._prober = prober
        prober.start()
        self._agenda.adopt(settings)
        self.metrics.reloaded(station.world.clock.instant().wall_s)

    def _retry(self, waited_s: float) -> float:
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
        return min(waited_s * 2, RETRY_MAX_S) if left else attendance.RETRY_S

    def _note(self) -> None:
        for note in notes(self._settings, self.station.faults):
            self._log.warning("config.note", note=note)

    def _pending(self) -> int:
        return len(self.station.journal.outstanding()) + len(self.station.journal.open_run_ids())

    def _writable(self) -> bool:
        keep = self.station.journal.keep
        return keep is None or keep.roomy

    def _make_servers(self, state: StateDirectory) -> tuple[Server, ...]:
        clock = self.station.world.clock
        desk = Desk(
            control=self.station.control,
            journal=self.station.journal,
            metrics=self.metrics,
            faults=self.station.faults,
            probes=wiring.probes(),
            latest=lambda: self._prober.latest,
            next_times=self._scheduler.next_times,
            facts={
                "pid": os.getpid(),
                "version": version("chaosd"),
                "started_at": stamp(clock.instant().wall_s),
            },
            ready=self._ready,
            audit=Auditor(AuditLog(state.path), clock, self._log.warning),
            news=self._news,
            settings=lambda: self._settings,
            look=self._look,
            ailing=self.ailing,
            reload=self.reload,
        )
        api = self._settings.api
        hosts = ("localhost", *api.hosts, api.listen.host.lower()) if isinstance(api.listen, Tcp) else ()
        gate = Gate(keyring=self._keyring, hosts=hosts, reading_is_open=api.reading_is_open)
        address = Path(api.listen.path) if isinstance(api.listen, UnixSocket) else api.listen
        public, private = Application(desk, gate), Application(desk, Gate(private=True, keyring=self._keyring))
        return listening(public, address), listening(private, state.socket)

    def _look(self, probe: str, timeout_s: float) -> Observation | None:
        return self._prober.look(probe, timeout_s)

    def _skipped(self, experiment: str, reason: str) -> None:
        self.metrics.skipped(reason)
        self._log.warning("experiment.skipped", experiment=experiment, reason=reason)

    def _failed(self, experiment: str, why: str) -> None:
        self._log.warning("experiment.failed", experiment=experiment, error=why)

    def _lagged(self, planned_s: float) -> None:
        self.metrics.lagged(max(0.0, self.station.world.clock.instant().wall_s - planned_s))

    def _keep_latest(self, _: str, event: Event) -> None:
        if isinstance(event, Observed):
            self._prober.note(event.observation)

    def _told(self, destination: str, outcome: Outcome, what: str, why: str) -> None:
        self.metrics.notified(destination, outcome.value)
        if outcome is not Outcome.DELIVERED:
            self._log.warning(
                "notification.failed", destination=destination, outcome=outcome.value, what=what, why=why
            )

    def _broke(self, listener: str, error: BaseException) -> None:
        self.metrics.broke(listener)
        self._log.error("listener.failed", listener=listener, error=repr(error))
