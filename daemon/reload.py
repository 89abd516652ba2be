"""Another configuration for a running daemon: what may change without a restart, and how a refusal is told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from daemon.core.errors import ConfigError
from daemon.core.settings import Api, Settings

Read: TypeAlias = Callable[[], Settings]
"""Read the configuration anew; raises ConfigError."""

Reload: TypeAlias = Callable[[], Settings]
"""Take the configuration as it is on disk and return it; raises ConfigError when the old one stays in force."""

WHY: Mapping[str, str] = {
    "aws": "what is active must be taken back where it was injected",
    "api": "its sockets are open already; the tokens alone may change",
}


def check(now: Settings, wanted: Settings) -> None:
    """Raise ConfigError for what only a restart can change; names all of it."""
    same = {
        "aws": now.aws == wanted.aws,
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
    """Let a ConfigError say that the old configuration stays."""
    try:
        yield
    except ConfigError as error:
        why = error.message.partition("\n")[0].removeprefix("nothing was started: ")
        raise ConfigError(
            f"not reloaded, the old configuration stays in force: {why}", problems=error.problems, hint=error.hint
        ) from error


def _but_tokens(api: Api) -> Api:
    return replace(api, tokens=(), token_file=None)
