"""What the shell may put for a word: faults, modes, what the configuration names. Silent when it cannot tell."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from daemon.core.settings import Settings

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _starting(names: Mapping[str, str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name, help=text or None) for name, text in names.items() if name.startswith(incomplete)]


def faults(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a fault."""
    from daemon import wiring

    return _starting({name: kind.summary for name, kind in sorted(wiring.faults().items())}, incomplete)


def modes(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a mode of the fault on the line; of any fault when there is none."""
    from daemon import wiring

    kinds = wiring.faults()
    # click gives up parsing at the option that still lacks its value, so the fault is not among its parameters.
    line = os.environ.get("COMP_WORDS", "").split()
    chosen = [kinds[word] for word in line if word in kinds] or [kinds[name] for name in sorted(kinds)]
    return _starting({mode.name: mode.summary for kind in chosen for mode in kind.modes}, incomplete)


def probes(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the kind of a probe."""
    from daemon import wiring

    return _starting({name: kind.summary for name, kind in sorted(wiring.probes().items())}, incomplete)


def scenarios(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a scenario."""
    from daemon.core.workloads import SCENARIOS

    return _starting({name: found.summary for name, found in SCENARIOS.items()}, incomplete)


def _configured(names: "Callable[[Settings], Iterable[str]]") -> Complete:
    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from daemon.core.errors import ChaosdError
        from daemon.faces.cli.session import Session

        session: Any = context.find_object(Session)
        try:
            return _starting(dict.fromkeys(names(session.settings()), ""), incomplete)
        except ChaosdError:  # no configuration, or not a valid one: a tab is no place to say so
            return []

    return complete


targets = _configured(lambda settings: settings.targets)
experiments = _configured(lambda settings: (e.name for e in settings.experiments))
configured_probes = _configured(lambda settings: (p.name for p in settings.probes))


def files(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell: a file."""
    return [CompletionItem(incomplete, type="file")]


def directories(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell: a directory."""
    return [CompletionItem(incomplete, type="dir")]
