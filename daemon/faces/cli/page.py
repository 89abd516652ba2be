"""The page of `chaosd monitor`: a line that sums up each target, then its parts, then what chaosd does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from daemon.core.harmless import printable
from daemon.faces.cli import sections
from daemon.faces.cli.fitting import GUTTER, Mark, Page, Section, cut, shorten
from daemon.faces.cli.sections import Drawing, styled

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """How large the page may be, in cells; ``height`` None: as long as it takes. ``footer`` is the last line."""

    width: int
    height: int | None = None
    mark: Mark = field(default_factory=Mark)
    footer: str = ""


def page(found: Json, state: str, frame: Frame) -> Page:
    """Return the page of a monitor document; what does not fit is counted on the last line."""
    drawing = Drawing(room=max(frame.width - GUTTER, 20), mark=frame.mark, now=found["at"])
    top = [_head(found, state, frame), *_notes(found, drawing)]
    targets = [_summary(target, found) for target in found["targets"]]
    several = len(targets) > 1
    groups = [sections.of_target(target, drawing, named=several) for target in found["targets"]]
    groups.append(sections.of_chaosd(found, drawing))
    bottom = 1 if frame.footer else 0
    if frame.height is None:
        return Page([*top, *targets, *_body(groups, gaps=True)], frame.mark)
    room = frame.height - bottom - len(top)
    shown = targets[: max(room, 1)]
    left, gone = shorten([s for group in groups for s in group], room - len(shown))
    gone += len(targets) - len(shown)
    kept = [[s for s in group if s in left] for group in groups]
    spare = room - len(shown) - sum(len(s.rows) for s in left)
    lines = [*top, *shown, *_body(kept, gaps=spare >= sum(bool(group) for group in kept))]
    lines += [Text()] * (frame.height - bottom - len(lines))
    return Page([*lines[: frame.height - bottom], *([_foot(frame, gone)] if bottom else [])], frame.mark)


def _body(groups: Sequence[Sequence[Section]], *, gaps: bool) -> list[Text]:
    lines = []
    for group in groups:
        if group and gaps:
            lines.append(Text())
        for section in group:
            lines += section.lines()
    return lines


def _foot(frame: Frame, gone: int) -> Text:
    more = f"+{gone} more lines" if gone else ""
    left = cut(Text(frame.footer), max(frame.width - len(more) - 2, 0), frame.mark)
    gap = " " * max(frame.width - left.cell_len - len(more), 1) if more else ""
    return Text.assemble((left.plain, "dim"), gap, (more, "yellow"))


def _head(found: Json, state: str, frame: Frame) -> Text:
    daemon = found["daemon"]
    unseen = any(u["part"] == "chaosd" for u in found["unseen"])
    who = f"daemon {daemon['pid']}" if daemon else ("daemon unknown" if unseen else "no daemon")
    clock = f"{found['at'][11:19]} UTC"
    left = Text.assemble(("chaosd", "bold"), "  ", (who, "" if daemon else "yellow"))
    left.append(f"  {printable(state)}", "dim")
    left = cut(left, max(frame.width - len(clock) - 2, 0), frame.mark)
    return left.append(" " * max(frame.width - left.cell_len - len(clock), 1)).append(clock)


def _notes(found: Json, drawing: Drawing) -> list[Text]:
    """Return what must not be overlooked: a halt, what could not be undone, what could not be asked."""
    notes = []
    if found["halted"]:
        notes.append(Text(f" halted: {printable(found['halted'])}", "bold yellow"))
    left = [i for i in found["outstanding"] or () if i["injection"]["state"] == "revert-failed"]
    if left:
        notes.append(Text(f" {len(left)} not undone: residue may remain, see `chaosd recover`", "bold red"))
    notes += [Text(f" {u['part']} unknown: {u['reason']}", "yellow") for u in found["unseen"]]
    return [cut(note, drawing.room + GUTTER, drawing.mark) for note in notes]


def _summary(target: Json, found: Json) -> Text:
    """Return one line that tells whether to worry about a target."""
    unseen = {u["part"] for u in target["unseen"]}
    old = {part for part, age_s in target["ages"].items() if age_s > sections.OLD_S}
    words = [_steady(target["steady"])]
    if "service" in target or "tasks" in unseen:
        words.append(_doubted(_tasks(target), "tasks" in old))
    if "queue" in target:
        words.append(_doubted(_queue(target["queue"]), "queue" in old))
    if "deployment" in target:
        words.append(_doubted(_deployed(target["deployment"]), "deployment" in old))
    words += [_faults(target["target"], found["active"]), _because(target["steady"])]
    line = Text.assemble((printable(target["target"]), "bold"))
    for word in words:
        line.append("  ").append_text(word)
    return line


def _doubted(word: Text, old: bool) -> Text:
    """Return the word as it is, or with a question mark and without its green where its figures are old."""
    return Text(f"{word.plain}?", "yellow") if old and not word.plain.endswith("unknown") else word


def _steady(steady: Json | None) -> Text:
    if steady is None:
        return Text("no steady state defined", "yellow")
    if steady["status"] == "ok":
        return Text("steady", "bold green")
    if steady["status"] == "failing":
        return Text("UNSTEADY", "bold red")
    return Text("steady unknown", "bold yellow")


def _because(steady: Json | None) -> Text:
    """Return which probes make it unsteady; at the end of the line, where a narrow terminal may cut it."""
    if steady is None or not steady["because"]:
        return Text()
    return Text(f"{steady['status']}: {', '.join(map(printable, steady['because']))}", "yellow")


def _tasks(target: Json) -> Text:
    """Return how many tasks run, counted from the tasks: the service's own count lags behind a stopped one."""
    if "service" not in target:
        return Text("tasks unknown", "yellow")
    desired = target["service"]["desired"]
    running = sum(task["status"] == "RUNNING" and task["health"] != "UNHEALTHY" for task in target["tasks"])
    return Text(f"tasks {running}/{desired}", "green" if running >= desired else "red")


def _queue(queue: Json | None) -> Text:
    if queue is None:
        return Text("queue unknown", "yellow")
    dead = queue["dead_letter"] or 0
    word = f"queue {queue['visible'] + queue['in_flight'] + queue['delayed']}"
    return Text(f"{word}, {dead} dead", "red") if dead else Text(word)


def _deployed(deployment: Json | None) -> Text:
    if deployment is None:
        return Text("deployed unknown", "yellow")
    return styled(*sections.standing(deployment), before="deployed ")


def _faults(target: str, active: Sequence[Json] | None) -> Text:
    if active is None:
        return Text("active faults unknown", "yellow")
    count = sum(i["injection"]["target"] == target for i in active)
    return Text(f"active faults {count}", "bold magenta" if count else "")
