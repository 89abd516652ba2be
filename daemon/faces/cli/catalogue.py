"""``chaosd faults`` and ``chaosd probes``: what is installed, with modes and parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from daemon.core.errors import UsageError
from daemon.faces.cli import complete
from daemon.faces.cli.group import Suggesting
from daemon.faces.cli.session import Session, output_option
from daemon.faces.cli.text import number, seconds, write_json


@click.group(cls=Suggesting, invoke_without_command=True, short_help="The faults that can be injected.")
@output_option
@click.pass_context
def faults(context: click.Context) -> int:
    """List the faults, or show one with its modes and parameters."""
    return context.invoke(list_faults) if context.invoked_subcommand is None else 0


@click.group(cls=Suggesting, invoke_without_command=True, short_help="The probes that can look.")
@output_option
@click.pass_context
def probes(context: click.Context) -> int:
    """List the probes, or show one with its measures and parameters."""
    return context.invoke(list_probes) if context.invoked_subcommand is None else 0


@faults.command("list")
@output_option
@click.pass_obj
def list_faults(session: Session) -> int:
    """List the faults with their modes."""
    found = _faults()
    if session.json:
        write_json({"faults": list(found.values())})
        return 0
    from daemon.faces.cli import tables

    # The modes stand below the sentence: beside it, their names leave it no room on a terminal of 80 columns.
    rows = [[f["name"], f"{f['summary']}\n{_listed([m['name'] for m in f['modes']])}"] for f in found.values()]
    tables.show(
        tables.table((tables.Column("fault", whole=True), "what it does, and in which modes"), rows, apart=True),
        "`chaosd faults show NAME` tells what each mode does, and the parameters.",
    )
    return 0


def _listed(modes: Sequence[str]) -> str:
    """Return the modes in a line; of many the first, and how many more there are."""
    from daemon.core.parameters import LISTED_MAX

    if len(modes) <= LISTED_MAX:
        return f"modes: {', '.join(modes)}" if len(modes) > 1 else f"mode: {', '.join(modes) or '-'}"
    shown = modes[: LISTED_MAX - 1]
    return f"modes: {', '.join(shown)} and {len(modes) - len(shown)} more"


@faults.command("show")
@click.argument("name", shell_complete=complete.faults)
@output_option
@click.pass_obj
def show_fault(session: Session, name: str) -> int:
    """Show fault NAME with its modes and parameters."""
    found = _named(_faults(), name, "fault")
    if session.json:
        write_json({"fault": found})
        return 0
    from daemon.faces.cli import tables

    rows = [[m["name"], _told(m)] for m in found["modes"]]
    tables.show(
        f"{found['name']}: {found['summary']}",
        tables.table([tables.Column("mode", whole=True), "what it does"], rows),
        _parameters(found["parameters"]),
    )
    return 0


_NOTES = {
    "fails": "then",
    "repair": "repair",
    "seen": "probes say",
    "fsck": "git fsck sees it",
    "often": "in real life",
}


def _told(mode: Mapping[str, Any]) -> str:
    """Return all that is known of a mode, a line each."""
    lines = [mode["summary"] + (" (silent)" if mode["silent"] else "")]
    return "\n".join([*lines, *(f"{word}: {mode[key]}" for key, word in _NOTES.items() if key in mode)])


@probes.command("list")
@output_option
@click.pass_obj
def list_probes(session: Session) -> int:
    """List the probes with what they measure."""
    found = _probes()
    if session.json:
        write_json({"probes": list(found.values())})
        return 0
    from daemon.faces.cli import tables

    rows = [[p["name"], p["summary"], "\n".join(p["measures"]) or "-"] for p in found.values()]
    columns = (tables.Column("probe", whole=True), "what it looks at", tables.Column("measures", whole=True))
    tables.show(tables.table(columns, rows))
    return 0


@probes.command("show")
@click.argument("name", shell_complete=complete.probes)
@output_option
@click.pass_obj
def show_probe(session: Session, name: str) -> int:
    """Show probe NAME with its measures and parameters."""
    found = _named(_probes(), name, "probe")
    if session.json:
        write_json({"probe": found})
        return 0
    from daemon.faces.cli import tables

    rows = [[name, summary] for name, summary in found["measures"].items()]
    tables.show(
        f"{found['name']}: {found['summary']}",
        tables.table([tables.Column("measure", whole=True), "meaning"], rows),
        _parameters(found["parameters"]),
    )
    return 0


def _faults() -> dict[str, dict[str, Any]]:
    from daemon import wiring
    from daemon.faces import shapes

    return {name: shapes.fault(kind) for name, kind in sorted(wiring.faults().items())}


def _probes() -> dict[str, dict[str, Any]]:
    from daemon import wiring
    from daemon.faces import shapes

    return {name: shapes.probe(kind) for name, kind in sorted(wiring.probes().items())}


def _named(found: Mapping[str, dict[str, Any]], name: str, what: str) -> dict[str, Any]:
    if name in found:
        return found[name]
    from daemon.core.parameters import nearest

    raise UsageError(f"unknown {what} {name!r}{nearest(name, found)}", hint=f"see `chaosd {what}s list`")


def _parameters(described: Mapping[str, Mapping[str, Any]]) -> Any:
    from daemon.faces.cli import tables

    rows = [[name, _default(spec), f"{spec['summary']}{_limits(spec)}"] for name, spec in described.items()]
    return tables.table([tables.Column("parameter", whole=True), "default", "meaning"], rows)


def _default(spec: Mapping[str, Any]) -> str:
    value = spec["default"]
    if value is None:
        return "-"
    if spec.get("unit") == "s":
        return seconds(float(value))
    return number(value) + ("/s" if spec.get("unit") == "1/s" else "")


def _limits(spec: Mapping[str, Any]) -> str:
    low, high = spec.get("least"), spec.get("most")
    words = [
        f"at least {number(low)}" if low is not None else "",
        f"at most {number(high)}" if high is not None else "",
    ]
    said = ", ".join(w for w in words if w)
    return f" ({said})" if said else ""
