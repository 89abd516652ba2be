"""Two injections on one lever: the second is refused, so that each value that is restored is the one that was."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from daemon.core.errors import RefusedError
from daemon.core.events import Injection, State
from daemon.core.model import Resource, Undo
from daemon.core.plan import Request
from daemon.core.settings import GuardSetting, Settings
from daemon.core.target import EcsService, Limits, Processes, Target
from daemon.engine.facts import Asked, gather
from faults.ecs.scale import EcsScale
from faults.process.descriptors import FdExhaustion
from faults.process.pause import ProcessPause
from tests.engine_kit import Kit
from tests.fakes import FakeClock

SERVICE = EcsService(cluster="c", service="s")


class Shared(Kit):
    """A kit whose second target names the same service and processes as the first one."""

    targets: ClassVar[tuple[str, ...]] = ("editor", "twin")

    @property
    def settings(self) -> Settings:
        made = super().settings
        named = {
            name: Target(name=name, ecs=SERVICE, processes=Processes(match="worker"), limits=Limits(recover_s=30))
            for name in self.targets
        }
        return Settings(
            sampling=made.sampling,
            targets=named,
            probes=made.probes,
            steady_state=dict.fromkeys(self.targets, self.steady),
            guard=made.guard,
        )


@pytest.fixture
def kit(tmp_path: Path) -> Shared:
    made = Shared(tmp_path, guard=GuardSetting(max_active=3, max_active_per_target=3))
    made.world.ecs.add("c", "s", 4)
    made.world.processes.start("worker")
    made.parts.faults.update({EcsScale.name: EcsScale, FdExhaustion.name: FdExhaustion})
    return made


def request(fault: str, duration_s: float, target: str = "editor", **parameters: str) -> Request:
    return Request(
        fault=fault,
        target=target,
        parameters=parameters,
        duration_s=duration_s,
        origin="cli",
        by="test",
        seed=None,
        recover_s=20,
    )


def levers(kit: Kit) -> tuple[int, Any]:
    (worker,) = kit.world.processes.find(match="worker")
    return kit.world.ecs.service("c", "s").desired, kit.world.processes.open_files(worker).soft


@pytest.mark.parametrize("target", ["editor", "twin"])
@pytest.mark.parametrize(
    ("fault", "first", "second"),
    [("ecs-scale", {"tasks": "2"}, {"tasks": "1"}), ("fd-exhaustion", {"spare": "100"}, {"spare": "0"})],
)
def test_the_second_on_one_lever_is_refused_and_what_was_comes_back(
    kit: Shared, target: str, fault: str, first: dict[str, str], second: dict[str, str]
) -> None:
    before, refused = levers(kit), []

    def meanwhile() -> None:
        with pytest.raises(RefusedError) as raised:
            kit.control.run(request(fault, 30, target, **second))
        refused.append(raised.value)

    kit.world.clock.at(5, meanwhile)
    found = kit.control.run(request(fault, 10, **first))
    assert found.state is State.REVERTED
    assert [one.rule for one in refused] == ["overlap"]
    assert f"{found.plan.injection} holds the same victim" in refused[0].message
    assert "wait for its end" in refused[0].message
    assert levers(kit) == before
    after = kit.control.run(request(fault, 10, target, **second))
    assert (after.state, levers(kit)) == (State.REVERTED, before)


@pytest.mark.parametrize("mode", ["group", "children"])
def test_what_is_hit_beside_the_victim_is_held_as_well(kit: Shared, mode: str) -> None:
    kit.parts.faults[ProcessPause.name] = ProcessPause
    (leader,) = kit.world.processes.find(match="worker")
    kit.world.processes.start("git push", group=leader.pid, parent=leader.pid)
    refused = []

    def meanwhile() -> None:
        with pytest.raises(RefusedError) as raised:
            kit.control.run(request("fd-exhaustion", 1, "twin", match="git push"))
        refused.append(raised.value.rule)

    kit.world.clock.at(5, meanwhile)
    found = kit.control.run(request("process-pause", 10, match="worker", mode=mode))
    assert (found.state, refused) == (State.REVERTED, ["overlap"])


def test_two_levers_of_one_target_are_held_at_once(kit: Shared) -> None:
    before, beside = levers(kit), []
    kit.world.clock.at(5, lambda: beside.append(kit.control.run(request("fd-exhaustion", 1, spare="0"))))
    found = kit.control.run(request("ecs-scale", 10, tasks="2"))
    assert [one.state for one in (found, *beside)] == [State.REVERTED, State.REVERTED]
    assert levers(kit) == before


@pytest.mark.parametrize(
    ("where", "own", "expected"),
    [
        ("outstanding", "inj-1", "inj-0"),  # its undo failed: it is judged, and runs no more
        ("running", "inj-1", None),  # taken back, and watched until it has recovered
        ("outstanding", "inj-0", None),
    ],
)
def test_what_is_not_taken_back_counts_whether_it_runs_or_not(where: str, own: str, expected: str | None) -> None:
    victim = {"cluster": "c", "service": "s"}
    undo = Undo(fault="f", mode="m", victim=victim, actions=(), data={})
    plan: Any = SimpleNamespace(injection="inj-0", target="twin")
    entry = Injection(plan=plan, undo=undo, state=State.REVERT_FAILED if where == "outstanding" else State.REVERTED)
    none: Any = {"outstanding": tuple, "running": tuple, where: lambda: (entry,)}
    past: Any = SimpleNamespace(noted=lambda _: None, started=lambda **_: (), recent=lambda **_: (), **none)
    world: Any = SimpleNamespace(clock=FakeClock())
    facts = gather(
        Target(name="editor"),
        Resource.ECS,
        past=past,
        world=world,
        rules=GuardSetting(),
        asked=Asked(own=own, victim=victim),
    )
    assert facts.overlaps == expected
