"""Where things stand in the drawings: plain coordinates from the report's document, drawn by the HTML templates."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from daemon.core.events import Verdict
from daemon.core.verdict import GOOD
from daemon.faces.report import words
from daemon.faces.report.layout import NARROW, RIGHT, TOP, WIDE, Shape

ROWS_MAX = 36
KNEE_S = 0.25  # where the axis of the single runs turns from linear to logarithmic: the fast sampling interval
SMALL = {"width": 360.0, "height": 220.0, "left": 44.0, "right": 12.0, "top": 12.0, "bottom": 36.0}
_TICKS_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
_QUIET = {v.value for v in GOOD | {Verdict.REFUSED}}
_CLOCK_S = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 30 * 86400)
_FORMS = ((86400, "%d %b"), (60, "%H:%M"), (0, "%H:%M:%S"))

TONES: Mapping[str, str] = {
    "recovered": "good",
    "no-impact": "calm",
    "not-recovered": "bad",
    "violated": "bad",
    "undo-failed": "bad",
    "aborted": "warn",
    "inconclusive": "warn",
    "not-triggered": "mute",
    "refused": "mute",
    "none yet": "mute",
    "ok": "good",
    "failing": "bad",
    "met": "good",
    "missed": "bad",
    "unknown": "warn",
    "slower": "bad",
    "faster": "good",
    "no-difference-shown": "calm",
    "too-few": "mute",
    "passed": "good",
    "held": "good",
    "stopped": "warn",
    "not checked": "mute",
}


def shapes(
    draw: Callable[[Mapping[str, Any], Shape], dict[str, Any] | None], document: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a drawing for wide and one for narrow screens; nothing where there is nothing to draw."""
    return [drawn for shape in (WIDE, NARROW) if (drawn := draw(document, shape))]


def overview(document: Mapping[str, Any], shape: Shape = WIDE) -> dict[str, Any] | None:
    """Return the lanes of all experiments over wall-clock time, one a fault and target; None without any."""
    experiments = document["experiments"]
    if not experiments:
        return None
    begins = [_epoch(e["injection"]["injected_at"] or e["injection"]["planned_at"]) for e in experiments]
    ends = [begin + (_length(e) or 0.0) for begin, e in zip(begins, experiments, strict=True)]
    first, last = min(begins), max(ends)
    margin = max((last - first) * 0.02, 1.0)
    scale = Linear(first - margin, last + margin, shape.left, shape.width - RIGHT)
    names = sorted({_lane(e) for e in experiments})
    lanes = [{"name": n, "short": cut(n, 31), "y": TOP + shape.lane * (i + 0.5)} for i, n in enumerate(names)]
    rows = {lane["name"]: lane["y"] for lane in lanes}
    marks = [
        {
            "x": scale(begin),
            "y": rows[_lane(e)],
            "width": round(scale(end) - scale(begin), 1),
            "tone": TONES[words.verdict(e)],
            "title": f"{e['injection']['planned_at']} {words.kind(e)}: {words.verdict(e)}, {words.recovery(e)}",
        }
        for begin, end, e in zip(begins, ends, experiments, strict=True)
    ]
    return _frame(shape, TOP + shape.lane * len(lanes), 30) | {
        "lanes": lanes,
        "marks": marks,
        "ticks": _clock_ticks(scale, 6 if shape is NARROW else 9),
    }


def _frame(shape: Shape, bottom: float, below: float) -> dict[str, Any]:
    return {
        "shape": shape,
        "width": shape.width,
        "height": bottom + below,
        "bottom": bottom,
        "left": shape.left,
        "right": shape.width - RIGHT,
    }


def anatomy(document: Mapping[str, Any], shape: Shape = WIDE) -> dict[str, Any] | None:
    """Return single runs from their injection on, impact and recovery shaded; None when nothing was injected.

    Of many, those that did not hold come first, then the newest: ROWS_MAX in all, in the order of time.
    """
    injected = [e for e in document["experiments"] if e["injection"]["injected_at"]]
    if not injected:
        return None
    loud = [e for e in injected if words.verdict(e) not in _QUIET][-ROWS_MAX:]
    quiet = [e for e in injected if words.verdict(e) in _QUIET]
    chosen = {id(e) for e in (*loud, *quiet[len(quiet) - min(len(quiet), ROWS_MAX - len(loud)) :])}
    shown = [e for e in injected if id(e) in chosen]
    longest = max(1.0, *(max(_length(e) or 0.0, e["reverting_after"] or 0.0) for e in shown))
    scale = _Logarithmic(longest * 1.15, shape.left, shape.width - RIGHT - shape.spare)
    return _frame(shape, TOP + shape.row * len(shown), 34) | {
        "ticks": _apart(
            [{"x": scale(t), "label": words.seconds(t)} for t in _TICKS_S if t <= longest * 1.1], shape
        ),
        "rows": [_anatomy_row(e, TOP + shape.row * (i + 0.5), scale) for i, e in enumerate(shown)],
        "shown": len(shown),
        "of": len(injected),
    }


def _apart(ticks: Sequence[dict[str, Any]], shape: Shape) -> list[dict[str, Any]]:
    """Return the ticks that have room, the first among them."""
    kept: list[dict[str, Any]] = []
    for tick in ticks:
        if not kept or tick["x"] - kept[-1]["x"] >= shape.gap:
            kept.append(tick)
    return kept


def _anatomy_row(experiment: Mapping[str, Any], y: float, scale: "_Logarithmic") -> dict[str, Any]:
    head, impact, back = experiment["injection"], experiment["impact"]["after"], experiment["recovery"]["after"]
    censored = experiment["followed_for"]
    end = back[0] if back and censored is None else censored
    return {
        "y": y,
        "id": head["id"],
        "label": cut(f"{head['planned_at'][11:19]} {words.kind(experiment)}", 32),
        "verdict": words.verdict(experiment),
        "tone": TONES[words.verdict(experiment)],
        "active": _open_bar(scale, experiment["reverting_after"]),
        "impact": bar(scale, *impact) if impact else None,
        "unwell": bar(scale, impact[1], end) if impact and end is not None and end > impact[1] else None,
        "recovery": bar(scale, *back) if back and censored is None else None,
        "censored": None if censored is None else scale(max(censored, impact[1] if impact else 0.0)),
        "title": (
            f"{words.kind(experiment)} on {head['target']}: {words.verdict(experiment)};"
            f" impact {words.span(impact)}, recovery {words.recovery(experiment)}"
        ),
    }


def distribution(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return one fault's share of recovered runs over time, as the band its brackets allow; None without impact."""
    if not row["times"]:
        return None
    longest = max(t["after"][0] if t["censored"] else t["after"][1] for t in row["times"])
    right, bottom = SMALL["width"] - SMALL["right"], SMALL["height"] - SMALL["bottom"]
    across = Linear(0.0, max(longest * 1.05, 0.1), SMALL["left"], right)
    up = Linear(0.0, 1.0, bottom, SMALL["top"])
    early, late = (_steps(row["curve"][name], across, up, right) for name in ("earliest", "latest"))
    return {
        **SMALL,
        "bottom_y": bottom,
        "right_x": right,
        "early": _points(early),
        "late": _points(late),
        "band": _points([*early, *reversed(late)]),
        "shares": [{"y": up(s), "label": f"{s:.0%}"} for s in (0.0, 0.5, 1.0)],
        "ticks": [{"x": across(t), "label": f"{t:g}"} for t in nice(longest)],
        "censored": [
            {"x": across(t["after"][0]), "y": up(_share(row["curve"]["latest"], t["after"][0]))}
            for t in row["times"]
            if t["censored"]
        ],
        "intervals": [i for q in row["quantiles"] if (i := _interval(q, across, up, right))],
    }


def _interval(quantile: Mapping[str, Any], across: "Linear", up: "Linear", right: float) -> dict[str, Any] | None:
    low, high = quantile["confidence"]
    if quantile["known"] == "too-few" or low is None:
        return None
    end = right if high is None else min(right, across(high))
    return {
        "y": up(quantile["p"]),
        "x0": across(low),
        "x1": end,
        "open": high is None,
        "p": f"p{quantile['p'] * 100:g}",
    }


class Linear:
    """A linear axis; gives one digit after the point, enough for a drawing."""

    def __init__(self, first: float, last: float, begin: float, end: float) -> None:
        self.first, self.last, self.begin = first, last, begin
        self._slope = (end - begin) / ((last - first) or 1.0)

    def __call__(self, value: float) -> float:
        return round(self.begin + (value - self.first) * self._slope, 1)


class _Logarithmic:
    """An axis from zero, linear at first and logarithmic later, on which 0.5 s and 10 min are both to be seen."""

    def __init__(self, last: float, begin: float, end: float) -> None:
        self._begin, self._slope = begin, (end - begin) / math.log1p(last / KNEE_S)

    def __call__(self, value: float) -> float:
        return round(self._begin + self._slope * math.log1p(max(0.0, value) / KNEE_S), 1)


def bar(scale: "Linear | _Logarithmic", begin: float, end: float) -> dict[str, float]:
    """Return where a stretch begins and how wide it is: never so thin that it cannot be seen."""
    return {"x": scale(begin), "width": max(1.5, round(scale(end) - scale(begin), 1))}


def _open_bar(scale: _Logarithmic, end: float | None) -> dict[str, float] | None:
    return None if end is None else bar(scale, 0.0, end)


def _length(experiment: Mapping[str, Any]) -> float | None:
    back = experiment["recovery"]["after"]
    followed: float | None = experiment["followed_for"]
    return followed if followed is not None or not back else float(back[1])


def _lane(experiment: Mapping[str, Any]) -> str:
    return f"{experiment['injection']['fault']} on {experiment['injection']['target']}"


def cut(text: str, most: int) -> str:
    """Return a text that fits, with an ellipsis where it was cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _epoch(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _clock_ticks(scale: Linear, most: int) -> list[dict[str, Any]]:
    """Return at most so many ticks at round times of the day, UTC."""
    step = next((s for s in _CLOCK_S if (scale.last - scale.first) / s < most), _CLOCK_S[-1])
    form = next(form for least, form in _FORMS if step >= least)
    first = math.ceil(scale.first / step) * step
    times = range(first, math.ceil(scale.last), step)
    return [{"x": scale(t), "label": datetime.fromtimestamp(t, UTC).strftime(form)} for t in times]


def _steps(curve: Sequence[Sequence[float]], across: Linear, up: Linear, right: float) -> list[tuple[float, float]]:
    points, share = [(across(0.0), up(0.0))], 0.0
    for at, after in curve:
        points += [(across(at), up(share)), (across(at), up(after))]
        share = after
    return [*points, (right, up(share))]


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _share(curve: Sequence[Sequence[float]], at: float) -> float:
    return next((share for when, share in reversed(curve) if when <= at), 0.0)


def nice(longest: float) -> list[float]:
    """Return four to six round ticks from zero."""
    rough = max(longest, 0.1) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= rough)
    return [round(step * n, 6) for n in range(int(longest * 1.05 / step) + 1)]
