"""A machine for Hypothesis: random requests, times and target states, against the guard and the facts it is given.

The oracle below keeps books of its own and knows nothing of the guard's code: whatever strikes must fit them.
"""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from daemon.core import guard
from daemon.core.calendar import Blackout, Window
from daemon.core.cloud import Service, Task
from daemon.core.errors import UnreachableError
from daemon.core.events import Injected, Injection, Judgement, Plan, Reverted, State, Verdict
from daemon.core.guard import Permit, Refusal, Unanswered
from daemon.core.levers import ErrorBudget
from daemon.core.model import Instant, Outcome, Resource, Reversion, Undo
from daemon.core.settings import Allow, GuardSetting
from daemon.core.target import EcsService, Queue, Target
from daemon.engine.drift import drifted
from daemon.engine.facts import Asked, gather

DAY = 86400
MONDAY_S = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
TARGETS = {
    name: Target(
        name=name,
        ecs=EcsService(cluster="c", service=f"{name}-service"),
        queue=Queue(url=f"http://h/1/{queue}"),
    )
    for name, queue in (("a", "edit-input"), ("b", "edit-other"), ("c-prod", "edit-input"), ("d", "foreign"))
}
UNANSWERED = Unanswered("nobody answered")
answers = st.sampled_from([None, None, None, None, "engaged", UNANSWERED])

settings = st.builds(
    GuardSetting,
    max_active=st.integers(1, 4),
    max_active_per_target=st.integers(1, 3),
    max_per_day=st.none() | st.integers(1, 4),
    min_gap_s=st.sampled_from([0, 0, 60, 600]),
    min_healthy_tasks=st.integers(0, 2),
    max_percent=st.none() | st.sampled_from([25.0, 50.0, 100.0]),
    protect=st.sampled_from([(), ("*-prod",), ("d-service",)]),
    protect_tag=st.none() | st.just(("ok", "no")),
    max_disturbed_s_per_day=st.none() | st.sampled_from([100, 1000]),
    error_budget=st.none() | st.just(ErrorBudget(objective=0.99, prometheus="http://p")),
    require_tag=st.none() | st.just(("ok", "yes")),
    allow=st.builds(Allow, queues=st.none() | st.just(("1:edit-*",))),
    windows=st.just(()) | st.just((Window.parse("mon-fri 09:00-17:00 UTC"),)),
    blackouts=st.just(()) | st.just((Blackout.parse("2026-11-25/2026-11-26"),)),
)
SAYINGS = ("lever", "stop", "share", "tags", "file", "halt")
EVENTS = (*SAYINGS, "scale", "drift", "undo", "overlap")
SERVICE = 0
"""Among what an injection holds: the service of its target; the others are pids, which targets share."""


class Book:
    """The journal as the facts see it, in memory, with the same answers as the real one."""

    def __init__(self) -> None:
        self.entries: dict[str, Injection] = {}
        self.proposed_s: dict[str, float] = {}
        self.planned_s: dict[str, float] = {}
        self.halt: str | None = None

    def outstanding(self) -> tuple[Injection, ...]:
        return tuple(i for i in self.entries.values() if i.outstanding)

    def running(self) -> tuple[Injection, ...]:
        return tuple(i for i in self.entries.values() if i.judgement is None)

    def noted(self, _: str) -> object:
        return self.halt

    def started(self, *, since: datetime) -> tuple[float, ...]:
        return tuple(sorted(s for s in self.planned_s.values() if s >= since.timestamp()))

    def recent(self, *, since_s: float = 0.0, most: int = 1000) -> tuple[Injection, ...]:
        found = [i for name, i in self.entries.items() if self.proposed_s[name] >= since_s]
        return tuple(found[-most:])


class Guarded(RuleBasedStateMachine):
    """``asks_twice`` False leaves out the second asking: a mistake that the machine must find.

    ``happens`` are the events of the outside that may come.
    """

    asks_twice = True
    settings = settings
    happens = EVENTS

    def __init__(self) -> None:
        super().__init__()
        self.book, self.wall_s, self.mono_s = Book(), MONDAY_S, 1000.0
        self.healthy: dict[str, Any] = dict.fromkeys(TARGETS, 4)
        self.generation = dict.fromkeys(TARGETS, 0)
        self.tags: Any = {"ok": "yes"}
        self.file: str | None = None
        self.lever: Any = None
        self.stop: Any = None
        self.share: Any = 0.999
        self.before: dict[str, Any] = {}
        self.touches: dict[str, Resource] = {}
        self.struck: dict[str, int] = {}
        self.held: dict[str, set[Any]] = {}
        self.setting = GuardSetting()

    # --- what the guard sees -----------------------------------------------------------------------------

    @property
    def now(self) -> Instant:
        return Instant(self.mono_s, self.wall_s)

    def _service(self, _: str, name: str) -> Service:
        healthy = self.healthy[name.removesuffix("-service")]
        if isinstance(healthy, Unanswered) or isinstance(self.tags, Unanswered):
            raise UnreachableError("ECS does not answer")
        task = Task(
            id="t", arn="t", last_status="RUNNING", desired_status="RUNNING", health="HEALTHY", started_s=0.0
        )
        return Service(desired=healthy, running=healthy, pending=0, tasks=(task,) * healthy, tags=self.tags)

    def _queue_tags(self, _: str) -> Any:
        if isinstance(self.tags, Unanswered):
            raise UnreachableError("SQS does not answer")
        return self.tags

    def _facts(self, name: str, **known: Any) -> guard.Facts:
        plan = self.book.entries[name].plan if name in self.book.entries else self.asked
        clock = SimpleNamespace(now=lambda: datetime.fromtimestamp(self.wall_s, UTC), instant=lambda: self.now)
        world: Any = SimpleNamespace(
            clock=clock, ecs=SimpleNamespace(service=self._service), sqs=SimpleNamespace(tags=self._queue_tags)
        )
        budget = self.setting.error_budget
        outside: Any = SimpleNamespace(
            halted=lambda: self.file,
            levers=lambda: {"lever": self.lever},
            stops=lambda: {"stop": self.stop},
            steady_share=lambda _: self.share if budget else None,
        )
        return gather(
            TARGETS[plan.target],
            self.touches[name],
            past=self.book,
            world=world,
            rules=self.setting,
            outside=outside,
            asked=Asked(own=name, duration_s=plan.duration_s, **known),
        )

    def _victim(self, target: str, tasks: int, holds: set[int]) -> dict[str, Any]:
        service = {"cluster": "c", "service": f"{target}-service"} if SERVICE in holds else {}
        return {"tasks": ["t"] * tasks, "pids": sorted(holds - {SERVICE}), **service}

    def _who(self, target: str) -> Any:
        found = self.generation[target]
        return UNANSWERED if found < 0 else {target: str(found)}

    # --- what happens ------------------------------------------------------------------------------------

    @initialize(data=st.data())
    def configure(self, data: st.DataObject) -> None:
        self.setting = data.draw(self.settings)

    @rule(on=st.sampled_from(sorted(TARGETS)), touches=st.sampled_from(Resource), lasts=st.sampled_from([30, 300]))
    def request(self, on: str, touches: Resource, lasts: int) -> None:
        name = f"inj-{len(self.book.entries)}"
        self.touches[name] = touches
        self.asked = plan_of(name, on, lasts, self.now)
        answer = guard.check(self._facts(name), self.setting)
        self.book.entries[name] = Injection(plan=self.asked)
        self.book.proposed_s[name] = self.wall_s
        self.before[name] = self._who(on)
        if isinstance(answer, Refusal):
            self._refuse(name, answer)

    @precondition(lambda self: self._in(State.PROPOSED))
    @rule(data=st.data(), tasks=st.integers(1, 4), holds=st.sets(st.integers(SERVICE, 3), max_size=2))
    def strike(self, data: st.DataObject, tasks: int, holds: set[int]) -> None:
        name = data.draw(st.sampled_from(self._in(State.PROPOSED)))
        plan = self.book.entries[name].plan
        if self.touches[name] not in {Resource.ECS, Resource.PROCESS}:
            tasks = 1
        drift = drifted(self.before[name], self._who(plan.target))
        holds = holds if "overlap" in self.happens else set()
        victim = self._victim(plan.target, tasks, holds)
        known = self._facts(name, disturbs=tasks, drifted=drift, victim=victim)
        answer: Any = guard.check(known, self.setting)
        if not self.asks_twice:
            answer = Permit()
        if isinstance(answer, Refusal):
            self._refuse(name, answer)
            return
        self._nothing_is_exceeded(name, tasks)
        self._nobody_else_holds(name, {(plan.target if one == SERVICE else one) for one in holds})
        undo = Undo(fault="f", mode="m", victim=victim, actions=(), data={})
        self.book.entries[name] = replace(
            self.book.entries[name],
            undo=undo,
            injected=Injected(started=self.now, finished=self.now),
            state=State.INJECTED,
        )
        self.book.planned_s[name] = self.wall_s
        self.struck[name] = tasks

    @precondition(lambda self: self._in(State.INJECTED))
    @rule(data=st.data(), failed=st.sampled_from([False, False, False, True]))
    def end(self, data: st.DataObject, failed: bool) -> None:
        name = data.draw(st.sampled_from(self._in(State.INJECTED)))
        self._close(name, failed=failed and "undo" in self.happens)

    @precondition(lambda self: self._in(State.REVERT_FAILED))
    @rule(data=st.data())
    def recover(self, data: st.DataObject) -> None:
        self._close(data.draw(st.sampled_from(self._in(State.REVERT_FAILED))), failed=False)

    @rule(seconds=st.sampled_from([1, 59, 60, 299, 600, 3600, 6 * 3600, DAY, -60, -3600, -DAY]))
    def time_passes(self, seconds: int) -> None:
        """Let time pass; a negative number is a wall clock set back while a second passes."""
        self.wall_s += seconds
        self.mono_s += max(seconds, 1)

    @precondition(lambda self: "scale" in self.happens)
    @rule(on=st.sampled_from(sorted(TARGETS)), healthy=st.just(UNANSWERED) | st.integers(0, 8))
    def scale(self, on: str, healthy: Any) -> None:
        self.healthy[on] = healthy

    @precondition(lambda self: set(self.happens) & set(SAYINGS))
    @rule(data=st.data(), answer=answers, share=st.sampled_from([0.9, 1.0]))
    def others_say(self, data: st.DataObject, answer: Any, share: float) -> None:
        match data.draw(st.sampled_from([w for w in SAYINGS if w in self.happens])):
            case "halt":
                self.book.halt = "lunch" if answer == "engaged" else None
            case "file":
                self.file = "file" if answer == "engaged" else None
            case "share":
                self.share = UNANSWERED if answer is UNANSWERED else share
            case "tags":
                self.tags = UNANSWERED if answer is UNANSWERED else {"ok": "no" if answer else "yes"}
            case "lever":
                self.lever = answer
            case _:
                self.stop = answer

    @precondition(lambda self: "drift" in self.happens)
    @rule(on=st.sampled_from(sorted(TARGETS)), known=st.sampled_from([True, True, False]))
    def replace_target(self, on: str, known: bool) -> None:
        made = abs(self.generation[on]) + 1
        self.generation[on] = made if known else -made

    # --- the books ---------------------------------------------------------------------------------------

    def _in(self, state: State) -> list[str]:
        return [
            n for n, i in self.book.entries.items() if i.state is state and (i.judgement is None or i.outstanding)
        ]

    def _refuse(self, name: str, answer: Refusal) -> None:
        assert answer.rule in set(guard.names())
        assert answer.reason.startswith("not injecting: ")
        judged = Judgement(verdict=Verdict.REFUSED, reasons=(answer.reason,))
        self.book.entries[name] = replace(self.book.entries[name], state=State.REFUSED, judgement=judged)

    def _close(self, name: str, *, failed: bool) -> None:
        entry = self.book.entries[name]
        verdict = Verdict.UNDO_FAILED if failed else Verdict.NO_IMPACT
        done = Reverted(started=self.now, finished=self.now, reversion=Reversion(outcome=Outcome.RESTORED))
        self.book.entries[name] = replace(
            entry,
            state=State.REVERT_FAILED if failed else State.REVERTED,
            reverted=None if failed else done,
            judgement=Judgement(verdict=verdict, reasons=()),
        )

    def _nothing_is_exceeded(self, name: str, tasks: int) -> None:
        entries, setting = self.book.entries, self.setting
        target, at = entries[name].plan.target, datetime.fromtimestamp(self.wall_s, UTC)
        active = [n for n, i in entries.items() if i.state is State.INJECTED]
        here = [n for n in active if entries[n].plan.target == target]
        assert self.book.halt is None
        assert self.file is None
        assert self.lever is None
        assert self.stop is None
        assert self.before[name] == {target: str(self.generation[target])}
        failed = [i for i in entries.values() if i.state is State.REVERT_FAILED]
        assert not [i for i in failed if i.plan.target == target], "an undo that failed blocks its own target"
        assert len(active) < setting.max_active
        assert len(here) < setting.max_active_per_target
        walls = self.book.planned_s.values()
        today = [s for s in walls if datetime.fromtimestamp(s, UTC).date() == at.date()]
        assert setting.max_per_day is None or len(today) < setting.max_per_day
        assert all(abs(self.wall_s - s) >= setting.min_gap_s for s in walls)
        if setting.windows:
            assert at.weekday() < 5
            assert 9 <= at.hour < 17
        assert not setting.blackouts or at.day not in (25, 26)
        assert not ("*-prod" in setting.protect and target == "c-prod")
        assert not ("d-service" in setting.protect and target == "d")
        assert setting.error_budget is None or self.share >= 0.99
        self._blast_radius_holds(name, target, tasks, here)
        self._resources_may_be_touched(name, target)
        self._time_is_not_exceeded(name, target)

    def _blast_radius_holds(self, name: str, target: str, tasks: int, here: list[str]) -> None:
        if self.touches[name] not in {Resource.ECS, Resource.PROCESS}:
            return
        healthy, setting = self.healthy[target], self.setting
        if setting.min_healthy_tasks:
            assert healthy - sum(self.struck[n] for n in here) - tasks >= setting.min_healthy_tasks
        if setting.max_percent is not None:
            assert (sum(self.struck[n] for n in here) + tasks) * 100 <= setting.max_percent * healthy

    def _resources_may_be_touched(self, name: str, target: str) -> None:
        if self.setting.require_tag and self.touches[name] in {Resource.ECS, Resource.QUEUE}:
            assert self.tags == {"ok": "yes"}
        if self.setting.protect_tag and self.touches[name] in {Resource.ECS, Resource.QUEUE}:
            assert self.tags not in ({"ok": "no"}, UNANSWERED)
        if self.setting.allow.queues and self.touches[name] is Resource.QUEUE:
            assert target != "d"

    def _nobody_else_holds(self, name: str, holds: set[Any]) -> None:
        for other, held in self.held.items():
            if self.book.entries[other].state in {State.INJECTED, State.REVERT_FAILED}:
                assert not held & holds, "its undo would restore what the other has made"
        self.held[name] = holds

    def _time_is_not_exceeded(self, name: str, target: str) -> None:
        most_s = self.setting.max_disturbed_s_per_day
        if most_s is None:
            return
        total_s = self.book.entries[name].plan.duration_s
        today = datetime.fromtimestamp(self.wall_s, UTC).date()
        for entry in self.book.entries.values():
            injected = entry.injected
            if entry.plan.target != target or injected is None:
                continue
            if datetime.fromtimestamp(injected.started.wall_s, UTC).date() == today:
                over = entry.reverted.finished.mono_s if entry.reverted else self.mono_s
                there_s = over - injected.started.mono_s
                total_s += there_s if entry.reverted else max(there_s, entry.plan.duration_s)
        assert total_s <= most_s


def plan_of(name: str, target: str, lasts: float, at: Instant) -> Plan:
    return Plan(
        injection=name,
        experiment=None,
        fault="f",
        mode="m",
        target=target,
        seed=1,
        parameters={},
        duration_s=lasts,
        recover_s=0,
        stable_s=0,
        steady=(),
        planned_at=at,
        origin="cli",
        by="test",
    )
