"""The one line `systemctl status` shows."""

from pathlib import Path

from daemon.core.errors import JournalError
from daemon.faces.status import StatusLine
from tests.engine_kit import Kit, request


def test_the_line_says_what_is_active_and_what_could_not_be_undone(tmp_path: Path) -> None:
    kit, shown = Kit(tmp_path), list[str]()
    line = StatusLine(shown.append, halted=lambda: kit.store.noted("halt") and "by hand")  # type: ignore[arg-type,return-value]
    kit.recorder._listeners = (*kit.recorder._listeners, line)
    kit.control.run(request())
    assert shown == ["active: test-darken on editor (inj-0)", "nothing injected"]
    kit.control.run(request(broken="revert"))
    assert shown[-1] == "active: test-darken on editor (inj-1), UNDO FAILED: run `chaosd recover`"
    kit.control.halt("lunch")
    line.refresh()
    assert shown[-1].endswith("; halted: by hand")
    count = len(shown)
    line.refresh()
    assert len(shown) == count, "no news"


def test_a_new_life_shows_what_the_old_one_left_and_a_refused_reload(tmp_path: Path) -> None:
    kit, shown = Kit(tmp_path), list[str]()
    kit.control.run(request(broken="revert"))
    line = StatusLine(shown.append, halted=lambda: None)
    line.resume(kit.journal.outstanding())
    assert shown == ["active: test-darken on editor (inj-0), not undone yet"]
    assert line.reloaded("not reloaded: x").endswith("; not reloaded: x")
    assert line.reloaded("") == shown[0]


def test_a_journal_that_cannot_be_read_hides_nothing() -> None:
    def broken() -> str:
        raise JournalError("the journal cannot be read")

    line = StatusLine(lambda _: None, halted=broken)
    line.refresh()
    assert line.text == "nothing injected; halted: the journal cannot be read"


def test_an_undo_waits_for_no_journal_to_say_that_it_is_through(tmp_path: Path) -> None:
    kit, shown, asked = Kit(tmp_path), list[str](), list[str]()

    def halted() -> str:
        asked.append("")
        return "lunch"

    line = StatusLine(shown.append, halted=halted)
    kit.recorder._listeners = (*kit.recorder._listeners, line)
    kit.control.run(request())
    assert shown == ["active: test-darken on editor (inj-0)", "nothing injected"]
    assert asked == []
    line.refresh()
    assert shown[-1] == "nothing injected; halted: lunch"
