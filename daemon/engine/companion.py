"""What plays beside a fault, as the injector sees it; ``Alone`` where nothing does."""

from types import TracebackType
from typing import NoReturn, Protocol, Self

from daemon.core.errors import UsageError
from daemon.core.events import Checked
from daemon.engine.stop import StopSwitch


class Companion(Protocol):
    """The workload of one injection. A context manager: leaving it stops what still plays and sees it swept.

    A returned reason says why nothing can be injected; it is empty when all is well.
    """

    def prepare(self, stop: StopSwitch) -> str:
        """See to the baseline; return why nothing can be injected."""
        ...

    def begin(self, stop: StopSwitch) -> str:
        """Start it and wait for its first message; return why there is none."""
        ...

    @property
    def left_s(self) -> float:
        """Return the seconds until the strike moment, 0 when it has come."""
        ...

    @property
    def early(self) -> str:
        """Return why it is over already."""
        ...

    def hold(self) -> str:
        """Keep it from being judged until ``finish``; return why it cannot be kept: it is over already."""
        ...

    def finish(self) -> Checked | None:
        """Wait until it has settled from now on, and return how its messages fared; None when it was stopped."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Alone:
    """A companion for a fault without a workload: nothing plays, nothing is checked."""

    left_s = 0.0
    early = ""

    def prepare(self, _: StopSwitch) -> str:
        return ""

    def begin(self, _: StopSwitch) -> str:
        return ""

    def hold(self) -> str:
        return ""

    def finish(self) -> None:
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def no_company() -> NoReturn:
    """Raise UsageError: whoever made this injector gave it nothing to play workloads with."""
    raise UsageError("not injecting: there are no workloads here")
