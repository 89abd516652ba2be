"""Which tasks are stopped, what is never stopped, and what counts as being back."""

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from daemon.core.errors import RefusedError, TargetAbsentError, UndoFailedError, UnreachableError
from daemon.core.model import Order, Outcome, Undo
from daemon.core.target import EcsService, Limits, Target
from faults.ecs.task_stop import EcsTaskStop
from tests.fakes import FakeWorld, Mortal, Switch

TARGET = Target(name="t", ecs=EcsService(cluster="c", service="s"), limits=Limits(recover_s=30))


def world_with(tasks: int, **how: Any) -> FakeWorld:
    world = FakeWorld("/nowhere")
    world.ecs.add("c", "s", tasks, **how)
    return world


def order(*, seed: int = 1, keep: int = 0) -> Order:
    return Order(injection="inj-1", target=TARGET, dice=Random(seed), keep_healthy=keep)


def stored(undo: Undo) -> Undo:
    """Return the record as a process that finds it in the journal has it."""
    return replace(undo, data=json.loads(json.dumps(undo.data)))


def victims(undo: Undo) -> list[str]:
    return list(undo.data["stop"])  # type: ignore[arg-type]


def running(world: FakeWorld) -> list[str]:
    return [t.id for t in world.ecs.service("c", "s").tasks]


def test_the_same_seed_picks_the_same_victims_whatever_order_ecs_lists_them_in() -> None:
    world = world_with(9)
    fault = EcsTaskStop(mode="random", count=3)
    first = victims(fault.prepare(order(seed=4), world))
    turned = world.ecs.service("c", "s")
    world.ecs.service = lambda *_: replace(turned, tasks=tuple(reversed(turned.tasks)))  # type: ignore[method-assign]
    assert victims(fault.prepare(order(seed=4), world)) == first
    assert {tuple(victims(fault.prepare(order(seed=s), world))) for s in range(20)} != {tuple(first)}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (EcsTaskStop(mode="oldest"), [0]),
        (EcsTaskStop(mode="oldest", count=2), [0, 1]),
        (EcsTaskStop(mode="newest", count=2), [3, 2]),
        (EcsTaskStop(mode="all"), [0, 1, 2, 3]),
    ],
)
def test_each_mode_picks_its_tasks(fault: EcsTaskStop, expected: list[int]) -> None:
    world = world_with(4)
    ids = running(world)
    picked = victims(fault.prepare(order(), world))
    wanted = [ids[n] for n in expected]
    assert sorted(picked) == sorted(wanted) if fault.mode == "all" else picked == wanted


@pytest.mark.parametrize(("percent", "count"), [(25, 1), (50, 2), (74, 2), (100, 4)])
def test_percent_rounds_down(percent: float, count: int) -> None:
    undo = EcsTaskStop(mode="percent", percent=percent).prepare(order(), world_with(4))
    assert len(victims(undo)) == count


def test_a_percentage_of_less_than_one_task_is_refused() -> None:
    with pytest.raises(RefusedError) as caught:
        EcsTaskStop(mode="percent", percent=24).prepare(order(), world_with(4))
    assert caught.value.rule == "percent-rounds-to-zero"


@pytest.mark.parametrize("mode", ["random", "oldest", "newest", "percent", "all"])
def test_what_must_stay_healthy_stays(mode: str) -> None:
    fault = EcsTaskStop(mode=mode, count=9, percent=100)
    assert len(victims(fault.prepare(order(keep=3), world_with(4)))) == 1
    with pytest.raises(RefusedError) as caught:
        fault.prepare(order(keep=4), world_with(4))
    assert caught.value.rule == "min-healthy-tasks"


def test_an_unhealthy_or_starting_task_is_no_victim_and_does_not_count_as_healthy() -> None:
    world = world_with(3)
    whole = world.ecs.service("c", "s")
    sick, starting, well = whole.tasks
    tasks = (replace(sick, health="UNHEALTHY"), replace(starting, last_status="PENDING"), well)
    world.ecs.service = lambda *_: replace(whole, tasks=tasks)  # type: ignore[method-assign]
    assert victims(EcsTaskStop(mode="all").prepare(order(), world)) == [well.id]
    with pytest.raises(RefusedError):
        EcsTaskStop().prepare(order(keep=1), world)


@pytest.mark.parametrize("mode", ["random", "oldest", "newest", "percent", "all"])
def test_a_task_with_the_protecting_tag_is_never_stopped(mode: str) -> None:
    world = world_with(4)
    whole = world.ecs.service("c", "s")
    tasks = [replace(t, tags={"keep": "yes"} if n % 2 else {"keep": "no"}) for n, t in enumerate(whole.tasks)]
    world.ecs.service = lambda *_: replace(whole, tasks=tuple(tasks))  # type: ignore[method-assign]
    fault, asked = EcsTaskStop(mode=mode, count=9, percent=100), replace(order(), protect_tag=("keep", "yes"))
    assert sorted(victims(fault.prepare(asked, world))) == sorted([tasks[0].id, tasks[2].id])
    assert len(victims(fault.prepare(replace(asked, keep_healthy=3), world))) == 1, (
        "protected ones count as healthy"
    )
    tasks[:] = [replace(t, tags={"keep": "yes"}) for t in tasks]
    with pytest.raises(RefusedError, match="protected by its tag keep=yes") as caught:
        fault.prepare(asked, world)
    assert caught.value.rule == "protected"


def test_a_target_without_service_or_tasks_is_absent() -> None:
    with pytest.raises(TargetAbsentError):
        EcsTaskStop().prepare(order(), world_with(0))
    bare = replace(order(), target=Target(name="bare"))
    with pytest.raises(TargetAbsentError):
        EcsTaskStop().prepare(bare, world_with(1))


def test_preparing_touches_nothing() -> None:
    world = world_with(3)
    EcsTaskStop(mode="all").prepare(order(), world)
    assert world.ecs.reasons == {}


def test_the_injection_stands_in_the_stop_reason_and_a_second_inject_stops_nothing_more() -> None:
    world = world_with(3, replace_s=None)
    undo = stored(EcsTaskStop(count=2).prepare(order(), world))
    EcsTaskStop.inject(undo, world, Switch())
    counted = Mortal(world)
    EcsTaskStop.inject(undo, counted, Switch())
    assert counted.effects == []
    assert world.ecs.reasons == dict.fromkeys(victims(undo), "chaosd inj-1 ecs-task-stop")
    assert len(running(world)) == 1


def test_nothing_is_stopped_once_asked_to_stop() -> None:
    world = world_with(3)
    EcsTaskStop.inject(EcsTaskStop(mode="all").prepare(order(), world), world, Switch(on=True))
    assert world.ecs.reasons == {}


def test_revert_waits_for_new_ids_and_names_them() -> None:
    world = world_with(3, replace_s=5.0)
    before = running(world)
    undo = stored(EcsTaskStop(count=2).prepare(order(), world))
    EcsTaskStop.inject(undo, world, Switch())
    started_s = world.clock.elapsed_s
    done = EcsTaskStop.revert(undo, world)
    assert done.outcome is Outcome.RESTORED
    assert world.clock.elapsed_s - started_s == pytest.approx(5.0, abs=0.3)
    assert done.proof["stopped"] == tuple(victims(undo))
    fresh = set(running(world)) - set(before)
    assert set(done.proof["replaced_by"]) == fresh  # type: ignore[arg-type]
    assert len(fresh) == 2
    assert EcsTaskStop.revert(undo, world).outcome is Outcome.RESTORED


def test_a_service_that_still_counts_the_stopped_task_is_not_back() -> None:
    # Right after a stop ECS says running == desired; only the ids tell.
    world = world_with(1, replace_s=5.0)
    undo = EcsTaskStop().prepare(order(), world)
    stale = world.ecs.service("c", "s")
    real = world.ecs.service
    EcsTaskStop.inject(undo, world, Switch())
    world.clock.at(3.0, lambda: setattr(world.ecs, "service", real))
    world.ecs.service = lambda *_: stale  # type: ignore[method-assign]
    started_s = world.clock.elapsed_s
    assert EcsTaskStop.revert(undo, world).outcome is Outcome.RESTORED
    assert world.clock.elapsed_s - started_s >= 5.0


def test_a_service_that_stays_down_is_a_failed_undo_after_the_wait() -> None:
    world = world_with(2, replace_s=None)
    undo = EcsTaskStop().prepare(order(), world)
    EcsTaskStop.inject(undo, world, Switch())
    started_s = world.clock.elapsed_s
    with pytest.raises(UndoFailedError, match="1 of 2 tasks run"):
        EcsTaskStop.revert(undo, world)
    assert world.clock.elapsed_s - started_s == pytest.approx(30.0, abs=0.5)


def test_without_inject_nothing_was_touched() -> None:
    world = world_with(2)
    undo = stored(EcsTaskStop().prepare(order(), world))
    assert EcsTaskStop.revert(undo, world).outcome is Outcome.UNTOUCHED
    assert world.ecs.reasons == {}


def test_after_a_partial_inject_only_what_was_stopped_must_be_replaced() -> None:
    world = world_with(3)
    undo = EcsTaskStop(mode="all").prepare(order(), world)
    world.ecs.stop_task("c", victims(undo)[0], "by hand")
    done = EcsTaskStop.revert(undo, world)
    assert done.proof["stopped"] == (victims(undo)[0],)
    assert len(done.proof["replaced_by"]) == 1  # type: ignore[arg-type]


def test_a_service_scaled_in_meanwhile_owes_fewer_tasks() -> None:
    world = world_with(3, replace_s=None)
    undo = EcsTaskStop().prepare(order(), world)
    EcsTaskStop.inject(undo, world, Switch())
    world.ecs._services["c", "s"].desired = 2
    done = EcsTaskStop.revert(undo, world)
    assert done.outcome is Outcome.RESTORED
    assert "scaled from 3 to 2" in done.detail


def test_a_service_that_ran_more_than_it_should_owes_nothing_for_the_surplus() -> None:
    world = world_with(3, replace_s=None)
    world.ecs._services["c", "s"].desired = 2
    undo = EcsTaskStop().prepare(order(), world)
    EcsTaskStop.inject(undo, world, Switch())
    assert EcsTaskStop.revert(undo, world).outcome is Outcome.RESTORED


def test_an_outage_while_waiting_is_waited_out() -> None:
    world = world_with(2, replace_s=1.0)
    undo = EcsTaskStop().prepare(order(), world)
    EcsTaskStop.inject(undo, world, Switch())
    real = world.ecs.service

    def silent(*_: object) -> Any:
        raise UnreachableError("nobody")

    world.ecs.service = silent  # type: ignore[method-assign]
    world.clock.at(4.0, lambda: setattr(world.ecs, "service", real))
    assert EcsTaskStop.revert(undo, world).outcome is Outcome.RESTORED


@pytest.mark.parametrize(
    ("tasks", "percent", "disturbed", "stopped"), [(4, 50, 0, 2), (4, 50, 1, 1), (5, 50, 0, 2), (3, 100, 0, 3)]
)
def test_no_more_than_the_guard_s_share_is_stopped(
    tasks: int, percent: float, disturbed: int, stopped: int
) -> None:
    asked = replace(order(), max_percent=percent, disturbed=disturbed)
    assert len(victims(EcsTaskStop(mode="all").prepare(asked, world_with(tasks)))) == stopped


@pytest.mark.parametrize(
    ("tasks", "percent", "disturbed", "said"),
    [
        (3, 25, 0, "25 % of the 3 healthy tasks of c/s is none"),
        (3, 50, 1, "50 % of the 3 healthy tasks of c/s is 1, and 1 are disturbed already"),
    ],
)
def test_a_share_that_is_no_task_is_a_refusal_with_its_numbers(
    tasks: int, percent: float, disturbed: int, said: str
) -> None:
    asked = replace(order(), max_percent=percent, disturbed=disturbed)
    with pytest.raises(RefusedError, match=said) as refused:
        EcsTaskStop(mode="all").prepare(asked, world_with(tasks))
    assert refused.value.rule == "max-percent"


def test_victims_that_went_by_themselves_are_drift_and_nothing_else_is_stopped() -> None:
    world = world_with(3)
    undo = EcsTaskStop(mode="random").prepare(order(), world)
    world.ecs.stop_task("c", victims(undo)[0], "a deployment")
    counted = Mortal(world)
    with pytest.raises(RefusedError) as refused:
        EcsTaskStop.inject(undo, counted, Switch())
    assert refused.value.rule == "drift"
    assert counted.effects == []
