"""What the status page says of an injection under way."""

import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import reduce
from pathlib import Path

import pytest

from daemon.core.events import Aborted, Injected, Injection, Planned, Proposed, RevertFailed, apply
from daemon.core.moments import Armed, Fired, Moment
from daemon.faces.cli.summary import step
from daemon.faces.shapes import injection, stamp
from daemon.faces.web.headline import headline
from daemon.faces.web.view import _active
from daemon.faces.web.words import measures
from tests.engine_kit import Kit, request


def test_what_was_aborted_is_being_undone_and_counts_down_no_more(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    kit.control.run(request(duration_s=30))
    events = [event for event in kit.events if isinstance(event, (Proposed, Planned, Injected))]
    (proposed,) = [event for event in events if isinstance(event, Proposed)]
    active = reduce(apply, events, Injection(plan=proposed.plan))
    assert active.injected is not None
    at = active.injected.started
    shown = _active(active, at.wall_s + 10)
    assert (shown["what"], shown["left"]) == ("active", 20)
    shown = _active(apply(active, Aborted(at=at, reason="halted: Lunch")), at.wall_s + 10)
    assert (shown["what"], shown["left"], shown["ends_at"]) == ("being undone: halted: Lunch", None, None)
    failed = RevertFailed(started=at, finished=at, attempt=1, error="no space")
    shown = _active(apply(active, failed), at.wall_s + 10)
    assert (shown["tone"], shown["left"], shown["ends_at"]) == ("bad", None, None), "nobody knows when it ends"


def test_a_fault_that_ends_when_there_are_no_dates_any_more_is_shown(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    kit.control.run(request(duration_s=30))
    events = [event for event in kit.events if isinstance(event, (Planned, Injected))]
    (proposed,) = [event for event in kit.events if isinstance(event, Proposed)]
    odd = reduce(apply, events, Injection(plan=replace(proposed.plan, duration_s=1e17)))
    assert odd.deadline is not None
    for deadline in (odd.deadline, replace(odd.deadline, wall_s=1e17)):
        shown = _active(replace(odd, deadline=deadline), 0.0)
        assert shown["ends_at"] == "9999-12-30T00:00:00.000Z"
    assert shown["undo"]["deadline_at"] == "9999-12-30T00:00:00.000Z"


@pytest.mark.parametrize(
    ("epoch_s", "words"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1e18, "9999-12-30T00:00:00.000Z"),
        (math.inf, "9999-12-30T00:00:00.000Z"),
        (-1e18, "0001-01-02T00:00:00.000Z"),
        (math.nan, "0001-01-02T00:00:00.000Z"),
    ],
)
def test_any_number_has_a_date_that_every_zone_can_show(epoch_s: float, words: str) -> None:
    assert stamp(epoch_s) == words
    for hours in (-23, 23):
        datetime.fromisoformat(stamp(epoch_s)).astimezone(timezone(timedelta(hours=hours)))


def test_what_waits_for_an_event_says_for_which_and_until_when(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    kit.control.run(request())
    (proposed,) = [event for event in kit.events if isinstance(event, Proposed)]
    waits = replace(proposed.plan, when=Moment(event="commit", matching="thread-*", within_s=60.0))
    at = replace(proposed.plan.planned_at, wall_s=1_767_225_600.0)
    waiting = apply(Injection(plan=waits), Armed(at=at))
    shown = _active(waiting, 0.0)
    assert (shown["what"], shown["left"]) == ("waiting for commit:thread-*, until 00:01:00", None)
    assert step(injection(waiting)) == "waiting for commit:thread-*"
    assert "; waiting for its event: " in headline(None, [waiting], [], [], [])[0]
    assert step(injection(Injection(plan=waits))) == "proposed"
    struck = apply(waiting, Fired(at=at, what="a commit"))
    assert step(injection(struck)) == "it happened"
    assert "; under way: " in headline(None, [struck], [], [], [])[0]


def test_figures_are_written_as_people_read_them() -> None:
    found = {"in_flight": 2.0, "visible": 1_234_567.0, "oldest_age_seconds": 133.801, "age_seconds": 0.51357}
    assert measures(found) == "in flight 2, visible 1234567, oldest age 2 min 14 s, age 0.51 s"
    rest = {"share": 0.00125, "lag": 1.5, "load": 2.25, "none": 0.0, "lost": math.nan, "late_seconds": math.inf}
    assert measures(rest) == "share 0.00125, lag 1.5, load 2.25, none 0, lost nan, late inf"
