"""What is told of an undo that fails again and again: the first time, and when something has changed."""

from dataclasses import replace

import pytest

from daemon.core.events import Injected, Injection, Judged, Judgement, Proposed, Settled, Verdict
from daemon.core.model import Instant
from daemon.core.notices import Mark, News, Notice, NoticeReader
from tests.integration.test_journal import PLAN

FAILED = Judgement(verdict=Verdict.UNDO_FAILED, reasons=("the fault could not be taken back: 28 bytes left",))


def at(second: float, judged: Judgement, *, revised: bool = True) -> Judged:
    return Judged(at=Instant(second, second), judgement=judged, revised=revised)


def told(reader: NoticeReader, *events: Judged) -> list[News]:
    found = [one for event in events for one in reader.take(PLAN.injection, event)]
    assert len({one.key for one in found}) == len(found), "receivers tell them apart by their keys"
    return [one.news for one in found if isinstance(one, Notice)]


def begun() -> NoticeReader:
    reader = NoticeReader()
    reader.take(PLAN.injection, Proposed(plan=PLAN))
    return reader


def test_the_same_failure_is_told_once_another_reason_and_the_end_anew() -> None:
    same = replace(FAILED, reasons=("the fault could not be taken back: 31 bytes left",))
    other = replace(FAILED, reasons=("the fault could not be taken back: permission denied",))
    reader = begun()
    assert told(reader, at(1, FAILED, revised=False)) == [News.UNDO_FAILED]
    assert told(reader, at(2, FAILED), at(3, same)) == []
    assert told(reader, at(4, other), at(5, FAILED)) == [News.UNDO_FAILED, News.UNDO_FAILED]
    end = Judgement(verdict=Verdict.NOT_RECOVERED, reasons=FAILED.reasons)
    assert told(reader, at(6, end)) == [News.UNDONE, News.NOT_RECOVERED]
    assert reader._plans == reader._failed == {}


@pytest.mark.parametrize("verdict", [Verdict.NO_IMPACT, Verdict.INCONCLUSIVE, Verdict.ABORTED])
def test_an_undo_that_succeeds_after_all_is_told_whatever_the_verdict(verdict: Verdict) -> None:
    reader = begun()
    assert told(reader, at(1, FAILED, revised=False)) == [News.UNDO_FAILED]
    assert told(reader, at(2, Judgement(verdict=verdict, reasons=()))) == [News.UNDONE]
    assert told(begun(), at(1, Judgement(verdict=verdict, reasons=()), revised=False)) == []


@pytest.mark.parametrize("before", [[], [at(1, FAILED, revised=False)]], ids=["not judged yet", "judged"])
def test_of_a_case_that_a_person_closed_nothing_more_is_told(before: list[Judged]) -> None:
    reader = begun()
    told(reader, *before)
    reader.take(PLAN.injection, Injected(started=Instant(0, 0), finished=Instant(0, 0)))
    marks = reader.take(PLAN.injection, Settled(at=Instant(2, 2), by="ann", because="restored by hand"))
    assert [(type(one), getattr(one, "end_s", None)) for one in marks] == [(Mark, 2)], "Grafana's region ends"
    closed = Judgement(verdict=Verdict.UNDO_FAILED, reasons=("settled by ann: restored by hand",))
    assert told(reader, at(2, closed, revised=bool(before))) == []
    assert reader._plans == reader._failed == reader._begun == {}


def test_who_is_told_of_a_failed_undo_is_told_of_its_success() -> None:
    assert [news for news in News if news.wanted(("undo-failed",))] == [News.UNDO_FAILED, News.UNDONE]
    assert [news for news in News if news.wanted(("recovered",))] == [News.RECOVERED]
    assert all(news.wanted(()) for news in News)


def test_what_an_earlier_life_has_told_is_not_told_again() -> None:
    reader = NoticeReader()
    reader.resume([Injection(plan=PLAN, judgement=FAILED)])
    assert told(reader, at(2, FAILED)) == []
