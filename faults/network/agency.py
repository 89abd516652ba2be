"""The way over the ECS agent: started, asked after and stopped by the kind and body of the undo record.

The agent knows neither owners nor an end, and a failed start of latency or loss may leave a queue behind that it
knows nothing of: then it says `not-running`, stops nothing and starts nothing any more. That can only be found out
by starting one more that hits nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from daemon.core.errors import BrokenStartError, RefusedError, UndoFailedError, UnreachableError, UntouchedError
from daemon.core.model import Json, Outcome, Reversion, Undo
from daemon.core.seams import Flag, World
from daemon.core.wire import CALL_S, LATENCY, LOSS, ONCE_S, SHAPING, AgentTask

WAY = "agent"
NOBODY = "192.0.2.1/32"  # RFC 5737: an address of documentation, at which nobody is
TRIES = 2  # a start that fails once may have been slow; one that fails twice meets a queue that stays
_NO_BODY: Mapping[str, Json] = {}
_PROBES: Mapping[str, Mapping[str, Json]] = {
    LATENCY: {"DelayMilliseconds": 1, "JitterMilliseconds": 0, "Sources": [NOBODY], "FlowsPercent": 1},
    LOSS: {"LossPercent": 1, "Sources": [NOBODY], "FlowsPercent": 1},
}


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of the agent."""

    kind: str
    body: Mapping[str, Json]


def prepared(steps: tuple[Step, ...], world: World) -> Mapping[str, Json]:
    """Return the record of these steps. Looks only; raises RefusedError when one runs already, or none may."""
    task = world.agent.task()
    if task.enabled is False:
        raise RefusedError(
            f"no network fault was started: task {task.id} does not allow fault injection",
            rule="permission",
            hint="set enableFaultInjection: true in the task definition, and start new tasks",
        )
    for step in steps:
        for kind, body in _excluding(step):
            if world.agent.running(kind, body):
                raise _not_ours(kind, task)
    return {
        "way": WAY,
        "task": task.id,
        "network": task.network,
        "steps": [{"kind": step.kind, "body": dict(step.body)} for step in steps],
    }


def seconds(data: Mapping[str, Json]) -> float:
    """Return how long striking, or taking back, may take: each call waits for its turn and its answer."""
    return (ONCE_S + CALL_S) * 2 * len(data["steps"])


def actions(data: Mapping[str, Json], said: str) -> tuple[str, ...]:
    """Return the sentences of the dry run."""
    calls = (f"{s['kind']} with {_words(s['body'])}" for s in data["steps"])
    return tuple(f"{said}: ask the ECS agent of task {data['task']} to start {call}" for call in calls)


def inject(undo: Undo, world: World, stop: Flag) -> None:
    """Start every step; raises what the agent says to one that does not start."""
    for number, step in enumerate(_steps(undo)):
        if stop.is_set():
            return
        try:
            world.agent.start(step.kind, step.body)
        except RefusedError as refused:
            if number == 0 and refused.rule == "overlap":  # what runs is somebody else's: not to be stopped
                raise UntouchedError.of(refused) from refused
            raise


def revert(undo: Undo, world: World) -> Reversion:
    """Stop every step that runs, and ask whether it does no more.

    Raises UndoFailedError when one runs on, or left a queue that only a new task is rid of.
    """
    elsewhere = _elsewhere(undo, world)
    if elsewhere is not None:
        return elsewhere
    stopped = [step.kind for step in _steps(undo) if _stop(step, undo, world)]
    proof = {"task": undo.data["task"], "stopped": stopped, "running": []}
    if stopped:
        said = ", ".join(sorted(set(stopped)))
        return Reversion(outcome=Outcome.RESTORED, proof=proof, detail=f"{said}: stopped, and the agent says so")
    detail = "the agent says that nothing of it runs: it never did, or somebody else stopped it"
    return Reversion(outcome=Outcome.UNTOUCHED, proof=proof, detail=detail)


def _stop(step: Step, undo: Undo, world: World) -> bool:
    """Stop one that runs; False when none did, and nothing of a failed start is left either."""
    agent = world.agent
    # A start outlives the chaosd that asked for it: the second look comes five seconds after the first.
    ran = agent.running(step.kind, step.body) or agent.running(step.kind, step.body)
    broken = ""
    if ran:
        try:
            agent.stop(step.kind, step.body)
        except UnreachableError as error:
            broken = error.message  # how it went is asked below
        if agent.running(step.kind, step.body):
            raise UndoFailedError(
                f"not undone: {step.kind} still runs in task {undo.data['task']}{broken and f' ({broken})'}",
                hint="run `chaosd recover` in chaosd's container again; a new task is without it in any case",
            )
    if step.kind in SHAPING and (broken or not ran):
        _require_clean(step.kind, undo, world)
    return ran


def _require_clean(kind: str, undo: Undo, world: World) -> None:
    """Start one that hits nobody, and stop it: only so can be told whether a broken start left its queue."""
    probe = _PROBES[kind]
    for tried in range(TRIES):
        try:
            world.agent.start(kind, probe)
        except BrokenStartError as error:
            if tried + 1 == TRIES:
                raise _dirty(kind, undo, error) from error
        except RefusedError as error:
            if error.rule != "overlap":
                raise
            return  # somebody else's runs by now, so the interfaces were clean
        else:
            break
    world.agent.stop(kind, _NO_BODY)
    if world.agent.running(kind, _NO_BODY):
        raise UndoFailedError(
            f"not undone: {kind} towards {NOBODY}, by which nobody is hit, does not stop",
            hint="run `chaosd recover` in chaosd's container again",
        )


def _dirty(kind: str, undo: Undo, error: BrokenStartError) -> UndoFailedError:
    return UndoFailedError(
        f"not undone: task {undo.data['task']} is dirty: a start of {kind} broke off and left its queue on the "
        f"interfaces, of which the agent knows nothing any more ({error.message})",
        hint=f"a new task is the only way: stop task {undo.data['task']} and let its service start another",
    )


def _elsewhere(undo: Undo, world: World) -> Reversion | None:
    """Say what became of the faults when this is another task than the one that was hit; None in that one."""
    here, hit = world.own_task, str(undo.data["task"])
    if here == hit:
        return None
    if here and undo.data["network"] != "host":
        return Reversion(
            outcome=Outcome.SUPERSEDED,
            proof={"task": hit, "here": here},
            detail=f"task {hit} has ended, and its network with it",
        )
    if undo.data["network"] == "host":
        where, ended = " on its container instance", "look at the tc and iptables of the instance it ran on"
    else:
        where, ended = "", "its network is gone and so are its faults: `chaosd settle`"
    raise UndoFailedError(
        f"not undone: the faults of task {hit}{where} can be stopped from within that task only",
        hint=f"run `chaosd recover` in chaosd's container of task {hit}; when it has ended, {ended}",
    )


def _excluding(step: Step) -> tuple[tuple[str, Mapping[str, Json]], ...]:
    """Return what must not run for a step to start: itself; latency and loss each other."""
    if step.kind in SHAPING:
        return tuple((kind, _NO_BODY) for kind in SHAPING)
    return ((step.kind, step.body),)


def _not_ours(kind: str, task: AgentTask) -> RefusedError:
    return RefusedError(
        f"no network fault was started: {kind} runs already in task {task.id}, and is not ours",
        rule="overlap",
        hint="an experiment of FIS, or what somebody started by hand: it has no end of its own, so ask them",
    )


def _steps(undo: Undo) -> tuple[Step, ...]:
    return tuple(Step(one["kind"], one["body"]) for one in undo.data["steps"])


def _words(body: Mapping[str, Json]) -> str:
    return ", ".join(f"{name} {value}" for name, value in body.items())
