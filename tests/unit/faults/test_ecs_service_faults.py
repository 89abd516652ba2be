"""Scaled, deployed anew, drained: what may be disturbed, what is put back, and what was somebody else's doing."""

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from daemon.core import blast
from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError, UndoFailedError, UntouchedError
from daemon.core.model import Order, Outcome, Reversion, Undo
from daemon.core.target import EcsService, Limits, Target
from faults.ecs.drain import EcsDrain
from faults.ecs.redeploy import EcsRedeploy
from faults.ecs.scale import EcsScale
from tests.fakes import FakeWorld, Switch

TARGET = Target(name="t", ecs=EcsService(cluster="c", service="s"), limits=Limits(recover_s=30))
HOSTS = ("host-1", "host-2", "host-3")


def world_with(tasks: int = 4, **how: Any) -> FakeWorld:
    world = FakeWorld("/nowhere")
    world.ecs.add("c", "s", tasks, **how)
    return world


def order(**given: Any) -> Order:
    return Order(injection="inj-1", target=TARGET, dice=Random(1), **given)


def prepared(fault: Any, world: FakeWorld, **given: Any) -> Undo:
    undo: Undo = fault.prepare(order(**given), world)
    return replace(undo, data=json.loads(json.dumps(undo.data)))


def struck(fault: Any, world: FakeWorld) -> Undo:
    undo = prepared(fault, world)
    fault.inject(undo, world, Switch())
    return undo


def counts(world: FakeWorld) -> tuple[int, int]:
    found = world.ecs.service("c", "s")
    return found.desired, found.running


def refused(fault: Any, world: FakeWorld, **given: Any) -> str:
    with pytest.raises(RefusedError) as caught:
        prepared(fault, world, **given)
    assert caught.value.message.startswith(("the service was not", "nothing was", "no instance was"))
    assert caught.value.hint
    return caught.value.rule


# --- ecs-scale --------------------------------------------------------------------------------------------


def test_it_is_scaled_in_and_back_and_the_tasks_are_waited_for() -> None:
    world = world_with(4)
    undo = struck(EcsScale(tasks=1), world)
    assert counts(world) == (1, 1)
    assert blast.victims(undo.victim) == 3
    done = EcsScale.revert(undo, world)
    assert counts(world) == (4, 4)
    assert (done.outcome, done.proof["running"], len(done.proof["fresh"])) == (Outcome.RESTORED, 4, 3)


@pytest.mark.parametrize("desired", [2, 7])
def test_what_an_autoscaler_made_of_it_stays(desired: int) -> None:
    world = world_with(4)
    undo = struck(EcsScale(tasks=1), world)
    world.ecs.scale("c", "s", desired)
    done = EcsScale.revert(undo, world)
    assert world.ecs.service("c", "s").desired == desired
    assert (done.outcome, done.by_worker) == (Outcome.SUPERSEDED, True)
    assert f"somebody scaled the service to {desired}" in done.detail


def test_a_count_that_is_set_a_moment_late_is_seen() -> None:
    world = world_with(4)
    undo = struck(EcsScale(tasks=1), world)
    late, real = world.ecs.service("c", "s"), world.ecs.service
    answers = [replace(late, desired=4)]
    world.ecs.service = lambda *given: answers.pop() if answers else real(*given)  # type: ignore[method-assign]
    EcsScale.revert(undo, world)
    assert world.ecs.service("c", "s").desired == 4


def test_a_second_revert_waits_for_the_tasks_of_the_first() -> None:
    world = world_with(4, replace_s=10.0)
    undo = struck(EcsScale(tasks=1), world)
    world.ecs.scale("c", "s", 4)  # the first, killed right after
    done = EcsScale.revert(undo, world)
    assert counts(world) == (4, 4)
    assert done.detail == "the desired count was back already"


def test_without_an_effect_it_is_untouched() -> None:
    world = world_with(4)
    assert EcsScale.revert(prepared(EcsScale(), world), world).outcome is Outcome.UNTOUCHED


def test_tasks_that_do_not_come_back_are_an_undo_that_failed() -> None:
    world = world_with(4, replace_s=None)
    undo = struck(EcsScale(tasks=1), world)
    with pytest.raises(UndoFailedError, match="not back at 4 tasks after 30 s: 1 of 4 tasks run"):
        EcsScale.revert(undo, world)
    assert world.ecs.service("c", "s").desired == 4


def test_a_service_that_was_deleted_is_nobody_s_to_restore() -> None:
    world = world_with(4)
    undo = struck(EcsScale(tasks=1), world)
    world.ecs.remove("c", "s")
    assert EcsScale.revert(undo, world).outcome is Outcome.SUPERSEDED


def test_what_must_stay_stays() -> None:
    world = world_with(4)
    assert refused(EcsScale(tasks=1), world, keep_healthy=2) == "min-healthy-tasks"
    assert refused(EcsScale(tasks=1), world, max_percent=50.0) == "max-percent"
    assert refused(EcsScale(tasks=2), world, max_percent=50.0, disturbed=1) == "max-percent"
    assert refused(EcsScale(tasks=4), world) == "nothing-to-scale"
    prepared(EcsScale(tasks=2), world, keep_healthy=2, max_percent=50.0)
    assert refused(EcsScale(), world_with(4, strategy="DAEMON")) == "no-desired-count"


def test_drift_since_planning_is_refused_and_nothing_is_scaled() -> None:
    world = world_with(4)
    undo = prepared(EcsScale(tasks=1), world)
    world.ecs.scale("c", "s", 3)
    with pytest.raises(UntouchedError, match="wants 3 tasks, no longer 4"):
        EcsScale.inject(undo, world, Switch())
    assert world.ecs.service("c", "s").desired == 3


@pytest.mark.parametrize("fault", [EcsScale, EcsRedeploy])
def test_where_ecs_picks_chaosd_s_own_task_and_protected_ones_are_in_danger(fault: Any) -> None:
    world = world_with(4)
    world.own_task = world.ecs.service("c", "s").tasks[2].id
    assert refused(fault(), world) == "own-task"
    prepared(fault(own_task=True), world)
    world.own_task = ""
    whole = world.ecs.service("c", "s")
    tasks = (replace(whole.tasks[0], tags={"keep": "yes"}), *whole.tasks[1:])
    world.ecs.service = lambda *_: replace(whole, tasks=tasks)  # type: ignore[method-assign]
    assert refused(fault(), world, protect_tag=("keep", "yes")) == "protected"
    prepared(fault(), world, protect_tag=("keep", "no"))


# --- ecs-redeploy -----------------------------------------------------------------------------------------


def test_the_deployment_s_end_is_waited_for_and_told() -> None:
    world = world_with(3)
    before = {t.id for t in world.ecs.service("c", "s").tasks}
    undo = struck(EcsRedeploy(), world)
    assert not undo.restores
    done = EcsRedeploy.revert(undo, world)
    assert before.isdisjoint(t.id for t in world.ecs.service("c", "s").tasks)
    assert (done.outcome, done.proof["rollout"], done.proof["kept"]) == (Outcome.RESTORED, "COMPLETED", [])
    assert EcsRedeploy.revert(undo, world).proof["deployment"] == done.proof["deployment"], "and no second one"


def test_a_failed_deployment_that_was_rolled_back_is_told() -> None:
    world = world_with(3)
    world.ecs.deploys = "ROLLED_BACK"
    done = EcsRedeploy.revert(struck(EcsRedeploy(), world), world)
    assert (done.outcome, done.proof["failed_tasks"]) == (Outcome.RESTORED, 3)
    assert done.detail == "the deployment failed and was rolled back: tasks failed to start"


@pytest.mark.parametrize(
    ("how", "said"), [("FAILED", "it failed, and was not rolled back: tasks failed to start"), ("never", "3 of 3")]
)
def test_a_deployment_that_failed_or_does_not_end_is_an_undo_that_failed(how: str, said: str) -> None:
    world = world_with(3, replace_s=None if how == "never" else 3.0)
    world.ecs.deploys = how
    undo = struck(EcsRedeploy(), world)
    with pytest.raises(UndoFailedError, match=said) as caught:
        EcsRedeploy.revert(undo, world)
    assert "deploy a revision that works" in caught.value.hint


def test_a_deployment_that_was_never_started_is_none() -> None:
    world = world_with(3)
    assert EcsRedeploy.revert(prepared(EcsRedeploy(), world), world).outcome is Outcome.UNTOUCHED


def test_no_deployment_beside_another() -> None:
    world = world_with(3)
    undo = prepared(EcsRedeploy(), world)
    world.ecs.redeploy("c", "s")
    assert refused(EcsRedeploy(), world) == "deploying"
    with pytest.raises(RefusedError, match="somebody has deployed") as caught:
        EcsRedeploy.inject(undo, world, Switch())
    assert caught.value.rule == "drift"
    assert refused(EcsRedeploy(), world_with(3, controller="CODE_DEPLOY")) == "deployment-controller"


def test_what_a_deployment_may_stop_at_once_counts_as_disturbed() -> None:
    world = world_with(4, least_percent=50.0)
    assert refused(EcsRedeploy(), world, keep_healthy=3) == "min-healthy-tasks"
    assert refused(EcsRedeploy(), world, max_percent=25.0) == "max-percent"
    assert blast.victims(prepared(EcsRedeploy(), world, keep_healthy=2).victim) == 2
    prepared(EcsRedeploy(), world_with(4, least_percent=100.0), keep_healthy=4)
    prepared(EcsRedeploy(), world_with(3, least_percent=51.0), keep_healthy=2)  # rounded up, as ECS does


# --- ecs-drain --------------------------------------------------------------------------------------------


def test_an_instance_is_drained_and_taken_back() -> None:
    world = world_with(4, hosts=HOSTS)
    undo = struck(EcsDrain(), world)
    (one,) = undo.victim["instances"]
    statuses = {i.id: i.status for i in world.ecs.instances("c", HOSTS)}
    assert statuses == {**dict.fromkeys(HOSTS, "ACTIVE"), one: "DRAINING"}
    done = EcsDrain.revert(undo, world)
    assert {i.status for i in world.ecs.instances("c", HOSTS)} == {"ACTIVE"}
    assert (done.outcome, done.proof["set_active"]) == (Outcome.RESTORED, [one])
    assert counts(world) == (4, 4)


def test_fargate_has_no_instances() -> None:
    assert refused(EcsDrain(), world_with(4)) == "fargate"
    with pytest.raises(TargetAbsentError):
        prepared(EcsDrain(), world_with(0, hosts=HOSTS))


def test_only_an_instance_of_this_service_alone_and_not_chaosd_s_own() -> None:
    world = world_with(3, hosts=HOSTS)
    tasks = {t.instance: t.id for t in world.ecs.service("c", "s").tasks}
    world.own_task = tasks["host-1"]
    world.ecs.others["host-2"] = 1
    for seed in range(5):
        undo = EcsDrain(instances=3).prepare(replace(order(), dice=Random(seed)), world)
        assert undo.victim["instances"] == ("host-3",)
    everything = EcsDrain(instances=3, shared=True, own_task=True).prepare(order(), world)
    assert everything.victim["instances"] == HOSTS
    world.ecs.set_instances("c", ["host-3"], "DRAINING")
    with pytest.raises(RefusedError, match="chaosd itself runs there") as caught:
        EcsDrain().prepare(order(), world)
    assert "tasks of others run there as well" in caught.value.message
    assert caught.value.rule == "no-instance"


def test_a_protected_task_s_instance_is_no_victim() -> None:
    world = world_with(3, hosts=HOSTS)
    whole = world.ecs.service("c", "s")
    tasks = tuple(replace(t, tags={"keep": "no" if t.instance == "host-2" else "yes"}) for t in whole.tasks)
    world.ecs.service = lambda *_: replace(whole, tasks=tasks)  # type: ignore[method-assign]
    undo = EcsDrain(instances=3).prepare(order(protect_tag=("keep", "yes")), world)
    assert undo.victim["instances"] == ("host-2",)


def test_no_more_tasks_than_may_be_disturbed() -> None:
    world = world_with(6, hosts=HOSTS)  # two on each
    undo = EcsDrain(instances=3).prepare(order(keep_healthy=1), world)
    assert (len(undo.victim["instances"]), blast.victims(undo.victim)) == (2, 4)
    assert refused(EcsDrain(), world, keep_healthy=5) == "min-healthy-tasks"
    assert refused(EcsDrain(), world, keep_healthy=6) == "min-healthy-tasks"
    assert refused(EcsDrain(), world, max_percent=10.0) == "max-percent"


def outcome(world: FakeWorld, undo: Undo) -> Reversion:
    return EcsDrain.revert(undo, world)


def test_what_others_did_to_the_instances_stays() -> None:
    world = world_with(4, hosts=HOSTS)
    assert outcome(world, prepared(EcsDrain(), world)).outcome is Outcome.UNTOUCHED
    undo = struck(EcsDrain(), world)
    world.ecs.terminate(undo.victim["instances"][0])
    done = outcome(world, undo)
    assert (done.outcome, done.detail) == (Outcome.SUPERSEDED, "1 instances are gone: left alone")


def test_one_of_two_that_is_gone_is_restored_in_part() -> None:
    world = world_with(3, hosts=HOSTS)
    undo = struck(EcsDrain(instances=2), world)
    world.ecs.terminate(undo.victim["instances"][0])
    done = outcome(world, undo)
    assert (done.outcome, done.partly, done.by_worker) == (Outcome.RESTORED, True, False)


def test_tasks_that_find_no_place_are_an_undo_that_failed() -> None:
    world = world_with(4, hosts=HOSTS, replace_s=None)
    undo = struck(EcsDrain(), world)
    with pytest.raises(UndoFailedError, match=r"not back after 30 s: . of 4 tasks run, draining: none"):
        outcome(world, undo)


@pytest.mark.parametrize("instances", [1, 2])
def test_an_instance_that_somebody_else_drains_is_theirs(instances: int) -> None:
    world = world_with(3, hosts=HOSTS)
    undo = prepared(EcsDrain(instances=instances), world)
    world.ecs.set_instances("c", undo.data["instances"][:1], "DRAINING")
    with pytest.raises(UntouchedError, match="is not ACTIVE any more"):
        EcsDrain.inject(undo, world, Switch())
    left = [one.status for one in world.ecs.instances("c", undo.data["instances"])]
    assert left == ["DRAINING", "ACTIVE"][:instances]


@pytest.mark.parametrize("fault", [EcsScale(tasks=1), EcsRedeploy(), EcsDrain()])
def test_tasks_that_ecs_is_about_to_stop_are_not_counted_on(fault: Any) -> None:
    world = world_with(8, hosts=HOSTS, least_percent=25.0)
    world.ecs._services["c", "s"].desired = 4  # eight run still
    assert refused(fault, world, keep_healthy=4) == "min-healthy-tasks"


@pytest.mark.parametrize("fault", [EcsScale, EcsRedeploy, EcsDrain])
def test_who_does_not_answer_is_not_taken_for_well(fault: Any) -> None:
    world = world_with(4, hosts=HOSTS)
    undo = struck(fault(), world)
    world.cut("ecs")
    with pytest.raises(ChaosdError, match="no answer"):
        fault.revert(undo, world)
