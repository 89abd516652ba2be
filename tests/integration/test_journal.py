"""The journal on a real disk."""

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events
from daemon.core.errors import BusyError, JournalError
from daemon.core.model import (
    Bracket,
    Finding,
    Instant,
    Observation,
    Outcome,
    Phase,
    Reading,
    Reversion,
    Status,
    Undo,
)
from daemon.core.moments import Armed, Fired
from daemon.ports import journal as port
from daemon.ports import sqlite
from daemon.ports.journal import Journal
from daemon.ports.state import StateDirectory, find

AT = Instant(1.0, 1_750_000_000.0)
PLAN = events.Plan(
    injection="i1",
    experiment="e",
    fault="f",
    mode="m",
    target="t",
    seed=1,
    parameters={"mode": "m"},
    duration_s=1,
    recover_s=2,
    stable_s=1,
    steady=("p",),
    planned_at=AT,
    origin="cli",
    by="me",
)
UNDO = Undo(fault="f", mode="m", victim={"x": "ü"}, actions=("a",), data={"n": [1, {"b": None}]})
SEEN = Observation(
    probe="p",
    target="t",
    asked=AT,
    answered=AT,
    reading=Reading(status=Status.FAILING, measures={"a": 1.5}, findings=(Finding("x", "y"),)),
)
ALL: tuple[events.Event, ...] = (
    events.Proposed(plan=PLAN),
    events.Observed(phase=Phase.BEFORE, observation=SEEN),
    events.Refused(at=AT, rule="r", reason="why"),
    events.Planned(at=AT, undo=UNDO, boot="b"),
    events.Injected(started=AT, finished=AT, error="oops"),
    events.Aborted(at=AT, reason="stop"),
    events.RevertFailed(started=AT, finished=AT, attempt=1, error="no"),
    events.Reverted(started=AT, finished=AT, reversion=Reversion(outcome=Outcome.SUPERSEDED, proof={"p": 1})),
    events.Judged(
        at=AT,
        judgement=events.Judgement(
            verdict=events.Verdict.RECOVERED,
            reasons=("r",),
            impact_seen=True,
            impact=Bracket(0, 1),
            recovery=Bracket(1, 2),
            healed_by=events.HealedBy.WORKER,
        ),
    ),
    events.Settled(at=AT, by="me", because="looked"),
    events.Compacted(at=AT, looks=3),
    events.Checked(
        at=AT,
        run="r1",
        baseline="b1",
        violations=({"invariant": "exactly-once", "evidence": {"line": 3}},),
        masked=("right-branch",),
        unknown=({"invariant": "all-pushed", "reason": "dark"},),
    ),
    Armed(at=AT),
    Fired(at=AT, what="commit abc on thread-a"),
)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "j.sqlite", clock_s=lambda: 1_750_000_000.0)


def stored(journal: Journal) -> list[events.Event]:
    return journal._decoded("1")


def test_every_kind_of_event_comes_back_as_it_went_in(journal: Journal) -> None:
    assert {type(e) for e in ALL} == set(sqlite.KINDS.values())
    journal.append("i1", *ALL)
    assert stored(journal) == list(ALL)


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.text() | st.integers(-(2**53), 2**53),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_any_json_in_an_undo_record_survives(data: dict[str, object]) -> None:

    undo = Undo(fault="f", mode="m", victim={}, actions=(), data=data)
    assert msgspec.json.decode(msgspec.json.encode(undo), type=Undo) == undo


def test_outstanding_is_what_was_planned_and_not_reverted(journal: Journal) -> None:
    journal.append("i1", ALL[0], ALL[3])
    assert [i.plan.injection for i in journal.outstanding()] == ["i1"]
    journal.append("i1", ALL[6])
    assert [i.state for i in journal.outstanding()] == [events.State.REVERT_FAILED]
    journal.append("i1", ALL[7])
    assert journal.outstanding() == ()
    assert [i.plan.injection for i in journal.running()] == ["i1"]
    journal.append("i1", ALL[8])
    assert journal.running() == ()


def test_it_is_synchronous_and_in_wal_mode(journal: Journal) -> None:
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_an_append_is_all_or_nothing(journal: Journal) -> None:
    class Odd:
        pass

    with pytest.raises(KeyError):
        journal.append("i1", ALL[0], Odd())  # type: ignore[arg-type]
    assert stored(journal) == []


def test_a_name_that_is_not_utf_8_is_said_and_nothing_is_written(journal: Journal) -> None:
    with pytest.raises(JournalError, match=r"settled of i1 holds a name that is not UTF-8: .*udce9"):
        journal.append("i1", ALL[0], events.Settled(at=AT, by="me", because="caf\udce9"))
    assert stored(journal) == []


def test_a_journal_of_a_newer_chaosd_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    Journal(path, clock_s=lambda: 0.0).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={len(port.MIGRATIONS) + 1}")
    with pytest.raises(JournalError, match="newer"):
        Journal(path, clock_s=lambda: 0.0)


def test_an_older_schema_is_migrated_and_keeps_its_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "j.sqlite"
    old = Journal(path, clock_s=lambda: 0.0)
    old.append("i1", ALL[0])
    old.close()
    monkeypatch.setattr(port, "MIGRATIONS", (*port.MIGRATIONS, "ALTER TABLE note ADD COLUMN extra TEXT"))
    new = Journal(path, clock_s=lambda: 0.0)
    assert new._db.execute("PRAGMA user_version").fetchone() == (len(port.MIGRATIONS),)
    assert stored(new) == [ALL[0]]


@pytest.mark.parametrize("content", [b"this is no database at all, but text of some length" * 40])
def test_a_file_that_is_no_journal_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j.sqlite"
    path.write_bytes(content)
    with pytest.raises(JournalError, match="nothing is injected without it"):
        Journal(path, clock_s=lambda: 0.0)
    assert path.read_bytes() == content


def test_a_note_stays_until_it_is_removed(tmp_path: Path) -> None:
    first = Journal(tmp_path / "j.sqlite", clock_s=lambda: 0.0)
    first.note("halt", "because")
    first.close()
    second = Journal(tmp_path / "j.sqlite", clock_s=lambda: 0.0)
    assert second.noted("halt") == "because"
    second.note("halt", None)
    assert second.noted("halt") is None


def test_started_counts_undo_records_since_a_time(journal: Journal) -> None:
    journal.append("i1", ALL[0], ALL[3])
    assert journal.started(since=datetime.fromtimestamp(1_750_000_000, UTC)) == (1_750_000_000.0,)
    assert journal.started(since=datetime.fromtimestamp(1_750_000_001, UTC)) == ()


def test_two_engines_on_one_state_directory_are_impossible(tmp_path: Path) -> None:
    holder = subprocess.Popen(  # a real second process
        [
            sys.executable,
            "-c",
            f"""
from pathlib import Path
from daemon.ports.state import StateDirectory
with StateDirectory(Path({str(tmp_path)!r})):
    print("held", flush=True)
    input()
""",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match="another chaosd"), StateDirectory(tmp_path):
        pass
    holder.communicate("\n", timeout=10)
    with StateDirectory(tmp_path) as state:
        assert state.path.stat().st_mode & 0o077 == 0 or state.path == tmp_path


def test_the_state_directory_is_private(tmp_path: Path) -> None:
    with StateDirectory(tmp_path / "state") as state:
        assert state.path.stat().st_mode & 0o777 == 0o700
        Journal(state.journal, clock_s=lambda: 0.0).close()
        assert state.journal.stat().st_mode & 0o777 == 0o600


def test_where_the_state_directory_is() -> None:
    assert find("/a", {"CHAOSD_STATE_DIR": "/b"}) == Path("/a")
    assert find(None, {"CHAOSD_STATE_DIR": "/b", "STATE_DIRECTORY": "/c"}) == Path("/b")
    assert find(None, {"STATE_DIRECTORY": "/c:/d"}) == Path("/c")
    assert find(None, {"XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/x/chaosd")
    assert find(None, {"HOME": "/h"}) == Path("/h/.local/state/chaosd")
