"""The runs of scenarios in the journal, beside injections and beside another process."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from daemon.core import course, events
from daemon.core.course import Course, Opened, Owner, Played, Purpose, RunEvent, SweepFailed, Swept
from daemon.core.errors import JournalError
from daemon.core.evidence import Evidence, Standing
from daemon.core.invariants import Result
from daemon.core.kpi import Kpi
from daemon.core.ledger import Part
from daemon.core.model import Outcome, Reversion
from daemon.ports import runs as port
from daemon.ports.journal import Journal
from daemon.ports.sqlite import KINDS
from tests.integration.test_journal import ALL, AT, UNDO
from tests.ledgers import good

OPENED = Opened(
    at=AT,
    run="r1",
    purpose=Purpose.BASELINE,
    scenario="basic",
    target="t",
    seed=7,
    parameters={"messages": 3},
    injection="i1",
    undo=UNDO,
    owner=Owner(pid=7, started_s=1.5, boot="b"),
)
COURSE = Course(
    scenario="basic",
    expects=("once",),
    target="t",
    seed=7,
    began=AT,
    ended=AT,
    ledger=replace(good(), blind={Part.CLONES: "dark"}, absent=frozenset({Part.QUEUE})),
    results=(
        Result(
            invariant="exactly-once", standing=Standing.VIOLATED, evidence=(Evidence(what="w", detail="d", line=3),)
        ),
    ),
    kpis=(Kpi(name="k", value=None, unit="s", goal="", met=None),),
)
EVENTS: tuple[RunEvent, ...] = (
    OPENED,
    Played(at=AT, course=COURSE.slim()),
    SweepFailed(at=AT, attempt=1, error="no"),
    Swept(at=AT, reversion=Reversion(outcome=Outcome.RESTORED, proof={"removed": {"input": 2}})),
)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "j.sqlite", clock_s=lambda: 1_750_000_000.0)


def test_every_kind_of_event_comes_back_as_it_went_in(journal: Journal) -> None:
    assert {type(e) for e in EVENTS} == set(port.KINDS.values())
    assert not set(port.KINDS) & set(KINDS)
    journal.scenarios.append("r1", *EVENTS)
    found = journal.scenarios.run("r1")
    assert found == course.fold(EVENTS)
    assert found is not None
    assert found.course == COURSE.slim()


def test_a_run_is_open_until_it_is_swept(journal: Journal) -> None:
    journal.scenarios.append("r1", *EVENTS[:3])
    assert list(journal.open_run_ids()) == ["r1"]
    (run,) = journal.scenarios.open_runs()
    assert (run.outstanding, run.failures, run.last_error) == (True, 1, "no")
    journal.scenarios.append("r1", EVENTS[3])
    assert journal.scenarios.open_runs() == ()


def test_a_run_is_no_injection_and_an_injection_is_no_run(journal: Journal) -> None:
    journal.append("i1", *ALL)
    journal.scenarios.append("r1", *EVENTS)
    assert journal.injection("r1") is None
    assert journal.scenarios.run("i1") is None
    assert [i.plan.injection for i in journal.recent()] == ["i1"]
    assert journal.outstanding() == ()
    assert [r.opened.run for r in journal.runs()] == ["r1"]


def test_the_latest_are_kept_oldest_first(tmp_path: Path) -> None:
    now = [100.0]
    journal = Journal(tmp_path / "j.sqlite", clock_s=lambda: now[0])
    for number in range(5):
        now[0] += 10
        journal.scenarios.append(f"r{number}", replace(OPENED, run=f"r{number}"))
    assert [r.opened.run for r in journal.runs(since_s=120, most=3)] == ["r2", "r3", "r4"]
    assert [r.opened.run for r in journal.runs(since_s=145)] == ["r4"]
    newest = journal.scenarios.latest(lambda o: o.run != "r4", since_s=0)
    assert [r.opened.run for r in newest] == ["r3", "r2", "r1", "r0"]


def test_another_process_may_write_runs_meanwhile(tmp_path: Path) -> None:
    one = Journal(tmp_path / "j.sqlite", clock_s=lambda: 1.0)
    other = Journal(tmp_path / "j.sqlite", clock_s=lambda: 1.0)
    one.append("i1", *ALL)
    other.scenarios.append("r1", OPENED)
    assert [r.opened.run for r in one.scenarios.open_runs()] == ["r1"]


def test_a_record_that_does_not_decode_is_one_clear_error(journal: Journal) -> None:
    journal.write("r1", [("opened", b"{}")])
    with pytest.raises(JournalError, match="is damaged"):
        journal.runs()


def test_a_plan_of_an_older_chaosd_has_no_workload(journal: Journal) -> None:
    plain = msgspec.to_builtins(ALL[0])
    del plain["plan"]["workload"]
    journal.write("i1", [("proposed", msgspec.json.encode(plain))])
    found = journal.injection("i1")
    assert found is not None
    assert found.plan.workload is None
    assert found == events.fold([ALL[0]])
