"""A new configuration that cannot even be read to its end: the daemon stays as it is, whatever was raised."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.attendance import attend
from daemon.core.addresses import UnixSocket
from daemon.core.errors import BusyError, ConfigError
from daemon.core.settings import Api, Sampling, Settings
from daemon.lifecycle import Daemon
from daemon.ports.clock import SystemClock
from daemon.ports.state import StateDirectory
from daemon.ports.supervisor import Supervisor
from tests.engine_kit import FakeWatchman

Made = Callable[[Exception], Daemon]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Make a daemon whose configuration raises an error when it is read anew."""
    api = Api(listen=UnixSocket(path=str(tmp_path / "api.sock")))
    settings = Settings(sampling=Sampling(probe_every_s=1), api=api)
    daemons: list[Daemon] = []

    def make(error: Exception) -> Daemon:
        def read() -> Settings:
            raise error

        daemons.append(Daemon(settings, state, FakeWatchman(SystemClock(), lambda: None), Supervisor({}), read))
        daemons[-1].metrics.reloaded(1.0)  # as it started
        return daemons[-1]

    with StateDirectory(tmp_path / "state") as state:
        yield make
        for daemon in daemons:
            for server in daemon._servers:
                server.close()
            daemon.station.close()


def successful(daemon: Daemon) -> float | None:
    return daemon.metrics.registry.get_sample_value("chaosd_config_last_reload_successful")


@pytest.mark.parametrize("error", [KeyError("Europe/Berlinn"), RecursionError("too deep"), BusyError("taken")])
def test_whatever_reading_raises_ends_no_daemon_and_is_told(made: Made, error: Exception) -> None:
    daemon = made(error)
    assert successful(daemon) == 1
    signals = [signal.SIGHUP, signal.SIGTERM]

    class Signals:
        def wait(self, _: float) -> int:
            return signals.pop(0)

    with capture_logs() as log:
        last = attend(daemon, Signals(), Supervisor({}), in_terminal=False)  # type: ignore[arg-type]
    assert last == signal.SIGTERM
    assert successful(daemon) == 0
    told = [line for line in log if line["event"] == "config.refused"]
    assert len(told) == 1
    assert told[0]["error"].startswith("not reloaded, the old configuration stays in force: ")
    assert str(error) in told[0]["error"]


def test_what_nobody_foresaw_is_a_refusal_that_says_where_it_broke(made: Made) -> None:
    with pytest.raises(ConfigError, match=r"broke: KeyError\('x'\) at .*_unforeseen\.py:\d+\n") as caught:
        made(KeyError("x")).reload()
    assert "report it" in caught.value.hint


def test_a_refusal_of_another_kind_is_no_defect(made: Made) -> None:
    with pytest.raises(ConfigError, match=r"stays in force: taken\n  hint: wait$"):
        made(BusyError("taken", hint="wait")).reload()
