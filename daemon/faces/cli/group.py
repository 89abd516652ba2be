"""Groups of commands that import a command only when it is called, and suggest the nearest one for a typo."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a command is (``module:name``) and its one-line help."""

    where: str
    help: str


class Suggesting(click.Group):
    """A group whose unknown command names the nearest known one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from daemon.core.parameters import nearest

            known = tuple(self.list_commands(ctx))
            raise click.UsageError(f"no such command {args[0]!r}{nearest(args[0], known)}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(Suggesting):
    """A group read from a table of sections."""

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, Verb]], **more: Any) -> None:
        super().__init__(*args, **more)
        self._sections = sections

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [name for verbs in self._sections.values() for name in verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        verb = next((verbs[cmd_name] for verbs in self._sections.values() if cmd_name in verbs), None)
        if verb is None:
            return None
        module, name = verb.where.split(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return commands and options without importing a command: a tab is to be quick."""
        verbs = {name: verb for verbs in self._sections.values() for name, verb in verbs.items()}
        found = [
            CompletionItem(name, help=verb.help) for name, verb in verbs.items() if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        width = max(len(name) for verbs in self._sections.values() for name in verbs)
        for title, verbs in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), verb.help) for name, verb in verbs.items()])
