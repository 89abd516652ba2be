"""Where the messages of a run stand in its waterfall: plain coordinates, drawn by the HTML templates."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daemon.faces.report import words
from daemon.faces.report.charts import Linear, bar, cut, nice
from daemon.faces.report.layout import RIGHT, WIDTH
from daemon.faces.report.waterfall import STAGES, chosen

LEFT, TOP, ROW, BAR = 150.0, 34.0, 20.0, 12.0
WHOLE_MOST, SLOWEST = 60, 40
DRAWN_MOST = 24
OPEN_MOST = 6
TALLY = 128.0  # on the right: the seconds, or what became of it


def drawn(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs to draw with their drawings: those that did not pass first, then the newest, by time.

    ``open`` says which to unfold: those that did not pass, as long as these are few, else the first.
    """
    able = [r for r in runs if r["waterfall"]]
    loud = [r for r in able if r["ending"] != "passed"][-DRAWN_MOST:]
    quiet = [r for r in able if r["ending"] == "passed"]
    chosen_runs = {r["run"] for r in (*loud, *quiet[len(quiet) - min(len(quiet), DRAWN_MOST - len(loud)) :])}
    shown = [r for r in able if r["run"] in chosen_runs]
    unfolded = {r["run"] for r in (*loud, *quiet)[:OPEN_MOST]}
    return [{"run": r, "drawing": drawing(r["waterfall"]), "open": r["run"] in unfolded} for r in shown]


def drawing(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return one waterfall: a row a message, a bar a stage, on one axis of seconds after the run began."""
    shown = chosen(found["messages"], whole_most=WHOLE_MOST, slowest=SLOWEST)
    right = WIDTH - RIGHT - TALLY
    longest = max(0.1, found["lasts"], *(m[s] or 0.0 for m in shown for s in ("sent", *STAGES)))
    across = Linear(0.0, longest, LEFT, right)
    bottom = TOP + ROW * len(shown)
    return {
        "width": WIDTH,
        "height": bottom + 34,
        "top": TOP - 8,
        "bottom": bottom,
        "left": LEFT,
        "right": right,
        "tally": right + 12,
        "stages": found["stages"],
        "ticks": [{"x": across(t), "label": words.seconds(t)} for t in nice(longest)],
        "fault": _fault(found["fault"], across) if found["fault"] else None,
        "rows": [_row(m, TOP + ROW * (i + 0.5), across, found["lasts"]) for i, m in enumerate(shown)],
        "messages": shown,
        "shown": len(shown),
        "of": len(found["messages"]),
    }


def _fault(found: Mapping[str, Any], across: Linear) -> dict[str, Any]:
    return {
        "name": cut(str(found["name"]), 40),
        "active": bar(across, *found["active"]) if found["active"] else None,
        "unwell": bar(across, *found["unwell"]) if found["unwell"] else None,
        "title": words.around(found),
    }


def _row(message: Mapping[str, Any], y: float, across: Linear, lasts: float) -> dict[str, Any]:
    ends = [message[s] for s in STAGES if message[s] is not None]
    last = max(ends, default=message["sent"])
    lost = message["state"] == "unseen" or (message["state"] == "broken" and message["took"] is None)
    return {
        "y": y,
        "bar": BAR,
        "label": cut(str(message["command"]), 20),
        "failed": message["failed"],
        "tally": words.tally(message),
        "title": words.message(message),
        "sent": across(message["sent"]),
        "bars": [{"stage": s, **bar(across, a, b)} for s, a, b in _segments(message)],
        "answered": None if message["answered"] is None else across(message["answered"]),
        "success": message["success"],
        "followed": bar(across, last, lasts) if lost and lasts > last else None,
    }


def _segments(message: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Yield each stage's stretch, in the order in which the stages were reached: an answer may precede the site."""
    begin = message["sent"]
    reached = [(message[s], number, s) for number, s in enumerate(STAGES) if message[s] is not None]
    for end, _, stage in sorted(reached):
        yield stage, begin, end
        begin = max(begin, end)
