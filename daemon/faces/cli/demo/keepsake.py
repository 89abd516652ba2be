"""The report of a demo: the one thing that it leaves, outside its own directory, in a place that it names."""

from collections.abc import Mapping
from pathlib import Path

from daemon.config import load
from daemon.core.errors import ChaosdError
from daemon.faces.cli.report import compose, render
from daemon.faces.cli.session import reading
from daemon.faces.report.collect import Period
from daemon.ports.state import StateDirectory, find

NAME = "demo-report.html"


def place(named: str | None, environment: Mapping[str, str]) -> Path:
    """Return where the report goes: the file that was named, else one beside chaosd's own state.

    Not the current directory: that is often somebody's repository. A later demo writes over an earlier one's.
    """
    return Path(named).absolute() if named else find(None, environment) / NAME


def write(file: Path, *, state: StateDirectory, config: Path, period: Period) -> None:
    """Write the report of the demo's journal; raises ChaosdError when it cannot be written."""
    limits = {name: target.limits for name, target in load(config, **reading()).targets.items()}
    page = render(compose(state, limits, period), "html")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise ChaosdError(f"no report: {file} cannot be written: {error.strerror}") from error
