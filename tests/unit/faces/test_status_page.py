"""What the status page says of an injection under way."""

from functools import reduce
from pathlib import Path

from daemon.core.events import Aborted, Injected, Injection, Planned, Proposed, apply
from daemon.faces.web.view import _active
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
