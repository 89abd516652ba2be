"""The schedule: when experiments are due. The only module that knows APScheduler.

Rules, stated once:
* An occurrence missed by more than the experiment's grace (a paused or stopped daemon) is skipped, never run late.
* Of several missed occurrences within the grace, one runs.
* An occurrence that comes due while the same experiment still runs is skipped (overlap).
* Every skip is reported with its reason: ``misfire`` or ``overlap``.
* ``about_every`` draws exponential gaps from the seed: the same seed, the same schedule.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, EVENT_JOB_SUBMITTED, JobEvent
from apscheduler.executors.debug import DebugExecutor
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from daemon.core.calendar import zone
from daemon.core.settings import AboutEvery, Cron, Every, ExperimentSetting

THREADS = 16
PULSE = "pulse"  # job store, executor and job that show that the scheduler moves
BEATS = 4
CRON_FIELDS = 5
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def exponential_gap_s(dice: Random, mean_s: float) -> float:
    """Return one gap in seconds; never under a thousandth of the mean, so that the schedule moves on."""
    return max(dice.expovariate(1.0 / mean_s), mean_s / 1000)


class ExponentialTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no types
    """Fires at exponential gaps drawn from a seed: what a memoryless failure looks like."""

    def __init__(self, mean_s: float, seed: str) -> None:
        self._mean_s = mean_s
        self._dice = Random(seed)  # noqa: S311  repeatable by design

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the next time after the previous one (APScheduler's contract)."""
        return (previous_fire_time or now) + timedelta(seconds=exponential_gap_s(self._dice, self._mean_s))


def cron_trigger(expression: str, timezone: str = "UTC") -> CronTrigger:
    """Return the trigger of a five-field cron expression; raises ValueError when it, or the zone, is not one.

    Numbered weekdays mean what cron means: 0 and 7 are Sunday. APScheduler 3 counts from Monday, so they are
    turned into names first.
    """
    fields = expression.split()
    if len(fields) == CRON_FIELDS:
        fields[-1] = re.sub(r"(?<![/\d])[0-7](?!\d)", lambda found: DAYS[int(found[0]) % 7], fields[-1])
    # Not by its name: for a name that is none APScheduler raises a KeyError, or an OSError for a directory.
    return CronTrigger.from_crontab(" ".join(fields), timezone=zone(timezone))


def trigger_of(experiment: ExperimentSetting, *, seed: int) -> BaseTrigger:
    """Return APScheduler's trigger for an experiment; raises ValueError for a bad cron expression.

    ``jitter`` moves cron and interval starts; exponential gaps are random already.
    """
    jitter = experiment.jitter_s or None
    match experiment.trigger:
        case Cron(expression=expression, timezone=where):
            trigger = cron_trigger(expression, where)
            trigger.jitter = jitter
            return trigger
        case Every(seconds=seconds):
            interval = IntervalTrigger(seconds=seconds, jitter=jitter, timezone=UTC)
            if experiment.first_after_s is not None:  # APScheduler begins one interval from now
                interval.start_date += timedelta(seconds=experiment.first_after_s - seconds)
            return interval
        case AboutEvery(seconds=seconds):
            return ExponentialTrigger(seconds, f"{seed}/{experiment.name}")


class Scheduler:
    """Calls ``fire(experiment)`` when one is due, on a thread of its own, and ``skipped(experiment, reason)``.

    ``lagged`` is told, at each start, when it had been planned (epoch seconds).
    """

    def __init__(
        self,
        experiments: Mapping[str, ExperimentSetting],
        *,
        seed: int,
        fire: Callable[[ExperimentSetting], None],
        skipped: Callable[[str, str], None],
        lagged: Callable[[float], None],
    ) -> None:
        self._moves: Callable[[], bool] = lambda: True
        self._experiments: Mapping[str, ExperimentSetting] = {}
        self._seed = seed
        self._fire = fire
        self._skipped = skipped
        self._lagged = lagged
        self._scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(THREADS)}, timezone=UTC)
        self._scheduler.add_listener(self._report, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_SUBMITTED)
        self.adopt(experiments, seed=seed)

    def adopt(self, experiments: Mapping[str, ExperimentSetting], *, seed: int) -> None:
        """Take other experiments; one that stays as it was keeps its next start and its dice.

        One that runs goes on, and the same name is not started beside it (overlap). Raises ValueError for a bad
        cron expression, before anything has changed.
        """
        same = {n for n, e in experiments.items() if self._experiments.get(n) == e and seed == self._seed}
        new = {n: trigger_of(e, seed=seed) for n, e in experiments.items() if n not in same}
        for name in self._experiments.keys() - same:
            self._scheduler.remove_job(name)
        for name, trigger in new.items():
            self._add(experiments[name], trigger)
        self._experiments, self._seed = dict(experiments), seed

    def _add(self, experiment: ExperimentSetting, trigger: BaseTrigger) -> None:
        self._scheduler.add_job(
            self._fire,
            trigger,
            args=(experiment,),
            id=experiment.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=max(1, round(experiment.misfire_grace_s)),
        )

    def start(self) -> None:
        self._scheduler.start()

    def pulse(self, within_s: float, now_s: Callable[[], float]) -> None:
        """Let ``ailing`` tell when the scheduler's own thread has not moved for ``within_s``; before ``start``.

        ``now_s`` returns monotonic seconds. The beat runs in that thread, not in the experiments' pool.
        """
        self._scheduler.add_jobstore(MemoryJobStore(), PULSE)
        self._scheduler.add_executor(DebugExecutor(), PULSE)
        last_s = [now_s()]

        def beat() -> None:
            last_s[0] = now_s()

        self._scheduler.add_job(
            beat,
            IntervalTrigger(seconds=within_s / BEATS, timezone=UTC),
            jobstore=PULSE,
            executor=PULSE,
            misfire_grace_time=None,
            coalesce=True,
        )
        self._moves = lambda: now_s() - last_s[0] < within_s

    def ailing(self) -> tuple[str, ...]:
        """Tell when the scheduler stands still; nothing where no pulse is felt."""
        return () if self._moves() else ("the scheduler does not move",)

    def stop(self) -> None:
        """Fire nothing more; returns at once, running experiments are the control desk's to end."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def next_times(self) -> Mapping[str, float]:
        """Return the next start of each experiment, epoch seconds."""
        jobs = self._scheduler.get_jobs("default")
        return {j.id: j.next_run_time.timestamp() for j in jobs if getattr(j, "next_run_time", None)}

    def _report(self, event: JobEvent) -> None:
        if event.jobstore == PULSE:
            return
        if event.code == EVENT_JOB_SUBMITTED:
            self._lagged(event.scheduled_run_times[0].timestamp())
            return
        reason = "misfire" if event.code == EVENT_JOB_MISSED else "overlap"
        self._skipped(event.job_id, reason)
