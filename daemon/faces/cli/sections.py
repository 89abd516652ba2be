"""The sections of the monitor's page, drawn from its document."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.text import Text

from daemon.core.harmless import printable
from daemon.faces.cli.fitting import Mark, Section, cut, grid, wrapped
from daemon.faces.cli.text import colour_of, pairs, seconds

Json = Mapping[str, Any]
_ID = re.compile(r"\b[0-9a-f]{40}\b")
BUSY_S, LONG_S = 5.0, 60.0  # a queue that is not empty for so long is worth a word, a colour
OLD_S = 10.0  # figures older than this say so
SHORT = 8
AUTHOR = 16
_LEVELS = {"ERROR": "red", "WARNING": "yellow", "INFO": "", "DEBUG": "dim"}
_HEALTH = {"HEALTHY": "green", "UNHEALTHY": "red", "RUNNING": "green"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The room a row has, in cells, the mark for what is cut, and the moment ages count to (RFC 3339)."""

    room: int
    mark: Mark
    now: str

    def until(self, at: str) -> float:
        """Return the seconds from now until then; negative when it is over."""
        return (datetime.fromisoformat(at) - datetime.fromisoformat(self.now)).total_seconds()

    def rows(self, cells: Sequence[Sequence[Text | str]]) -> list[Text]:
        """Return the cells in columns."""
        return grid(cells, self.room, self.mark) if cells else []


def lapse(value_s: float) -> str:
    """Return whole seconds below two minutes, then what ``seconds`` says: a page that ticks must not flicker."""
    whole = round(max(value_s, 0.0))
    return f"{whole} s" if whole < 120 else seconds(whole)  # noqa: PLR2004


def styled(word: str, style: str, *, before: str = "") -> Text:
    """Return a word in its colour."""
    return Text(f"{before}{word}", style)


def standing(deployment: Json) -> tuple[str, str]:
    """Return how the deployment stands in a word or two, and their colour."""
    behind = deployment["behind"]
    return {
        "tip": ("ok", "green"),
        "behind": (f"{behind} behind", "yellow"),
        "diverged": ("off its branch", "red"),
        "not-pushed": ("not on the remote", "red"),
        "absent": ("absent", "red"),
    }.get(deployment["standing"], ("unknown", "yellow"))


def of_target(target: Json, drawing: Drawing, *, named: bool) -> list[Section]:
    """Return the sections a target has; a part that could not be seen says why."""
    reasons = {u["part"]: u["reason"] for u in target["unseen"]}
    made = [Section(label="", rows=[Text(printable(target["target"]), "bold")], rank=8)] if named else []
    for part, (draw, rank, floor) in _PARTS.items():
        if part in reasons:
            why = wrapped(f"unknown: {reasons[part]}", drawing.room)
            made.append(Section(label=part, rows=[Text(line, "yellow") for line in why], rank=rank))
        elif part in target:
            rows = draw(target, drawing)
            _aged(rows, target["ages"].get(part, 0.0), drawing)
            made.append(Section(label=part, rows=rows, rank=rank, floor=floor, newest_last=part == "logs"))
    return made


def _aged(rows: list[Text], age_s: float, drawing: Drawing) -> None:
    if age_s > OLD_S:
        said = f"  ({lapse(age_s)} ago)"
        rows[0] = cut(rows[0], drawing.room - len(said), drawing.mark).append(said, "yellow")


def _tasks(target: Json, drawing: Drawing) -> list[Text]:
    rows: list[list[Text | str]] = []
    for task in target["tasks"]:
        image = printable(task["image"]).rpartition("/")[2]
        what = "  ".join(word for word in (printable(task["revision"]), image) if word)
        up = "not started" if task["age"] is None else f"up {lapse(task['age'])}"
        words = [Text(task[key], _HEALTH.get(task[key], "yellow")) for key in ("status", "health")]
        if (
            task["health"] == "UNKNOWN"
        ):  # the task definition has no health check: nothing to worry about, nor to trust
            words[1] = Text("no health check", "dim")
        rows.append([printable(task["id"])[:SHORT], *words, up, Text(what, "dim")])
    missing = target["service"]["desired"] - len(target["tasks"])
    if missing > 0:
        return [*drawing.rows(rows), Text(f"{missing} missing", "red")]
    return drawing.rows(rows) or [Text("none, and none wanted", "dim")]


def _queue(target: Json, drawing: Drawing) -> list[Text]:
    queue = target["queue"]
    line = Text(f"{queue['visible']} waiting, {queue['in_flight']} in flight, {queue['delayed']} delayed")
    dead = queue["dead_letter"]
    if dead is not None:
        line.append(f", {dead} dead", "red" if dead else "")
    busy_s = queue["waiting_for"] or 0.0
    if busy_s >= BUSY_S:
        line.append(f", not empty for {lapse(busy_s)}", "yellow" if busy_s >= LONG_S else "dim")
    return [cut(line, drawing.room, drawing.mark)]


def _branches(target: Json, drawing: Drawing) -> list[Text]:
    rows = [
        [
            b["name"],
            Text(b["commit"][:SHORT], "dim"),
            f"{lapse(b['age'])} ago",
            Text(cut(Text(b["author"]), AUTHOR, drawing.mark).plain, "dim"),
            b["subject"],
        ]
        for b in target["branches"]
    ]
    return drawing.rows(rows) or [Text("the remote has none", "yellow")]


def _deployment(target: Json, drawing: Drawing) -> list[Text]:
    seen = target["deployment"]
    where = f"s3://{seen['bucket']}/{seen['key']}"
    word, style = standing(seen)
    if seen["standing"] == "absent":
        return [cut(Text.assemble(where, "  ", (word, style)), drawing.room, drawing.mark)]
    commit = f" {printable(seen['commit'])[:SHORT]}" if seen["commit"] else ""
    shows = f"{printable(seen['branch'] or '')}{commit}".strip() or "no commit named"
    word = {"tip": "the branch's tip", "unknown": f"unknown: {printable(seen['why'])}"}.get(seen["standing"], word)
    line = Text.assemble((word, style), "  ", f"{lapse(seen['age'])} ago", "  ", shows, "  ", (where, "dim"))
    return [cut(line, drawing.room, drawing.mark)]


def _logs(target: Json, drawing: Drawing) -> list[Text]:
    rows = []
    for line in target["logs"]:
        style = _LEVELS.get(line["level"], "")
        stream = line["stream"].rpartition("/")[2][:SHORT]
        rows.append(
            [
                Text(line["at"][11:19], "dim"),
                Text(stream, "dim"),
                Text(line["level"][:4], style),
                Text(_brief(line["message"]), style),
            ]
        )
    return drawing.rows(rows) or [Text("none in the last hours", "dim")]


_PARTS: Mapping[str, tuple[Callable[[Json, Drawing], list[Text]], int, int]] = {
    "tasks": (_tasks, 6, 2),
    "queue": (_queue, 7, 1),
    "branches": (_branches, 5, 2),
    "deployment": (_deployment, 7, 1),
    "logs": (_logs, 4, 3),
}


def of_chaosd(found: Json, drawing: Drawing) -> list[Section]:
    """Return what chaosd does, did and will do, and what its probes see."""
    made = []
    active, known = found["active"] or (), {i["injection"]["id"] for i in found["active"] or ()}
    if found["active"] is not None:
        rows = drawing.rows([_fault(i, drawing) for i in active]) or [Text("none active", "dim")]
        made.append(Section(label="faults", rows=rows, rank=9, style="magenta" if active else "cyan"))
    left = [i for i in found["outstanding"] or () if i["injection"]["id"] not in known]
    if left:
        rows = drawing.rows([_fault(i, drawing) for i in left])
        made.append(Section(label="not undone", rows=rows, rank=9, style="red"))
    judged = [i for i in reversed(found["latest"] or ()) if i["verdict"]]
    if judged:
        made.append(Section(label="verdicts", rows=drawing.rows([_verdict(i, drawing) for i in judged]), rank=2))
    if found["next"]:
        soon = sorted(found["next"], key=lambda n: str(n["at"]))
        rows = drawing.rows([[f"in {lapse(drawing.until(n['at']))}", printable(n["experiment"])] for n in soon])
        made.append(Section(label="next", rows=rows, rank=0))
    return [*made, *_probes(found, drawing)]


def _fault(document: Json, drawing: Drawing) -> list[Text | str]:
    head = document["injection"]
    what = "/".join(printable(word) for word in (head["fault"], head["mode"]) if word)
    return [Text(what, "bold magenta"), printable(head["target"]), _left(head, drawing), Text(head["id"], "dim")]


def _left(head: Json, drawing: Drawing) -> Text:
    """Return how long the fault stays, or what is waited for."""
    if head["state"] == "revert-failed":
        return Text("could not be undone", "bold red")
    if head["reverted_at"]:
        return Text(f"undone {lapse(-drawing.until(head['reverted_at']))} ago", "green")
    if not head["injected_at"]:
        return Text("beginning", "yellow")
    since_s = -drawing.until(head["injected_at"])
    stays_s = head.get("for")  # a daemon of an earlier version does not tell
    if stays_s is None:
        return Text(f"since {lapse(since_s)}", "yellow")
    left_s = stays_s - since_s
    return Text(f"{lapse(left_s)} left" if left_s > 0 else f"due to end {lapse(-left_s)} ago", "yellow")


def _verdict(document: Json, drawing: Drawing) -> list[Text | str]:
    head, after = document["injection"], document["recovery"]["after"]
    verdict = str(document["verdict"])
    what = "/".join(printable(word) for word in (head["fault"], head["mode"]) if word)
    ours = " (undo)" if document["recovery"].get("healed_by") == "revert" else ""
    took = "" if after is None else f"in {after[0]:.1f}-{after[1]:.1f} s{ours}"
    ago = f"{lapse(-drawing.until(head['planned_at']))} ago"
    return [
        Text(verdict, colour_of(verdict) or ""),
        took,
        ago,
        what,
        printable(head["target"]),
        Text(head["id"], "dim"),
    ]


def _probes(found: Json, drawing: Drawing) -> list[Section]:
    seen = found["observations"]
    if seen is None:
        return []
    if not seen:
        said = "no probe has looked: start the daemon, or name a configuration"
        return [Section(label="probes", rows=[Text(said, "yellow")], rank=1)]
    bad = [o for o in seen if o["status"] != "ok"]
    rows: list[list[Text | str]] = []
    for o in [*bad, *(o for o in seen if o["status"] == "ok")]:
        fine = o["status"] == "ok"
        found_words, measured = "; ".join(map(_finding, o["findings"])), _measured(o["measures"])
        # What is wrong comes before the figures; what is fine should not catch the eye.
        words = Text.assemble(
            (found_words, "dim" if fine else ""), *(["  "] if found_words else []), (measured, "dim")
        )
        name = f"{o['target']} {o['probe']}" if len(found["targets"]) != 1 else o["probe"]
        rows.append([printable(name), Text(o["status"], colour_of(o["status"]) or ""), words])
    # One that is not ok must not go before the verdicts of yesterday.
    return [Section(label="probes", rows=drawing.rows(rows), rank=1, floor=max(len(bad), 1))]


def _measured(measures: Json) -> str:
    return pairs({name: _rough(value) for name, value in measures.items()})


def _rough(value: float) -> float:
    """Return the value without digits that change at every look and tell nobody anything."""
    return round(value, 2 if abs(value) < 10 else 0)  # noqa: PLR2004


def _brief(text: str) -> str:
    """Return the text with git's ids as short as elsewhere on the page."""
    return _ID.sub(lambda found: found[0][:SHORT], text)


def _finding(finding: Json) -> str:
    detail = _brief(printable(str(finding["detail"])))
    return f"{printable(finding['name'])}: {detail}" if detail else printable(finding["name"])
