"""Another configuration for a running daemon: what may change without a restart, and how a refusal is told.

What is under way goes on under the old one. What it sees with a probe that is another since then says nothing of
what now has that name: it is kept from those who show the present.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from daemon.core.errors import ChaosdError, ConfigError
from daemon.core.events import Event, Observed
from daemon.core.settings import Api, Settings, same_probes

Read: TypeAlias = Callable[[], Settings]
"""Read the configuration anew; raises ConfigError."""

WHY: Mapping[str, str] = {
    "aws": "what is active must be taken back where it was injected",
    "proxy": "the worker's connections go through it",
    "api": "its sockets are open already; the tokens alone may change",
}
_STAYS = "not reloaded, the old configuration stays in force"


def check(now: Settings, wanted: Settings) -> None:
    """Raise ConfigError for what only a restart can change; names all of it."""
    same = {
        "aws": now.aws == wanted.aws,
        "proxy": now.proxy == wanted.proxy,
        "api": _but_tokens(now.api) == _but_tokens(wanted.api),
    }
    problems = [f"{key}: {WHY[key]}" for key, unchanged in same.items() if not unchanged]
    if problems:
        raise ConfigError(
            "the configuration cannot be taken without a restart",
            problems=problems,
            hint="put these back and reload, or restart chaosd: what is active is undone first",
        )


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """Let a ConfigError say that the old configuration stays, and make one of whatever else is raised.

    What nobody foresaw while a file is read must not end a daemon that works, with faults under way.
    """
    try:
        yield
    except ConfigError as error:
        why = error.message.partition("\n")[0].removeprefix("nothing was started: ")
        raise ConfigError(f"{_STAYS}: {why}", problems=error.problems, hint=error.hint) from error
    except ChaosdError as error:
        raise ConfigError(f"{_STAYS}: {error.message}", hint=error.hint) from error
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(
            f"{_STAYS}: reading the new one broke: {error!r} at {at.filename}:{at.lineno}",
            hint="a defect of chaosd or of a plug-in: report it; `chaosd config check` shows where it broke",
        ) from error


def _but_tokens(api: Api) -> Api:
    return replace(api, tokens=(), token_file=None)


class Present:
    """Keeps from listeners the looks of injections that began when a probe was another. Thread-safe."""

    def __init__(self) -> None:
        self._former: Mapping[str, frozenset[str]] = {}

    def adopt(self, now: Settings, wanted: Settings, under_way: frozenset[str]) -> None:
        """Take into account that ``wanted`` comes in the place of ``now`` while these injections run."""
        other = frozenset(p.name for p in now.probes) - same_probes(now, wanted)
        self._former = {i: self._former.get(i, frozenset()) | other for i in under_way}

    def only(self, listener: Callable[[str, Event], None]) -> Callable[[str, Event], None]:
        """Return the listener, told only what holds of the present."""

        def tell(injection: str, event: Event) -> None:
            former = self._former.get(injection, ())
            if not (isinstance(event, Observed) and event.observation.probe in former):
                listener(injection, event)

        tell.__qualname__ = getattr(listener, "__qualname__", type(listener).__name__)  # what failures are told of
        return tell
