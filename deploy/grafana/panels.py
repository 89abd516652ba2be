"""Panels of Grafana dashboards: a few kinds with one look, on top of Grafana's own typed builders."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"
UNKNOWN = "purple"  # neither good nor bad: what is NaN, or has no value
NOW = ("stat", "gauges")  # what shows one value shows the present one: the last of a course may be hours old
BUILDERS = {
    "stat": stat.Panel,
    "states": statetimeline.Panel,
    "lines": timeseries.Panel,
    "bars": timeseries.Panel,
    "gauges": bargauge.Panel,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One expression and the name of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. ``unit`` is Grafana's id of a unit; ``steps`` are limits to colours, ``says`` values to words."""

    kind: str
    title: str
    says_what: str
    unit: str
    queries: Sequence[Query]
    width: int = 12
    height: int = 8
    steps: Sequence[tuple[float | None, str]] = ((None, BLUE),)
    says: Sequence[tuple[str, str, str]] = ()
    lowest: float | None = 0
    extra: dict[str, float] = field(default_factory=dict)


YES_IS_BAD = (("0", "no", GREEN), ("1", "yes", RED))
STEADY = (("0", "not steady", RED), ("1", "steady", GREEN))
ACTIVE = (("0", "-", "transparent"), ("1", "active", ORANGE))
LOOK = (("0", "not ok", RED), ("1", "ok", GREEN))


def build(panel: Panel) -> Any:
    """Return the typed builder of one panel."""
    made: Any = BUILDERS[panel.kind]()
    made.title(panel.title).description(panel.says_what).unit(panel.unit).datasource(DATASOURCE)
    made.height(panel.height).span(panel.width).no_value("no data")
    made.thresholds(_thresholds(panel.steps))
    if panel.lowest is not None:
        made.min(panel.lowest)
    for name, limit in panel.extra.items():
        getattr(made, name)(limit)
    made.mappings([*([_mapping(panel.says)] if panel.says else ()), _unknown()])
    for number, query in enumerate(panel.queries):
        made.with_target(_target(query, chr(ord("A") + number), now=panel.kind in NOW))
    _FINISH[panel.kind](made, panel)
    return made


def _target(query: Query, ref: str, *, now: bool) -> Any:
    made = prometheus.Dataquery().expr(query.expr).ref_id(ref).legend_format(query.legend or "__auto")
    made.format(PromQueryFormat.TIME_SERIES)
    return made.instant() if now else made.range()


def _thresholds(steps: Sequence[tuple[float | None, str]]) -> Any:
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=color) for value, color in steps])
    )


def _mapping(says: Sequence[tuple[str, str, str]]) -> model.ValueMap:
    options = {
        value: model.ValueMappingResult(text=text, color=color, index=i)
        for i, (value, text, color) in enumerate(says)
    }
    return model.ValueMap(options=options)


def _unknown() -> model.SpecialValueMap:
    """Return the word and colour of NaN and of nothing; else they had the colour below the lowest limit."""
    says = model.ValueMappingResult(text="unknown", color=UNKNOWN, index=9)
    match = model.SpecialValueMatch.NULL_AND_NAN
    return model.SpecialValueMap(options=model.DashboardSpecialValueMapOptions(match=match, result=says))


def _colored_by_limit() -> Any:
    return dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)


def _stat(made: Any, panel: Panel) -> None:
    made.color_mode(words.BigValueColorMode.BACKGROUND).graph_mode(words.BigValueGraphMode.NONE)
    made.color_scheme(_colored_by_limit()).reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    many = len(panel.queries) > 1 or bool(panel.queries[0].legend)
    made.text_mode(words.BigValueTextMode.VALUE_AND_NAME if many else words.BigValueTextMode.VALUE)


def _gauges(made: Any, _: Panel) -> None:
    made.orientation(words.VizOrientation.HORIZONTAL).color_scheme(_colored_by_limit())
    made.display_mode(words.BarGaugeDisplayMode.BASIC).value_mode(words.BarGaugeValueMode.TEXT)
    made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


def _states(made: Any, _: Panel) -> None:
    made.merge_values(True).show_value(words.VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)


def _lines(made: Any, panel: Panel) -> None:
    made.legend(
        common.VizLegendOptions()
        .display_mode(words.LegendDisplayMode.LIST)
        .placement(words.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    made.tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI).sort(words.SortOrder.DESCENDING))
    if panel.kind == "bars":
        made.draw_style(words.GraphDrawStyle.BARS).fill_opacity(70)
        made.stacking(common.StackingConfig().mode(words.StackingMode.NORMAL))
    else:
        made.line_width(2).fill_opacity(5).show_points(words.VisibilityMode.AUTO)


_FINISH = {"stat": _stat, "gauges": _gauges, "states": _states, "lines": _lines, "bars": _lines}
