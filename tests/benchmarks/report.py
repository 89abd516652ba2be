"""The figures as a table for people and as JSON for machines."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.benchmarks.harness import Row, Samples

MET = {True: "[green]yes[/]", False: "[red]no[/]", None: "-"}


def machine() -> dict[str, Any]:
    """Describe where the figures come from."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "git": git.stdout.split()[-1],
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 1),
    }


def table(rows: Sequence[Row], console: Console) -> None:
    """Print ``what | chaosd | yardstick | ratio | target | met?``: medians, with least and most in brackets."""
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("what", min_width=24)
    for title in ("chaosd", "yardstick", "ratio", "target"):
        shown.add_column(title, overflow="fold")
    shown.add_column("met?")
    for row in rows:
        theirs = f"{row.yardstick}\n{_figure(row.theirs)}" if row.theirs else row.yardstick
        shown.add_row(
            row.what,
            _figure(row.chaosd),
            theirs,
            _figure(row.ratio) if row.ratio else "-",
            _target(row),
            MET[row.met],
        )
    console.print(shown)
    for row in rows:
        if row.note:
            console.print(f"[dim]{row.what}: {row.note}[/]")


def document(rows: Mapping[str, Sequence[Row]], failures: Mapping[str, str]) -> dict[str, Any]:
    """Return everything that was measured, each sample included."""
    return {
        "schema_version": 1,
        "machine": machine(),
        "rows": [{"name": name, **_row(row)} for name, found in rows.items() for row in found],
        "failures": dict(failures),
    }


def write(found: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(found, indent=2) + "\n")


def _row(row: Row) -> dict[str, Any]:
    return {
        "what": row.what,
        "chaosd": _samples(row.chaosd),
        "yardstick": {"what": row.yardstick, **_samples(row.theirs)} if row.theirs else None,
        "ratio": _samples(row.ratio) if row.ratio else None,
        "target": {"side": row.limit.side, "value": row.limit.value} if row.limit else None,
        "met": row.met,
        "note": row.note,
    }


def _samples(found: Samples) -> dict[str, Any]:
    return {
        "unit": found.unit,
        "median": found.median,
        "min": min(found.values),
        "max": max(found.values),
        "values": list(found.values),
    }


def _figure(found: Samples | None) -> str:
    if found is None:
        return "-"
    unit = found.unit if found.unit == "x" else f" {found.unit}"
    spread = "" if len(found.values) == 1 else f" ({_short(min(found.values))}-{_short(max(found.values))})"
    return f"{_short(found.median)}{unit}{spread}"


def _target(row: Row) -> str:
    if row.limit is None:
        return "-"
    unit = "x" if row.theirs else f" {row.chaosd.unit}"
    return f"{row.limit.side} {row.limit.value:g}{unit}"


def _short(value: float) -> str:
    """Three digits that count, and no exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else f"{value:.4f}"
