"""The workload of an experiment: its baseline first, then the workload itself in a thread beside the fault."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from random import Random
from types import TracebackType
from typing import Self

from daemon.core.checking import checked, unfit
from daemon.core.course import Course, Opened, Purpose, ScenarioRun
from daemon.core.errors import ChaosdError, UsageError
from daemon.core.events import Checked, Plan
from daemon.core.model import Instant
from daemon.core.plan import derived
from daemon.core.settings import WorkloadSetting
from daemon.core.target import Target
from daemon.core.workloads import chosen
from daemon.engine.ending import Ending
from daemon.engine.player import Part, Player
from daemon.engine.stop import StopSwitch
from daemon.engine.workload import Bill

POLL_S = 0.25
Spawn = Callable[[Callable[[], None], str], object]


def thread(work: Callable[[], None], name: str) -> None:
    """Run ``work`` in a thread of its own; the end of the process does not wait for it."""
    threading.Thread(target=work, name=name, daemon=True).start()


class Company:
    """Finds or takes baselines, and makes accompaniments. ``baseline_every_s``: how old a baseline may be."""

    def __init__(self, player: Player, *, baseline_every_s: float, spawn: Spawn = thread) -> None:
        self._player = player
        self._every_s = baseline_every_s
        self._spawn = spawn

    @staticmethod
    def check(setting: WorkloadSetting, target: Target) -> None:
        """Raise UsageError or ConfigError for a workload that cannot be played on the target."""
        chosen(setting.scenario, setting.parameters)
        if target.queue is None or target.repository is None:
            raise UsageError(
                f"not injecting: the workload {setting.scenario} needs a queue and a repository, which the target"
                f" {target.name} has not",
                hint="set targets.NAME.queue and targets.NAME.repository, or leave the workload out",
            )

    def accompany(self, proposed: Plan, target: Target) -> "Accompaniment":
        """Return the accompaniment of one injection; nothing is played yet."""
        return Accompaniment(self, proposed, target)

    def baseline(self, proposed: Plan, part: Part, stop: StopSwitch) -> ScenarioRun:
        """Return a baseline young enough that can be compared with, or take one now. Raises ChaosdError."""
        parameters, clock = asdict(part.given), self._player.world.clock
        runs = self._player.recorder.journal.scenarios

        def fits(opened: Opened) -> bool:
            known = (opened.purpose, opened.target, opened.scenario, opened.parameters)
            return known == (Purpose.BASELINE, part.target.name, part.scenario.name, parameters)

        if self._every_s > 0:
            for found in runs.latest(fits, since_s=clock.instant().wall_s - self._every_s):
                if found.course is not None and not unfit(found.course):
                    return found
        others = [i for i in self._player.recorder.journal.running() if i.plan.injection != proposed.injection]
        if any(i.plan.target == part.target.name for i in others):
            raise ChaosdError(
                f"another experiment runs on {part.target.name}: a run meanwhile is none without a fault"
            )
        seed = derived(proposed.seed, "baseline")
        taken = Part(
            purpose=Purpose.BASELINE,
            scenario=part.scenario,
            given=part.given,
            target=part.target,
            seed=seed,
            injection=part.injection,
        )
        course = self._player.play(taken, stop)
        made = runs.run(course.ledger.run)
        if made is None:
            raise ChaosdError(f"nothing was injected: the baseline {course.ledger.run} vanished from the journal")
        return made

    def begin(self, part: Part, hears: "Accompaniment", stop: "Either") -> None:
        """Play a part in a thread of its own, which tells ``hears`` how it goes."""

        def work() -> None:
            try:
                told, planned, ending = hears.told, hears.planned, hears.ending
                hears.ended(self._player.play(part, stop, told=told, planned=planned, ending=ending), None)
            except BaseException as error:  # noqa: BLE001  raised again, or journalled, by the injector's thread
                hears.ended(None, error)

        self._spawn(work, f"workload-{part.scenario.name}")

    def now(self) -> Instant:
        return self._player.world.clock.instant()

    def wait(self, flag: threading.Event) -> None:
        """Wait a moment for a flag, on the clock."""
        self._player.world.clock.wait(flag, POLL_S)


@dataclass(frozen=True, slots=True)
class Either:
    """A flag that is set when one of two is: the experiment's own, or the workload's."""

    own: threading.Event
    experiment: StopSwitch

    def is_set(self) -> bool:
        return self.own.is_set() or self.experiment.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        # The workload waits for one look at most, so the other switch is noticed soon enough.
        return self.own.wait(timeout) or self.is_set()


class Accompaniment:
    """The workload beside one injection. A context manager: leaving it stops what still plays and sees it swept."""

    def __init__(self, company: Company, proposed: Plan, target: Target) -> None:
        setting = proposed.workload
        assert setting is not None  # noqa: S101  made only for plans with a workload
        scenario, given = chosen(setting.scenario, setting.parameters)
        self._company, self._plan, self._setting = company, proposed, setting
        self._part = Part(
            purpose=Purpose.EXPERIMENT,
            scenario=scenario,
            given=given,
            target=target,
            seed=derived(proposed.seed, "workload"),
            injection=proposed.injection,
        )
        self._baseline: ScenarioRun | None = None
        self._run = ""
        self._first: Instant | None = None
        self._strike_s = 0.0
        self._stop = threading.Event()
        self._moved, self._over = threading.Event(), threading.Event()
        self.ending = Ending()
        self._playing = False
        self._course: Course | None = None
        self._error: BaseException | None = None

    # --- asked by the injector ---------------------------------------------------------------------------

    def prepare(self, stop: StopSwitch) -> str:
        """See to the baseline; return why nothing can be injected, or nothing when all is well."""
        name = self._setting.scenario
        try:
            self._baseline = self._company.baseline(self._plan, self._part, stop)
        except ChaosdError as error:
            return f"the baseline of {name} could not be taken: {error.message}"
        course = self._baseline.course
        why = unfit(course) if course else "it was not played"
        if stop.is_set():
            return stop.reason
        return f"the baseline of {name} cannot be compared with: {why}" if why else ""

    def begin(self, stop: StopSwitch) -> str:
        """Start the workload and wait for its first message; return why there is none, or nothing."""
        self._playing = True
        self._company.begin(self._part, self, Either(self._stop, stop))
        while not self._moved.is_set():
            if stop.is_set():
                return stop.reason
            self._company.wait(self._moved)
        return self.early

    @property
    def left_s(self) -> float:
        """Return the seconds until the strike moment, 0 when it has come."""
        first = self._first or self._company.now()
        return max(0.0, first.mono_s + self._strike_s - self._company.now().mono_s)

    @property
    def early(self) -> str:
        """Return why the workload is over already, or nothing while it plays."""
        if not (self._over.is_set() or self.ending.begun):
            return ""
        if isinstance(self._error, ChaosdError):
            return f"the workload broke: {self._error.message}"
        return (
            f"the workload {self._setting.scenario} was over before the fault was due, {self._strike_s:.1f} s after"
        )

    def hold(self) -> str:
        """Keep the workload from being judged until ``finish``; return why it cannot be kept, or nothing."""
        self.ending.postpone()
        return self.early

    def finish(self) -> Checked | None:
        """Let it settle from now on, and return how its messages fared; None when it was stopped."""
        self.ending.allow()
        while not self._over.is_set():
            self._company.wait(self._over)
        self._playing = False
        assert self._baseline is not None  # noqa: S101  prepared before it began
        assert self._baseline.course is not None  # noqa: S101  a baseline without a course is none
        known, at = self._baseline.opened.run, self._company.now()
        if isinstance(self._error, ChaosdError):
            return Checked(at=at, run=self._run, baseline=known, broke=self._error.message)
        if self._error is not None:
            raise self._error
        if self._course is None or self._course.stopped:
            return None
        return checked(self._course, self._baseline.course, at=at, baseline_run=known)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        while self._playing and not self._over.is_set():
            self._company.wait(self._over)

    # --- told by the workload's thread -------------------------------------------------------------------

    def planned(self, bill: Bill) -> None:
        """Hear what will be sent, and settle when to strike."""
        self._run = bill.run
        # A draw of its own, so that the fault's choices stay those of the same seed without a workload.
        dice = Random(derived(self._plan.seed, "strike"))  # noqa: S311  repeatable by design, not a secret
        given = self._setting.strike_s
        self._strike_s = dice.uniform(0.0, bill.sending_s) if given is None else given

    def told(self, _: str) -> None:
        """Hear that a message was sent."""
        if self._first is None:
            self._first = self._company.now()
            self._moved.set()

    def ended(self, course: Course | None, error: BaseException | None) -> None:
        """Hear how it ended."""
        self._course, self._error = course, error
        self._over.set()
        self._moved.set()
