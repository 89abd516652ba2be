"""The manual page, made from the commands themselves: `python deploy/man/page.py` writes chaosd.1 anew.

One page for all commands, as an operator at night would have it; the wheel installs it to share/man/man1.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from daemon.config import ENVIRONMENT
from daemon.core.events import Verdict
from daemon.faces.cli import VERBS, program
from daemon.faces.cli.group import LazyGroup
from daemon.faces.cli.session import PLACES, Session
from daemon.faces.shapes import EXIT_OF

EXITS = {
    0: "held, or recovered in time",
    1: "ran, and did not recover, broke an invariant, or could not tell",
    2: "usage",
    3: "aborted by a stop condition or a halt, and undone",
    4: "an undo failed: residue may remain; chaosd show ID, then chaosd recover",
    5: "nothing to hit: the target is absent or empty",
    75: "busy: another engine owns the state directory",
    77: "refused by the guard, an allow-list or IAM",
    78: "the configuration is not valid",
    130: "SIGINT, after everything was undone",
    143: "SIGTERM, after everything was undone",
}
COMMON = ("config", "state_dir", "output")
OTHERS = {
    "CHAOSD_CONFIG": "the configuration file",
    "CHAOSD_STATE_DIR": "the state directory; else STATE_DIRECTORY (systemd), else ~/.local/state/chaosd",
    "NO_COLOR": "no colour on a terminal",
}


def quoted(text: str) -> str:
    """Return text that roff prints as it stands."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in text.splitlines())


def prose(text: str) -> Iterator[str]:
    """Yield a docstring's paragraphs."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield from (quoted(" ".join(paragraph.split())), ".PP")


def options(context: click.Context) -> Iterator[str]:
    """Yield a command's options; those that every command has are told once, for the program."""
    for parameter in context.command.params:
        told = parameter.name in COMMON and context.parent is not None
        if told or isinstance(parameter, click.Argument):
            continue
        record = parameter.get_help_record(context)
        if record is not None:
            yield from (".TP", f"\\fB{quoted(record[0])}\\fR", quoted(record[1] or "."))


def commands(group: click.Group, parent: click.Context) -> Iterator[str]:
    """Yield every command below ``group``, each with its usage, text and options."""
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is None or command.hidden:
            continue
        context = click.Context(command, info_name=name, parent=parent)
        if isinstance(command, click.Group):
            yield from commands(command, context)
            continue
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        yield from (".SS", quoted(usage), *prose(command.help or ""), *options(context))


def table(rows: dict[str, str]) -> Iterator[str]:
    """Yield names with what they mean."""
    for name, text in rows.items():
        yield from (".TP", f"\\fB{quoted(name)}\\fR", quoted(text))


def page() -> str:
    """Return the whole page."""
    root = click.Context(program, info_name="chaosd", obj=Session())
    assert isinstance(program, LazyGroup)  # noqa: S101  for the type checker
    assert {EXIT_OF[verdict] for verdict in Verdict} <= EXITS.keys()  # noqa: S101  what is written here is all
    variables = {name: f"stands above {'.'.join(map(str, path))} of the file" for name, path in ENVIRONMENT.items()}
    lines = [
        '.\\" Made by deploy/man/page.py from the commands themselves.',
        '.TH CHAOSD 1 "" chaosd "chaosd manual"',
        ".SH NAME",
        f"chaosd \\- {quoted('injects faults into queue-driven, git-backed workers, and puts everything back')}",
        ".SH SYNOPSIS",
        f"\\fBchaosd\\fR {quoted('[OPTIONS] COMMAND [ARGS]...')}",
        ".SH DESCRIPTION",
        *prose(program.help or ""),
        *(line for title, verbs in VERBS.items() for line in (quoted(f"{title}: {', '.join(verbs)}."), ".br")),
        ".SH OPTIONS",
        "Before or after the command; the later one holds.",
        *options(root),
        ".SH COMMANDS",
        *commands(program, root),
        ".SH EXIT STATUS",
        *table({str(code): text for code, text in EXITS.items()}),
        ".SH ENVIRONMENT",
        *table(OTHERS | variables),
        ".SH FILES",
        *table(dict.fromkeys(PLACES, "the configuration, when --config names none")),
        *table({"journal.sqlite, undo/": "in the state directory: what was planned, and copies of undo records"}),
        ".SH SEE ALSO",
        quoted("git(1), systemd.service(5), prometheus(1)"),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("chaosd.1").write_text(page())
