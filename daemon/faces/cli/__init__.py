"""The command line: one table of verbs; a verb's module is imported only when it is called."""

import sys
from collections.abc import Mapping, Sequence

import click

from daemon.faces.cli import failure, streams
from daemon.faces.cli.group import LazyGroup, Verb
from daemon.faces.cli.session import Session, config_option, output_option, state_option

_HERE = "daemon.faces.cli"

VERBS: Mapping[str, Mapping[str, Verb]] = {
    "Run": {
        "run": Verb(f"{_HERE}.run:run", "The daemon, in the foreground."),
        "proxy": Verb(f"{_HERE}.proxy:proxy", "The fault proxy alone, in the foreground."),
        "demo": Verb(f"{_HERE}.demo.command:demo", "A guided session: lab, daemon, faults, and a table."),
        "lab": Verb(f"{_HERE}.lab:lab", "The embedded lab alone: up, down, status."),
    },
    "Inject and undo": {
        "inject": Verb(f"{_HERE}.inject:inject", "Inject one fault, watch, undo, judge."),
        "ci": Verb(f"{_HERE}.ci:ci", "Every experiment once, with scenarios; JUnit and an exit code."),
        "recover": Verb(f"{_HERE}.undo:recover", "Revert everything that is ours and still there."),
        "revert": Verb(f"{_HERE}.undo:revert", "Take one injection back, or all."),
        "settle": Verb(f"{_HERE}.settle:settle", "Answer for what could not be undone."),
        "halt": Verb(f"{_HERE}.desk:halt", "Stop and undo everything; begin nothing new."),
        "resume": Verb(f"{_HERE}.desk:resume", "Lift the halt."),
    },
    "Look": {
        "status": Verb(f"{_HERE}.desk:status", "What is active, outstanding, and due next."),
        "health": Verb(f"{_HERE}.desk:health", "Exit 0 when the daemon is healthy."),
        "probe": Verb(f"{_HERE}.looking:probe", "One look with the probes."),
        "monitor": Verb(f"{_HERE}.monitor:monitor", "Targets, faults and verdicts, once or live."),
        "scenario": Verb(f"{_HERE}.scenario:scenario", "Workloads with their checks."),
        "history": Verb(f"{_HERE}.past:history", "The injections so far."),
        "show": Verb(f"{_HERE}.past:show", "One injection with its timeline and proof."),
        "audit": Verb(f"{_HERE}.audit:audit", "Who asked for what."),
        "report": Verb(f"{_HERE}.report:report", "A period judged again: HTML, Markdown, JSON, JUnit."),
    },
    "Know and set up": {
        "faults": Verb(f"{_HERE}.catalogue:faults", "The faults that can be injected."),
        "probes": Verb(f"{_HERE}.catalogue:probes", "The probes that can look."),
        "journal": Verb(f"{_HERE}.journal:journal", "Check, compact, back up or adopt the journal."),
        "config": Verb(f"{_HERE}.settings:config", "Check, show or begin a chaosd.yaml."),
        "iam-policy": Verb(f"{_HERE}.policy:iam_policy", "The IAM policy that the configuration needs."),
        "completion": Verb(f"{_HERE}.completion:completion", "The script that completes words in your shell."),
    },
}


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"chaosd {version('chaosd')}")
        context.exit()


@click.group(cls=LazyGroup, sections=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@config_option
@state_option
@output_option
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print it.")
def program() -> None:
    """Inject faults into queue-driven, git-backed workers, watch them recover, put everything back."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code (DESIGN §6). Never raises for what an operator may meet."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    streams.occupy()
    with failure.report(words) as ended:  # by its module: `report` is a verb's module here, once it is imported
        answer = program.main(words, prog_name="chaosd", standalone_mode=False, obj=Session())
        ended.code = answer if isinstance(answer, int) else 0
        sys.stdout.flush()
    return ended.code
