"""Run one scenario against a target: send on the clock, wait until it has settled, observe, judge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from daemon.core.course import Course
from daemon.core.errors import ChaosdError, ConfigError, TargetAbsentError
from daemon.core.invariants import judge
from daemon.core.kpi import kpis
from daemon.core.ledger import Effect, Ledger, Sent, Witness
from daemon.core.model import Instant
from daemon.core.scenario import Mail, Parameters, Post, Scenario, mails
from daemon.core.seams import Flag, World
from daemon.core.target import Target
from daemon.engine.ending import Ending

MARGIN_S = 3.0
Told = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one run will send. ``run`` marks its messages."""

    scenario: Scenario
    given: Parameters
    run: str
    seed: int
    mails: tuple[Mail, ...]

    @property
    def sending_s(self) -> float:
        """Return how long it sends, from the first message to the last."""
        return self.mails[-1].at_s - self.mails[0].at_s if self.mails else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Scenarios on one target. ``every_s`` is the time between two looks; ``told`` hears of each message sent."""

    world: World
    target: Target
    every_s: float
    told: Told = lambda _: None

    def run(
        self, scenario: Scenario, given: Parameters, witness: Witness, *, run: str, seed: int, stop: Flag
    ) -> Course:
        """Run one scenario to its verdict; raises ChaosdError when it cannot begin. ``run`` marks its messages."""
        return self.play(self.plan(scenario, given, run=run, seed=seed), witness, stop)

    def plan(self, scenario: Scenario, given: Parameters, *, run: str, seed: int) -> Bill:
        """Return what a run would send; looks at the queue, changes nothing. Raises ChaosdError."""
        mails = self._mails(scenario, given, seed, self._post(scenario, run))
        return Bill(scenario=scenario, given=given, run=run, seed=seed, mails=mails)

    def play(self, bill: Bill, witness: Witness, stop: Flag, ending: Ending | None = None) -> Course:
        """Send what is planned, wait until it has settled, observe and judge; raises ChaosdError.

        Not judged before ``ending`` allows it: what a fault does is not to be taken for what is left of it.
        """
        scenario, given, run = bill.scenario, bill.given, bill.run
        witness.begin()
        began = self.world.clock.instant()
        sent = self._send(bill.mails, began, witness, stop)
        settled = self._settle(sent, given, witness, stop, ending or Ending())
        stopped = "stopped before it was judged" if stop.is_set() else ""
        ledger = Ledger(run=run, sent=tuple(sent)) if stopped else witness.ledger(sent)
        course = Course(
            scenario=scenario.name,
            expects=scenario.expects,
            target=self.target.name,
            seed=bill.seed,
            began=began,
            ended=self.world.clock.instant(),
            ledger=ledger,
            settled=settled,
            stopped=stopped,
        )
        return course if stopped else self._judged(course, given)

    def _judged(self, course: Course, given: Parameters) -> Course:
        limits = self.target.limits
        results = judge(course.ledger, limits, without=() if given.limits else ("message-fast",))
        figures = kpis(course.ledger, results, limits, healthy=self._healthy())
        return replace(course, results=results, kpis=figures)

    def _post(self, scenario: Scenario, run: str) -> Post:
        target = self.target
        if target.queue is None or target.repository is None:
            raise TargetAbsentError(
                f"nothing was sent: target {target.name} needs a queue and a repository",
                hint="set targets.NAME.queue and targets.NAME.repository",
            )
        return Post(
            run=run,
            scenario=scenario.name,
            queue=target.queue,
            repository=target.repository,
            at=self.world.clock.instant(),
            fifo=self.world.sqs.facts(target.queue.url).fifo,
        )

    def _mails(self, scenario: Scenario, given: Parameters, seed: int, post: Post) -> tuple[Mail, ...]:
        try:
            planned = mails(scenario.plan(given, Random(seed)), given, post)  # noqa: S311  a plan, no secret
        except ValueError as error:
            raise ConfigError(f"nothing was sent: {error}", hint="correct queue.format") from None
        if any(m.sent.branch is None and m.sent.effect is Effect.ONCE for m in planned):
            raise ConfigError(
                f"nothing was sent: the messages lack a field of the branch template {post.repository.branch!r}",
                hint="use in repository.branch only fields that queue.format writes",
            )
        return planned

    # --- sending -----------------------------------------------------------------------------------------

    def _send(self, planned: Sequence[Mail], began: Instant, witness: Witness, stop: Flag) -> list[Sent]:
        sent: list[Sent] = []
        for mail in planned:
            while (left_s := began.mono_s + mail.at_s - self._now_s()) > 0 and not stop.is_set():
                if left_s > self.every_s / 2:
                    witness.look(sent)
                    left_s = began.mono_s + mail.at_s - self._now_s()
                self.world.clock.wait(stop, max(0.0, min(left_s, self.every_s)))
            if stop.is_set():
                break
            sent.append(self._send_one(mail))
        return sent

    def _send_one(self, mail: Mail) -> Sent:
        queue = self.target.queue
        assert queue is not None  # noqa: S101  _post has seen to it
        url = queue.interrupts if mail.urgent and queue.interrupts else queue.url
        at = self.world.clock.instant()
        try:
            (refused,) = self.world.sqs.send(url, (mail.message,))
        except ChaosdError as error:
            # Nobody knows whether it got there: it may have its effect, and need not.
            self.told(f"{mail.sent.command}: {error.message}")
            return replace(mail.sent, at=at, effect=Effect.ANY)
        self.told(f"{mail.sent.kind} {mail.sent.command} for {mail.sent.branch}" + f": {refused}" * bool(refused))
        return replace(mail.sent, at=at, refused=refused)

    # --- settling ----------------------------------------------------------------------------------------

    def _settle(
        self, sent: Sequence[Sent], given: Parameters, witness: Witness, stop: Flag, ending: Ending
    ) -> bool:
        """Look until it has settled and may be judged: what settled before has to do so once more afterwards."""
        while True:
            settled = self._calm_down(sent, given, witness, stop)
            if stop.is_set() or ending.begin():
                return settled
            while ending.postponed and not stop.is_set():
                witness.look(sent)
                self.world.clock.wait(stop, self.every_s)

    def _calm_down(self, sent: Sequence[Sent], given: Parameters, witness: Witness, stop: Flag) -> bool:
        """Look until everything has arrived, or nothing has moved for long enough; False at the longest wait.

        With messages in the queue, long enough is more than its visibility timeout: until then they may be waiting
        for nothing but the end of a dead worker's hold.
        """
        calm_from_s = began_s = self._now_s()
        settle_s = given.settle or self.target.limits.message_s
        hidden_s = self._visibility_s() + MARGIN_S
        while not stop.is_set():
            if witness.look(sent):
                calm_from_s = self._now_s()
            calm_s = self._now_s() - calm_from_s
            if witness.finished(sent) and calm_s >= given.calm:
                return True
            if calm_s >= settle_s + (hidden_s if witness.waiting() else 0.0):
                return True
            if self._now_s() - began_s >= given.most:
                return False
            self.world.clock.wait(stop, self.every_s)
        return False

    def _visibility_s(self) -> float:
        try:
            return self.world.sqs.facts(self.target.queue.url).visibility_s if self.target.queue else 0.0
        except ChaosdError:
            return self.target.limits.message_s

    def _healthy(self) -> bool | None:
        """Ask ECS whether as many tasks as wanted run and none is unhealthy; None when it does not say."""
        ecs = self.target.ecs
        if ecs is None:
            return None
        try:
            service = self.world.ecs.service(ecs.cluster, ecs.service)
        except ChaosdError:
            return None
        if service.running < service.desired or any(t.health == "UNHEALTHY" for t in service.tasks):
            return False
        return True if all(t.health == "HEALTHY" for t in service.tasks) else None

    def _now_s(self) -> float:
        return self.world.clock.instant().mono_s
