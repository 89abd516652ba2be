"""Tables for people, drawn with rich: plain where the output is no terminal, never a word cut off."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from daemon.faces.cli.text import colour_of, colours, number, pairs, shown

PIPE_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; ``whole`` values are never wrapped."""

    title: str
    whole: bool = False


def console(stream: TextIO | None = None, *, plain: bool = False) -> Console:
    """Return a console that knows whether colours belong on the stream; none when ``plain``."""
    out = stream or sys.stdout
    width = None if out.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(file=out, no_color=plain or not colours(out), highlight=False, width=width, soft_wrap=False)


def table(
    columns: Sequence[Column | str], rows: Sequence[Sequence[str | Text]], *, title: str = "", apart: bool = False
) -> Table:
    """Return a table; words that are a status or a verdict get their colour. ``apart``: a line between rows."""
    drawn = Table(box=SIMPLE, title=title or None, title_justify="left", title_style="bold", pad_edge=False)
    drawn.leading = int(apart)
    for column in columns:
        named = column if isinstance(column, Column) else Column(column)
        drawn.add_column(named.title, no_wrap=named.whole, overflow="fold")
    for row in rows:
        drawn.add_row(*(cell if isinstance(cell, Text) else word(cell) for cell in row))
    return drawn


def word(text: str) -> Text:
    """Return a word, in its colour when it is a status or a verdict; markup in it means nothing."""
    return Text(text, style=colour_of(text) or "")


def show(*drawn: Table | str) -> None:
    """Print tables and lines on stdout."""
    out = console()
    for item in drawn:
        out.print(item, markup=False)


def of_observations(found: Sequence[Mapping[str, Any]], *, title: str = "") -> Table:
    """Return the looks of probes: status, measures, and what was found."""
    rows = [[o["target"], o["probe"], o["status"], _seen(o)] for o in shown(found)]
    return table([Column("target", whole=True), Column("probe", whole=True), "status", "seen"], rows, title=title)


def _seen(observation: Mapping[str, Any]) -> str:
    words = [f"{f['name']}: {f['detail']}" if f["detail"] else f["name"] for f in observation["findings"]]
    return "\n".join([*([pairs(observation["measures"])] if observation["measures"] else []), *words]) or "-"


def of_injections(found: Sequence[Mapping[str, Any]], *, title: str = "") -> Table:
    """Return injections in two lines each, so that no id is cut at 80 columns."""
    rows = [
        [
            i["injection"]["id"],
            f"{i['injection']['fault']} on {i['injection']['target']}\n{i['injection']['mode']}".rstrip(),
            _outcome(i),
            _recovered(i),
        ]
        for i in shown(found)
    ]
    return table((Column("id", whole=True), "fault and mode", "verdict", "recovered after"), rows, title=title)


def _outcome(document: Mapping[str, Any]) -> Text:
    verdict = document["verdict"] or document["injection"]["state"]
    return word(verdict)


def _recovered(document: Mapping[str, Any]) -> str:
    found = document["recovery"]
    if found["after"] is None:
        return "not in time" if found["censored"] else "-"
    low, high = found["after"]
    return f"{low:.2f}-{high:.2f} s\nby {number(found['healed_by'] or '?')}"
