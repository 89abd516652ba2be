"""The way of one injection, on a fake clock."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.calendar import Window
from daemon.core.errors import ConfigError, RefusedError, UnreachableError, UsageError
from daemon.core.events import HealedBy, Planned, Proposed, State, Verdict
from daemon.core.model import Outcome, Resource
from daemon.core.settings import GuardSetting
from daemon.core.target import EcsService, Queue, Repository, Target
from daemon.engine.recorder import Recorder
from daemon.engine.stop import StopSwitch
from daemon.ports.files import LocalFiles
from faults.ecs.scale import EcsScale
from faults.sqs.duplicate import SqsDuplicate
from faults.sqs.hold import SqsHold
from faults.sqs.reorder import SqsReorder
from tests import engine_kit
from tests.engine_kit import Kit, request

QUEUE_FAULTS: tuple[Any, ...] = (SqsDuplicate, SqsHold, SqsReorder)


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def verdict(found: object) -> Verdict:
    return found.judgement.verdict  # type: ignore[attr-defined, no-any-return]


def test_a_worker_that_heals_itself_has_recovered_within_the_bracket(kit: Kit) -> None:
    kit.world.clock.at(2.1, lambda: kit.lamp.put("good"))
    found = kit.control.run(request(duration_s=30))
    assert verdict(found) is Verdict.RECOVERED
    assert found.judgement.healed_by is HealedBy.WORKER
    lo, hi = found.judgement.recovery.lo_s, found.judgement.recovery.hi_s
    assert lo <= 2.1 <= hi
    assert hi - lo <= 0.5


def test_a_system_that_only_our_revert_made_well_did_not_recover(kit: Kit) -> None:
    found = kit.control.run(request())
    assert kit.lamp.light == "good"
    assert found.state is State.REVERTED
    assert verdict(found) is Verdict.NOT_RECOVERED
    assert found.judgement.healed_by is HealedBy.REVERT


def test_a_repair_of_another_kind_is_left_alone_and_called_superseded(kit: Kit) -> None:
    kit.world.clock.at(1, lambda: kit.lamp.put("better"))
    found = kit.control.run(request())
    assert kit.lamp.light == "better"
    assert found.state is State.SUPERSEDED
    assert found.judgement.healed_by is HealedBy.WORKER


def test_a_steady_state_that_is_not_ok_before_means_nothing_is_injected(kit: Kit) -> None:
    kit.lamp.light = "dark already"
    found = kit.control.run(request())
    assert verdict(found) is Verdict.INCONCLUSIVE
    assert found.undo is None
    assert kit.lamp.writes == 0


def test_an_unknown_steady_state_is_not_ok(kit: Kit) -> None:
    kit.look.silent = True
    assert verdict(kit.control.run(request())) is Verdict.INCONCLUSIVE
    assert kit.lamp.writes == 0


def test_a_probe_that_falls_silent_during_the_fault_is_never_a_pass(kit: Kit) -> None:
    kit.look.silent = False
    kit.world.clock.at(0.01, lambda: setattr(kit.look, "silent", True))
    found = kit.control.run(request(duration_s=3))
    assert verdict(found) in {Verdict.INCONCLUSIVE, Verdict.NOT_RECOVERED}


def test_a_halt_in_mid_fault_aborts_and_undoes(kit: Kit) -> None:
    kit.world.clock.at(1, lambda: kit.control.halt("enough"))
    found = kit.control.run(request(duration_s=60))
    assert verdict(found) is Verdict.ABORTED
    assert "enough" in found.judgement.reasons[0]
    assert kit.lamp.light == "good"
    assert kit.world.clock.elapsed_s < 5
    refused = kit.control.run(request())
    assert refused.refused.rule == "halted"
    kit.control.resume("fed")
    assert kit.control.run(request(duration_s=0)).refused is None


def test_an_injection_that_breaks_is_reverted_and_inconclusive(kit: Kit) -> None:
    found = kit.control.run(request(broken="inject"))
    assert kit.lamp.light == "good"
    assert verdict(found) is Verdict.INCONCLUSIVE
    assert found.judgement.reasons[0].startswith("the injection broke and was undone: broke half-way")


class Scaled(Kit):
    @property
    def target(self) -> Target:
        return Target(name="editor", ecs=EcsService(cluster="c", service="s"))


def test_what_somebody_else_did_before_us_is_not_taken_back(tmp_path: Path) -> None:
    """An autoscaler comes to the very count that was planned, in the moment before the strike."""
    kit = Scaled(tmp_path)
    kit.world.ecs.add("c", "s", 4)
    kit.parts.faults.update({EcsScale.name: EcsScale})  # type: ignore[attr-defined]
    taken = kit.journal.append

    def then_scaled(injection: str, *happened: Any) -> None:
        taken(injection, *happened)
        if any(isinstance(one, Planned) for one in happened):
            kit.world.ecs.scale("c", "s", 2)

    kit.journal.append = then_scaled
    found = kit.control.run(replace(request(), fault=EcsScale.name, parameters={"tasks": 2}))
    assert kit.world.ecs.service("c", "s").desired == 2, "the autoscaler's word counts"
    assert found.reverted.reversion.outcome is Outcome.UNTOUCHED
    assert found.judgement.reasons[0].startswith("the injection had no effect: the service was not scaled")
    assert not found.outstanding


class Queued(Kit):
    @property
    def target(self) -> Target:
        return Target(name="editor", queue=Queue(url="sqs://input"))


@pytest.mark.parametrize("fault", QUEUE_FAULTS, ids=lambda kind: kind.name)
def test_a_fault_that_finds_no_message_had_no_effect_and_is_not_called_broken_or_repaired(
    tmp_path: Path, fault: Any
) -> None:
    kit = Queued(tmp_path)
    kit.world.files = LocalFiles()
    kit.world.sqs.add("sqs://input")
    kit.parts.faults.update({fault.name: fault})  # type: ignore[attr-defined]
    found = kit.control.run(replace(request(), fault=fault.name))
    assert found.judgement.verdict is Verdict.INCONCLUSIVE
    assert found.judgement.reasons[0].startswith("the injection had no effect: no message was received")
    assert found.state is State.REVERTED
    assert found.reverted.reversion.outcome is Outcome.UNTOUCHED


def test_what_prepare_cannot_find_out_is_a_journalled_refusal_and_raised(kit: Kit) -> None:
    with pytest.raises(UnreachableError):
        kit.control.run(request(broken="prepare"))
    (found,) = kit.store.recent()
    assert found.refused.rule == "unreachable"
    assert verdict(found) is Verdict.REFUSED


def test_the_intent_is_on_disk_before_the_first_side_effect(kit: Kit) -> None:
    order: list[str] = []
    append, put = kit.store.append, kit.lamp.put
    kit.store.append = lambda i, *e: (append(i, *e), order.extend(type(x).__name__ for x in e))  # type: ignore[method-assign]
    kit.lamp.put = lambda light: (order.append("touched"), put(light))  # type: ignore[method-assign]
    kit.control.run(request())
    assert order.index("Planned") < order.index("touched")


def test_the_same_seed_picks_the_same_victim(kit: Kit) -> None:
    victims = {kit.control.run(request(seed=3, duration_s=0)).undo.victim["lamp"] for _ in range(3)}
    assert len(victims) == 1


def test_a_preview_touches_and_writes_nothing(kit: Kit) -> None:
    undo = kit.injector.preview(request(seed=3))
    assert undo.actions == ("put it out",)
    assert kit.lamp.writes == 0
    assert kit.store.recent() == ()


def test_unknown_words_are_refused_before_anything_is_journalled(kit: Kit) -> None:
    with pytest.raises(UsageError, match="did you mean 'test-darken'"):
        kit.control.run(request().__class__(**{**_fields(request()), "fault": "test-darkn"}))
    with pytest.raises(UsageError, match="did you mean 'editor'"):
        kit.control.run(request().__class__(**{**_fields(request()), "target": "editr"}))
    with pytest.raises(ConfigError, match="unknown parameter"):
        kit.control.run(request(brokn="x"))
    assert kit.store.recent() == ()


def _fields(record: object) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}  # type: ignore[attr-defined]


def test_a_broken_listener_stops_nothing_and_is_counted(kit: Kit) -> None:

    broke: list[str] = []

    def bad(_: str, event: object) -> None:
        raise RuntimeError(repr(event))

    recorder = Recorder(kit.journal, listeners=[bad], on_failure=lambda name, _: broke.append(name))
    recorder.record("x", *(e for e in [_proposed(kit)]))
    assert len(broke) == 1
    assert kit.journal.injection("x") is not None


def _proposed(kit: Kit) -> Proposed:
    kit.control.run(request(duration_s=0))
    return next(e for e in kit.events if isinstance(e, Proposed))


def test_the_guard_counts_what_was_injected_today(tmp_path: Path) -> None:
    kit = Kit(tmp_path, guard=GuardSetting(max_per_day=2))
    rules = [kit.control.run(request(duration_s=0)).refused for _ in range(3)]
    assert [r and r.rule for r in rules] == [None, None, "max-per-day"]
    kit.world.clock.advance(86400)
    assert kit.control.run(request(duration_s=0)).refused is None


def test_a_stopped_switch_means_no_injection(kit: Kit) -> None:
    stop = StopSwitch()
    stop.set("SIGTERM")
    found = kit.injector.run(request(), stop, injection="stopped")
    assert verdict(found) is Verdict.ABORTED
    assert kit.lamp.writes == 0
    assert not any(isinstance(e, Planned) and e.undo.restores is False for e in kit.events)


def test_a_halt_while_recovery_is_awaited_is_an_abort_and_no_failure_to_recover(tmp_path: Path) -> None:
    kit = Kit(tmp_path, stable_s=30)
    kit.world.clock.at(8, lambda: kit.control.halt("enough"))
    found = kit.control.run(request(duration_s=5))
    assert found.reverted is not None
    assert verdict(found) is Verdict.ABORTED
    assert "enough" in found.judgement.reasons[0]


# --- asked again just before -----------------------------------------------------------------------------


def meanwhile(kit: Kit, then: Callable[[], object], touches: Resource = Resource.PROCESS) -> None:
    """Let something happen between the admission and the injection: while the fault is prepared."""
    prepare = engine_kit.Darken.prepare

    def late(fault: Any, order: Any, world: Any) -> Any:
        then()
        return prepare(fault, order, world)

    faults: Any = kit.injector._parts.faults
    faults[engine_kit.Darken.name] = type("Late", (engine_kit.Darken,), {"prepare": late, "touches": touches})


def refused_by(kit: Kit) -> str:
    with pytest.raises(RefusedError) as caught:
        kit.control.run(request())
    assert kit.lamp.writes == 0
    (found,) = kit.store.recent()
    assert verdict(found) is Verdict.REFUSED
    assert found.undo is None
    assert found.refused.rule == caught.value.rule
    assert "asked again just before" in found.refused.reason
    return str(caught.value.rule)


def test_a_halt_between_admission_and_injection_is_a_refusal(kit: Kit) -> None:
    meanwhile(kit, lambda: kit.store.note("halt", "by another process"))
    assert refused_by(kit) == "halted"


def test_a_window_that_closed_meanwhile_refuses(tmp_path: Path) -> None:
    hour = 15  # of the fake clock
    kit = Kit(tmp_path, guard=GuardSetting(windows=(Window.parse(f"{hour:02}:00-{hour + 1:02}:00 UTC"),)))
    assert kit.world.clock.now().hour == hour
    meanwhile(kit, lambda: kit.world.clock.advance(3600))
    assert refused_by(kit) == "window"


def test_another_clone_under_the_same_name_is_drift(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    kit = Kit(tmp_path)
    kit.world.files = LocalFiles()
    target = replace(kit.target, repository=Repository(worktree=(str(clone),)))
    parts = kit.injector._parts
    kit.injector._parts = replace(parts, settings=replace(kit.settings, targets={"editor": target}))

    def swap() -> None:
        clone.rename(tmp_path / "moved")
        clone.mkdir()

    meanwhile(kit, swap, Resource.REPOSITORY)
    assert refused_by(kit) == "drift"


def test_a_queue_made_anew_is_drift(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    kit.world.sqs.add("http://h/1/q")
    target = replace(kit.target, queue=Queue(url="http://h/1/q"))
    parts = kit.injector._parts
    kit.injector._parts = replace(parts, settings=replace(kit.settings, targets={"editor": target}))
    kit.world.sqs.created_s = 1.0
    meanwhile(kit, lambda: setattr(kit.world.sqs, "created_s", 2.0), Resource.QUEUE)
    assert refused_by(kit) == "drift"


def test_what_nobody_can_look_at_any_more_is_drift(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    kit.world.sqs.add("http://h/1/q")
    target = replace(kit.target, queue=Queue(url="http://h/1/q"))
    parts = kit.injector._parts
    kit.injector._parts = replace(parts, settings=replace(kit.settings, targets={"editor": target}))
    meanwhile(kit, lambda: kit.world.cut("sqs"), Resource.QUEUE)
    assert refused_by(kit) == "drift"


def test_without_any_rule_nothing_is_in_the_way(kit: Kit) -> None:
    meanwhile(kit, lambda: kit.world.clock.advance(3600))
    assert kit.control.run(request(duration_s=0)).refused is None
