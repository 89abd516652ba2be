"""When experiments are due: the triggers are pure in time, so nobody waits for them."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from queue import Queue
from random import Random

import pytest
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent

from daemon.core.plan import Occurrences, occurrence_seed
from daemon.core.settings import AboutEvery, Cron, Every, ExperimentSetting, Trigger
from daemon.engine.scheduler import ExponentialTrigger, Scheduler, cron_trigger, exponential_gap_s, trigger_of

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday


def experiment(trigger: Trigger, *, name: str = "e", jitter_s: float = 0.0) -> ExperimentSetting:
    return ExperimentSetting(
        name=name, fault="f", target="t", trigger=trigger, timeout_s=1, jitter_s=jitter_s, misfire_grace_s=2
    )


def fires(trigger: object, count: int, start: datetime = NOON) -> list[datetime]:
    found: list[datetime] = []
    previous, now = None, start
    for _ in range(count):
        previous = trigger.get_next_fire_time(previous, now)  # type: ignore[attr-defined]
        found.append(previous)
        now = previous + timedelta(microseconds=1)
    return found


def test_cron_fires_in_the_wall_clock_of_its_zone() -> None:
    (first,) = fires(trigger_of(experiment(Cron(expression="30 9 * * *", timezone="Europe/Berlin")), seed=1), 1)
    assert first.astimezone(UTC) == datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(("word", "day"), [("0", 29), ("7", 29), ("1", 23), ("sun", 29), ("1-5", 23), ("6,0", 28)])
def test_numbered_weekdays_mean_what_cron_means(word: str, day: int) -> None:
    (first,) = fires(cron_trigger(f"0 13 * * {word}"), 1)
    assert first.day == day


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "* * * * funday", "nonsense"])
def test_a_bad_cron_expression_is_a_value_error(expression: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        cron_trigger(expression)


@pytest.mark.parametrize("where", ["Europe/Berlinn", "Europe", "/etc/localtime", "../x", ""])
def test_a_bad_time_zone_is_a_value_error(where: str) -> None:
    with pytest.raises(ValueError, match=f"^{where!r} is no time zone"):
        cron_trigger("0 3 * * *", where)


def test_every_fires_at_a_fixed_interval() -> None:
    found = fires(trigger_of(experiment(Every(seconds=90)), seed=1), 3)
    assert [b - a for a, b in itertools.pairwise(found)] == [timedelta(seconds=90)] * 2


def test_about_every_is_exponential_and_repeats_with_its_seed() -> None:
    one = fires(trigger_of(experiment(AboutEvery(seconds=60)), seed=5), 200)
    same = fires(trigger_of(experiment(AboutEvery(seconds=60)), seed=5), 200)
    other = fires(trigger_of(experiment(AboutEvery(seconds=60)), seed=6), 200)
    assert one == same
    assert one != other
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(one)]
    assert 45 < sum(gaps) / len(gaps) < 75
    assert 0.55 < sum(g < 60 for g in gaps) / len(gaps) < 0.72, "1 - 1/e of exponential gaps are below the mean"


def test_two_experiments_of_one_seed_do_not_fire_together() -> None:
    a = fires(trigger_of(experiment(AboutEvery(seconds=60), name="a"), seed=5), 3)
    b = fires(trigger_of(experiment(AboutEvery(seconds=60), name="b"), seed=5), 3)
    assert a != b


def test_a_gap_is_never_nothing() -> None:
    class Zero(Random):
        def random(self) -> float:
            return 0.0

    assert exponential_gap_s(Zero(), 100) >= 0.1
    assert isinstance(ExponentialTrigger(1, "s").get_next_fire_time(None, NOON), datetime)


def test_jitter_moves_a_start_by_no_more_than_it_says() -> None:
    trigger = trigger_of(experiment(Every(seconds=100), jitter_s=10), seed=1)
    gaps = {(trigger.get_next_fire_time(NOON, NOON) - NOON).total_seconds() for _ in range(50)}
    assert min(gaps) >= 90
    assert max(gaps) <= 110
    assert len(gaps) > 1


def test_due_experiments_are_fired_and_skips_are_reported_with_their_reason() -> None:
    fired, skipped, late = threading.Event(), [], []
    scheduler = Scheduler(
        {"e": experiment(Every(seconds=0.05))},
        seed=1,
        fire=lambda _: fired.set(),
        skipped=lambda name, reason: skipped.append((name, reason)),
        lagged=late.append,
    )
    scheduler.start()
    assert set(scheduler.next_times()) == {"e"}
    assert fired.wait(10)
    scheduler.stop()
    scheduler.stop()
    scheduler._report(JobEvent(EVENT_JOB_MISSED, "e", "default"))
    scheduler._report(JobEvent(EVENT_JOB_MAX_INSTANCES, "e", "default"))
    assert skipped[-2:] == [("e", "misfire"), ("e", "overlap")]
    assert late


@contextmanager
def busy() -> Iterator[tuple[Scheduler, list[ExperimentSetting], Queue[str]]]:
    """Run one that is due every 50 ms and does not end; yield its starts, and why others were left out."""
    over, started, skipped = threading.Event(), list[ExperimentSetting](), Queue[str]()
    going = threading.Event()

    def fire(due: ExperimentSetting) -> None:
        started.append(due)
        going.set()
        over.wait(30)

    scheduler = Scheduler(
        {"e": experiment(Every(seconds=0.05))},
        seed=1,
        fire=fire,
        skipped=lambda _, reason: skipped.put(reason),
        lagged=lambda _: None,
    )
    scheduler.start()
    assert going.wait(10)
    try:
        yield scheduler, started, skipped
    finally:
        scheduler.stop()
        over.set()


def test_an_experiment_that_still_runs_is_not_started_again() -> None:
    with busy() as (_, started, skipped):
        assert skipped.get(timeout=10) == "overlap"
        assert len(started) == 1


def test_an_experiment_s_seeds_differ_and_repeat() -> None:
    first, again = Occurrences(9), Occurrences(9, {"e": 1})
    seeds = [first.next_seed("e") for _ in range(3)]
    assert len(set(seeds)) == 3
    assert again.next_seed("e") == seeds[1] == occurrence_seed(9, "e", 1)


def test_other_experiments_are_taken_and_what_stays_keeps_its_next_start() -> None:
    stays, goes = experiment(Every(seconds=600), name="stays"), experiment(Every(seconds=600), name="goes")
    scheduler = Scheduler(
        {"stays": stays, "goes": goes}, seed=1, fire=lambda _: None, skipped=lambda *_: None, lagged=lambda _: None
    )
    scheduler.start()
    before = scheduler.next_times()
    changed = experiment(Every(seconds=1200), name="goes")
    scheduler.adopt({"stays": stays, "goes": changed, "new": experiment(Every(seconds=5), name="new")}, seed=1)
    after = scheduler.next_times()
    assert after["stays"] == before["stays"]
    assert after["goes"] > before["goes"] + 300
    assert set(after) == {"stays", "goes", "new"}
    with pytest.raises(ValueError, match=r".+"):
        scheduler.adopt({"bad": experiment(Cron(expression="nonsense"), name="bad")}, seed=1)
    assert scheduler.next_times() == after
    scheduler.adopt({}, seed=1)
    assert scheduler.next_times() == {}
    scheduler.stop()


def test_one_that_runs_is_not_started_beside_itself_although_it_was_changed() -> None:
    with busy() as (scheduler, started, skipped):
        scheduler.adopt({"e": experiment(Every(seconds=0.06))}, seed=1)
        while not skipped.empty():  # those of the old one
            skipped.get()
        assert skipped.get(timeout=10) == "overlap"
        assert len(started) == 1


def test_a_scheduler_that_stands_still_has_no_pulse() -> None:
    now, beaten = [0.0], threading.Event()

    def now_s() -> float:
        beaten.set()
        return now[0]

    scheduler = Scheduler({}, seed=1, fire=lambda _: None, skipped=lambda *_: None, lagged=lambda _: None)
    assert scheduler.ailing() == ()
    scheduler.pulse(0.2, now_s)
    scheduler.start()
    beaten.clear()
    assert beaten.wait(10), "its own thread beats"
    assert scheduler.next_times() == {}
    scheduler._scheduler.pause()
    now[0] += 10
    assert scheduler.ailing() == ("the scheduler does not move",)
    beaten.clear()
    scheduler._scheduler.resume()
    for _ in range(1000):
        if not scheduler.ailing():
            break
        beaten.clear()
        assert beaten.wait(10)
    assert scheduler.ailing() == ()
    scheduler.stop()
