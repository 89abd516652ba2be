"""What the audience sees: a live table on a terminal, plain lines elsewhere, the table of results at the end."""

import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from daemon.core.seams import Clock
from daemon.faces.cli import tables
from daemon.faces.cli.demo.ended import GOOD, Ended
from daemon.faces.cli.demo.plan import ACTS
from daemon.faces.cli.text import number, span

Document = Mapping[str, Any]
STEPS = {
    "proposed": "looking: is it steady?",
    "planned": "injecting",
    "injected": "injected, watching",
    "reverted": "undone, watching",
    "superseded": "healed, watching",
    "revert-failed": "undo failed",
}
WITHOUT_RESULT = frozenset({"refused"})


class View:
    """Follows the session. A context manager: leaving it ends the live table."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun_s = clock.instant().mono_s
        self._said: dict[str, str] = {}
        self._steps: list[str] = []
        self._acts: dict[str, list[Document]] = {act.name: [] for act in ACTS}
        self._status: Document = {"observations": [], "next": []}
        # Transient: the table of results says the same again, and stays.
        console = tables.console(sys.stderr)
        self._live = Live(console=console, auto_refresh=False, transient=True) if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, step: str) -> None:
        """Tell one step of the session."""
        at = self._passed()
        self._steps.append(f"{at:>8}  {step}")
        if self._live is None:
            click.echo(f"{at:>8}  {step}", err=True)
        else:
            self._draw()

    def update(self, status: Document, injections: Sequence[Document]) -> None:
        """Show where everything stands."""
        self._status = status
        for name in self._acts:
            self._acts[name] = [i for i in injections if i["injection"]["experiment"] == name]
        if self._live is not None:
            self._draw()
            return
        for name, found in self._acts.items():
            if found:
                self._say_once(name, found[-1])

    def results(self) -> list[dict[str, Any]]:
        """Return each act's first injection that was not refused and has its verdict, in order."""
        firsts = (_first(found) for found in self._acts.values())
        return [dict(found) for found in firsts if found is not None]

    def missing(self) -> list[str]:
        """Return the acts without a result, with what was said last about each."""
        return [f"{name}{_why(found)}" for name, found in self._acts.items() if _first(found) is None]

    @property
    def busy(self) -> bool:
        """Tell whether an injection is under way."""
        return any(found and found[-1]["verdict"] is None for found in self._acts.values())

    # --- inside ------------------------------------------------------------------------------------------

    def _passed(self) -> str:
        return f"{self._clock.instant().mono_s - self._begun_s:.1f} s"

    def _say_once(self, name: str, document: Document) -> None:
        words = _where(document)
        key = f"{document['injection']['id']} {words}"
        if self._said.get(name) != key:
            self._said[name] = key
            self.say(f"{name}: {words}{_hit(document)}")

    def _draw(self) -> None:
        assert self._live is not None  # noqa: S101  the caller looked
        steps = Text("\n".join(self._steps[-4:]))
        parts: list[Any] = [steps]
        if self._status["next"]:
            parts += [self._table(), _probes(self._status["observations"])]
        self._live.update(Group(*parts), refresh=True)

    def _table(self) -> Table:
        due = {entry["experiment"]: entry["at"] for entry in self._status["next"]}
        rows: list[list[str | Text]] = []
        for act in ACTS:
            found = self._acts[act.name]
            last = _first(found) or (found[-1] if found else None)
            where = f"due at {due.get(act.name, '')[11:19]}" if last is None else _where(last)
            rows.append([act.fault, tables.word(where), *(_numbers(last) if last else ("", "", ""))])
        columns = (tables.Column("fault", whole=True), "now", "impact after", "recovered after", "healed by")
        return tables.table(columns, rows)


def final(ended: Ended) -> None:
    """Print the table of results, what is missing, and what is left."""
    rows: list[list[str | Text]] = [
        [f"{r['injection']['fault']}\n{r['injection']['mode']}", *_numbers(r), tables.word(r["verdict"])]
        for r in ended.results
    ]
    columns = (tables.Column("fault", whole=True), "impact seen after", "recovered after", "healed by", "verdict")
    if rows:
        tables.show(tables.table(columns, rows))
    for result in ended.results:
        if result["verdict"] not in GOOD:
            click.echo(f"{result['injection']['fault']}: {'; '.join(result['reasons'])}")
    if ended.interrupted:
        click.echo("interrupted, and everything taken down")
    for name in () if ended.interrupted else ended.missing:
        click.echo(f"never ran: {name}")
    for thing in ended.left:
        click.echo(f"left behind: {thing}")
    if not ended.left:
        click.echo("nothing is left: no process, port, lock, message or file")
    if ended.report:
        click.echo(f"report: {ended.report}")


def _first(found: Sequence[Document]) -> Document | None:
    return next((i for i in found if i["verdict"] is not None and i["verdict"] not in WITHOUT_RESULT), None)


def _why(found: Sequence[Document]) -> str:
    return f" ({'; '.join(found[-1]['reasons'])})" if found and found[-1]["reasons"] else ""


def _where(document: Document) -> str:
    return str(document["verdict"] or STEPS.get(document["injection"]["state"], document["injection"]["state"]))


def _hit(document: Document) -> str:
    if document["verdict"] is None:
        return f": {_victim(document)}" if document["injection"]["state"] in ("planned", "injected") else ""
    impact, recovery = document["impact"]["after"], document["recovery"]
    seen = f", impact after {span(impact)}" if impact else ""
    healed = f", recovered after {span(recovery['after'])} by {recovery['healed_by']}" if recovery["after"] else ""
    why = "" if document["verdict"] in GOOD else _why([document])
    return seen + healed + why


def _victim(document: Document) -> str:
    """Return what was hit in few words: the last parts of paths and URLs."""
    values = (number(v) for k, v in document["injection"]["victim"].items() if k not in ("command", "interrupts"))
    return ", ".join("/".join(v.split("/")[-2:]) if v.startswith(("/", "http")) else v for v in values)


def _numbers(document: Document) -> tuple[str, str, str]:
    recovery = document["recovery"]
    late = "not in time" if recovery["censored"] and document["verdict"] else "-"
    after = span(recovery["after"]) if recovery["after"] else late
    healer = recovery["healed_by"] if document["impact"]["seen"] else None
    return span(document["impact"]["after"]), after, healer or "-"


def _probes(observations: Sequence[Document]) -> Text:
    line = Text("  probes  ")
    for seen in observations:
        line.append(f"{seen['probe']} ").append(tables.word(seen["status"])).append("  ")
    return line
