"""The dashboards of chaosd as code: `python deploy/grafana/dashboards.py` writes dashboards/*.json anew.

It needs grafana-foundation-sdk (in the development group of pyproject.toml); Grafana needs only the JSON.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from health import HEALTH
from overview import OVERVIEW
from panels import DATASOURCE, Panel, build
from target import TARGET

TAG = "chaosd"
GRAFANA = model.DataSourceRef(type_val="grafana", uid="-- Grafana --")


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard: rows of panels, and the label that its variable chooses from."""

    uid: str
    title: str
    says_what: str
    variable: str
    label_of: str
    several: bool
    since: str
    rows: Sequence[tuple[str, Sequence[Panel]]]


BOARDS = (
    Board(
        uid="chaosd-overview",
        title="chaosd / Overview",
        says_what="Is anything injected now, does the system hold, how fast does it recover, what is broken.",
        variable="target",
        label_of="chaosd_objective_seconds",
        several=True,
        since="now-24h",
        rows=OVERVIEW,
    ),
    Board(
        uid="chaosd-target",
        title="chaosd / Target",
        says_what="One target: its probes, queue, times, recoveries and invariants.",
        variable="target",
        label_of="chaosd_objective_seconds",
        several=False,
        since="now-6h",
        rows=TARGET,
    ),
    Board(
        uid="chaosd-daemon",
        title="chaosd / Daemon",
        says_what="Whether the daemon itself is well: undo, journal, schedule, notifications, memory.",
        variable="instance",
        label_of="chaosd_build_info",
        several=True,
        since="now-6h",
        rows=HEALTH,
    ),
)


def built(board: Board) -> Any:
    """Return one dashboard as plain data."""
    made = dashboard.Dashboard(board.title).uid(board.uid).description(board.says_what).tags([TAG])
    made.refresh("30s").time(board.since, "now").timezone("browser").readonly()
    made.tooltip(model.DashboardCursorSync.CROSSHAIR)
    made.link(
        dashboard.DashboardLink("chaosd").type(model.DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True)
    )
    made.with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    made.with_variable(_variable(board))
    made.annotation(_faults())
    for title, panels in board.rows:
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(build(panel))
    return _tidied(json.loads(JSONEncoder(sort_keys=True).encode(made.build())))


def _variable(board: Board) -> Any:
    made = dashboard.QueryVariable(board.variable).label(board.variable.capitalize()).datasource(DATASOURCE)
    made.query(f"label_values({board.label_of}, {board.variable})")
    made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
    if board.several:
        made.multi(True).include_all(True).all_value(".+")
        made.current(model.VariableOption(text="All", value="$__all", selected=True))
    return made


def _faults() -> Any:
    """Return the marks that chaosd sends to Grafana, on whatever is shown."""
    made = dashboard.AnnotationQuery().name("Faults").datasource(GRAFANA).enable(True).icon_color("orange")
    return made.target(dashboard.AnnotationTarget().type("tags").tags([TAG]).match_any(False).limit(200))


def _tidied(board: Any) -> Any:
    """Return the dashboard with its panels numbered in the order of the page, so that links to one stay right.

    Left out is what the builders write to every variable although only intervals have it.
    """
    for number, panel in enumerate(board["panels"], start=1):
        panel["id"] = number
    for variable in board["templating"]["list"]:
        for key in ("auto", "auto_count", "auto_min"):
            variable.pop(key, None)
    return board


def written(board: Board) -> str:
    """Return the file of one dashboard."""
    return json.dumps(built(board), indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Write every dashboard."""
    for board in BOARDS:
        (Path(__file__).parent / "dashboards" / f"{board.uid}.json").write_text(written(board))


if __name__ == "__main__":
    main()
