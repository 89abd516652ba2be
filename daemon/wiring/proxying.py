"""The fault proxy that the daemon keeps, put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.core.model import Resource
from daemon.core.seams import Fault
from daemon.core.settings import ProxySetting
from daemon.engine.proxykeeper import Keeper, Tell
from daemon.ports import proxy_process
from daemon.ports.clock import SystemClock
from daemon.ports.proxying import LocalProxy
from daemon.wiring.catalogue import faults


class _Hands:
    """Implements ``proxykeeper.Hands`` in one state directory."""

    def __init__(self, directory: Path, setting: ProxySetting) -> None:
        self._directory, self._setting = directory, setting
        self._port = LocalProxy(directory / "proxy", SystemClock())
        self.wanted = proxy_process.configuration(setting)

    def word(self, *, timeout_s: float) -> dict[str, Any]:
        return self._port.word(timeout_s=timeout_s)

    def start(self) -> proxy_process.ProxyProcess:
        return proxy_process.start(self._directory, self._setting)

    def end(self, pid: int, *, within_s: float) -> bool:
        return proxy_process.end(pid, within_s=within_s)


@contextmanager
def kept(directory: Path, setting: ProxySetting | None, tell: Tell) -> Iterator[Keeper | None]:
    """Keep the proxy of a state directory meanwhile; None where the configuration has none."""
    if setting is None:
        yield None
        return
    keeper = Keeper(_Hands(directory, setting), SystemClock(), tell, starts=setting.start)
    keeper.begin()
    try:
        yield keeper
    finally:
        keeper.close()


def proxied_faults() -> tuple[str, ...]:
    """Return the kinds of fault that strike in the proxy: those whose target has to say what goes through it."""
    return tuple(sorted(name for name, kind in faults().items() if _strikes_there(kind)))


def _strikes_there(kind: type[Fault]) -> bool:
    return kind.touches is Resource.AWS_API or any(part.startswith("proxy.") for part in getattr(kind, "needs", ()))
