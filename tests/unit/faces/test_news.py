"""What watchers are told: in order, from where they were, and honestly when something was lost."""

import threading
from typing import Any

import pytest

from daemon.core.events import (
    Aborted,
    Event,
    Judged,
    Judgement,
    Observed,
    Proposed,
    Refused,
    Reverted,
    RevertFailed,
    Settled,
    Verdict,
)
from daemon.core.model import Instant, Observation, Outcome, Phase, Reading, Reversion, Status
from daemon.faces.serving.news import News
from daemon.faces.serving.streaming import STREAM_S, Streams
from tests.fakes import FakeClock
from tests.unit.faces.test_metrics import PLAN

AT = Instant(1000.0, 1_750_000_000.0)
LEFT = Reversion(outcome=Outcome.SUPERSEDED, doubt="late")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def news(clock: FakeClock) -> News:
    return News(clock, most=4)


def look(status: Status) -> Observation:
    return Observation(probe="p", target="t", asked=AT, answered=AT, reading=Reading(status=status))


def test_a_watcher_gets_what_came_after_its_place_in_order(news: News) -> None:
    for number in range(3):
        news.say("x", number=number)
    found, lost = news.since(1, 0)
    assert ([n.facts["number"] for n in found], lost) == ([1, 2], False)
    assert news.since(3, 0) == ([], False)


def test_who_falls_out_of_the_ring_is_told(news: News) -> None:
    for number in range(6):
        news.say("x", number=number)
    found, lost = news.since(1, 0)
    assert ([n.number for n in found], lost) == ([3, 4, 5, 6], True)
    assert news.since(2, 0)[1] is False


def test_a_watcher_is_woken_by_news_and_by_the_end(news: News) -> None:
    threads = [threading.Thread(target=news.since, args=(0, 60)), threading.Thread(target=news.since, args=(1, 60))]
    for thread in threads:
        thread.start()
    news.say("x")
    threads[0].join(30)
    news.close()
    threads[1].join(30)
    assert not any(thread.is_alive() for thread in threads)


def test_a_place_is_known_only_in_the_life_that_named_it(news: News, clock: FakeClock) -> None:
    news.say("x")
    assert news.place(news.name(1)) == 1
    clock.advance(1)
    assert [news.place(n) for n in ("", "1", news.name(2), News(clock).name(1), news.name(1) + "9" * 40)] == [
        None
    ] * 5


@pytest.mark.parametrize(
    ("event", "word", "more"),
    [
        (Proposed(plan=PLAN), "proposed", {}),
        (Refused(at=AT, rule="r", reason="closed"), "refused", {"reason": "closed"}),
        (Aborted(at=AT, reason="halt"), "aborted", {"reason": "halt"}),
        (Reverted(started=AT, finished=AT, reversion=LEFT), "reverted", {"outcome": "superseded", "doubt": "late"}),
        (Settled(at=AT, by="ops", because="looked"), "settled", {"by": "ops"}),
        (RevertFailed(started=AT, finished=AT, attempt=1, error="no"), "revert-failed", {"reason": "no"}),
        (
            Judged(at=AT, judgement=Judgement(verdict=Verdict.NO_IMPACT, reasons=())),
            "judged",
            {"verdict": "no-impact"},
        ),
    ],
)
def test_an_event_goes_out_in_the_journal_s_words(
    news: News, event: Event, word: str, more: dict[str, Any]
) -> None:
    news("id", Proposed(plan=PLAN))
    news("id", event)
    facts = news.since(1, 0)[0][0].facts
    assert facts == {"injection": "id", "event": word, "fault": PLAN.fault, "target": PLAN.target, **more}


def test_of_looks_only_another_status_is_news(news: News) -> None:
    news.looked(look(Status.OK))
    news("id", Observed(phase=Phase.DURING, observation=look(Status.OK)))
    news("id", Observed(phase=Phase.DURING, observation=look(Status.FAILING)))
    assert [n.facts["status"] for n in news.since(0, 0)[0]] == ["ok", "failing"]


def test_a_stream_ends_after_its_time_though_nothing_happens(news: News, clock: FakeClock) -> None:
    streams = Streams(news)
    told = streams._tell(None, lambda: False)
    assert next(told) == b"retry: 1000\n\n"
    news.say("x")
    assert b"event: x" in next(told)
    clock.advance(STREAM_S)
    news.say("late")  # what had come by then is still told
    assert [part for part in told if b"late" not in part] == []


def test_a_stream_of_a_client_that_went_away_ends(news: News) -> None:
    assert list(Streams(news)._tell(None, lambda: True)) == [b"retry: 1000\n\n"]


def test_who_comes_from_another_life_is_told_to_look_anew(news: News) -> None:
    news.say("x")
    first, second = list(Streams(news)._tell("1-1", lambda: True))
    assert b"event: reset" in second
    assert f"id: {news.name(1)}".encode() in second
    assert first.startswith(b"retry")
