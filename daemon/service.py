"""One life of the daemon as a process: signals, the state directory, and the exit code."""

import faulthandler
import signal
from collections.abc import Callable, Mapping
from typing import Any

from daemon import attendance, reload, salvage
from daemon.core.settings import Settings
from daemon.engine.watchman import Watchman
from daemon.faces import logs
from daemon.faces.proxied import ProxyCollector
from daemon.lifecycle import Daemon
from daemon.ports import memory
from daemon.ports.signals import Signals, terminal
from daemon.ports.state import StateDirectory
from daemon.ports.supervisor import Supervisor
from daemon.wiring.proxying import kept, proxied_faults


def serve(
    settings: Settings,
    state: StateDirectory,
    watchman: Watchman,
    *,
    read: reload.Read | None = None,
    supervisor: Supervisor | None = None,
    started: Callable[[str], None] | None = None,
) -> int:
    """Run the daemon in the foreground until a signal; return the exit code (DESIGN §6).

    ``read`` reads the configuration anew for a reload. ``started`` is told the address once it listens. Raises
    BusyError when another engine owns the state directory, ConfigError when it cannot listen.
    """
    logs.configure()
    memory.share_heaps()
    faulthandler.enable()  # the watchdog's SIGABRT then says where every thread hangs
    told = supervisor or Supervisor({})
    # The proxy comes before all else: what is active may have to be taken out of it.
    with Signals(attendance.WATCHED) as signals, state, kept(state.path, settings.proxy, _tell_of_proxy) as keeper:
        in_terminal = terminal()  # from here on a hang-up is a signal to us; asked later, it may be gone already
        _salvage(settings, state, told)
        daemon = Daemon(settings, state, watchman, told, read)
        if keeper is not None:
            ProxyCollector(daemon.metrics.registry, keeper.word, proxied_faults())
        daemon.start()
        memory.settle()
        if started is not None:
            started(daemon.address)
        last = attendance.attend(daemon, signals, told, in_terminal=in_terminal)
        undone = daemon.stop(f"{signal.Signals(last).name} received")
    return 128 + last if undone else 4


def _tell_of_proxy(event: str, facts: Mapping[str, Any]) -> None:
    calm = event in ("proxy.started", "proxy.found", "proxy.stopped")
    (logs.logger().info if calm else logs.logger().warning)(event, **facts)


def _salvage(settings: Settings, state: StateDirectory, supervisor: Supervisor) -> None:
    """Undo what is active although the journal cannot be used; raises JournalError when it still cannot."""
    rescued = salvage.prepare(settings, state, supervisor)
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
