"""What every command may be told: which configuration, which state directory, which output."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from daemon.faces.cli import complete

if TYPE_CHECKING:
    from daemon.core.settings import Settings
    from daemon.core.whereabouts import OwnTask
    from daemon.faces.client import Client
    from daemon.ports.state import StateDirectory

F = TypeVar("F", bound=Callable[..., Any])
PLACES = ("chaosd.yaml", "/etc/chaosd/chaosd.yaml")


@dataclass(slots=True)
class Session:
    """The words common to all commands; given before or after the verb, the later wins."""

    config: str | None = None
    state_dir: str | None = None
    output: str = "text"

    @property
    def json(self) -> bool:
        return self.output == "json"

    @property
    def state(self) -> "StateDirectory":
        from daemon.ports.state import StateDirectory, find

        return StateDirectory(find(self.state_dir, os.environ)).within_reach()

    def daemon(self) -> "Client | None":
        """Return a connection to the daemon that owns the state directory, or None when none runs."""
        socket = self.state.socket
        if not socket.exists():
            return None
        from daemon.faces.client import Client

        return Client.find(socket)

    @property
    def named_config(self) -> Path | None:
        """Return the configuration named by flag or environment, or None."""
        named = self.config or os.environ.get("CHAOSD_CONFIG")
        return Path(named) if named else None

    def config_path(self) -> Path | None:
        """Return the configuration in force: flag, ``CHAOSD_CONFIG``, ./chaosd.yaml, /etc; else None."""
        return self.named_config or next((Path(p) for p in PLACES if Path(p).exists()), None)

    def need_config(self) -> Path:
        """Return the configuration in force; raises ConfigError when there is none."""
        path = self.config_path()
        if path is None:
            from daemon.core.errors import ConfigError

            raise ConfigError(
                f"nothing was started: no configuration; neither {' nor '.join(PLACES)} exists",
                hint="name one with --config, or begin one with `chaosd config init`",
            )
        return path

    def settings(self, overrides: Mapping[str, object] | None = None) -> "Settings":
        """Read the configuration in force; raises ConfigError with every mistake in it."""
        from daemon.config import load

        return load(self.need_config(), **reading(overrides))


def reading(overrides: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return what ``config.load`` and ``config.origins`` want besides the path."""
    from daemon import wiring

    return {
        "environment": os.environ,
        "overrides": overrides or {},
        "faults": wiring.faults(),
        "probes": wiring.probes(),
        "check_cron": _check_cron,
        "discover": _discover,
    }


def _discover() -> "OwnTask | None":
    from daemon.ports.local import LocalHttp
    from daemon.ports.metadata import discover

    return discover(os.environ, LocalHttp())


def _check_cron(expression: str, timezone: str) -> None:
    from daemon.engine.scheduler import cron_trigger

    cron_trigger(expression, timezone)


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        setattr(context.find_object(Session), str(parameter.name), value)


def config_option(command: F) -> F:
    """Add ``-c/--config``."""
    option = click.option(
        "-c",
        "--config",
        metavar="FILE",
        expose_value=False,
        callback=_remember,
        shell_complete=complete.files,
        help="Configuration file.",
    )
    return option(command)


def state_option(command: F) -> F:
    """Add ``--state-dir``."""
    option = click.option(
        "--state-dir",
        metavar="DIR",
        expose_value=False,
        callback=_remember,
        shell_complete=complete.directories,
        help="Where journal and socket are.",
    )
    return option(command)


def output_option(command: F) -> F:
    """Add ``-o/--output``."""
    option = click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        expose_value=False,
        callback=_remember,
        help="text, or JSON alone on stdout.",
    )
    return option(command)


def common(command: F) -> F:
    """Add all three."""
    return config_option(state_option(output_option(command)))
