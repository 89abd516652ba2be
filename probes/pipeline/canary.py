"""One marked message through the whole pipeline, timed: queue, commit on its branch of the remote, deployment."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from daemon.core import messages
from daemon.core.calls import Call, On, calls
from daemon.core.errors import ConfigError, TargetAbsentError, UnreachableError
from daemon.core.messages import Command
from daemon.core.model import Finding, Instant, Reading, Status
from daemon.core.parameters import parameter
from daemon.core.seams import World
from daemon.core.target import Queue, Repository, Target
from probes.pipeline.mirror import FIRST_FETCH_S, Mirror, remote_url
from probes.pipeline.trace import Trace, Waiting

SESSION, THREAD = "session-canary", "thread-canary"


@dataclass(slots=True, kw_only=True)
class PipelineCanary:
    """Sends one message of its own session and waits for its effect; the only probe that changes anything.

    FAILING names the stage it stopped at. UNKNOWN when its own means fail: queue, remote or bucket unreachable at
    the last look, or the deployment overtaken by other work before it was seen. A canary that is late stays in the
    queue and is handled later: deleting it could take a message out of a worker's hands.
    """

    name: ClassVar[str] = "pipeline-canary"
    summary: ClassVar[str] = "Sends one marked message and times it to its commit and deployment"
    calls: ClassVar[tuple[Call, ...]] = (
        *calls(On.INPUT, "sqs.facts", "sqs.send"),
        *calls(On.DEPLOYMENT, "s3.head", "s3.get"),
    )
    measures: ClassVar[Mapping[str, str]] = {
        "commit_seconds": "from sending to the commit on its branch of the remote",
        "deployed_seconds": "from that commit to its deployment",
        "total_seconds": "from sending to the last stage that the target has",
    }

    timeout: float = parameter(0.0, "when it counts as lost; 0: the target's limits.message", unit="s")
    poll: float = parameter(0.2, "between two looks", unit="s", least=0.05)
    instruction: str = parameter("Add this line to the file of this session.", "what the worker is asked to do")
    _url: str = field(default="", init=False)
    _sent: int = field(default=0, init=False)

    def observe(self, target: Target, world: World) -> Reading:
        if target.queue is None or target.repository is None:
            raise TargetAbsentError(f"no canary sent: target {target.name} needs a queue and a repository")
        # Remembered, because a broken clone may be the very fault that the canary is to time.
        self._url = self._url or remote_url(target.repository, world)
        self._sent += 1
        order, token = self._order(target, world)
        trace = self._trace(
            target, target.repository, _branch(order, target.queue, target.repository), token, world
        )
        began = _send(order, token, target.queue, world)
        return self._watch(trace, began, self.timeout or target.limits.message_s)

    def _order(self, target: Target, world: World) -> tuple[Command, str]:
        """Make the command; its names never repeat, so that no worker takes it for one it has done."""
        at_ms = int(world.clock.instant().wall_s * 1000)
        seed, sequence = f"canary {target.name} {at_ms} {self._sent}", at_ms % messages.SEQUENCE_MOST
        made = messages.command(seed, sequence, timestamp_ms=at_ms, instruction=self.instruction)
        return replace(made, session=SESSION, thread=THREAD), messages.token(seed, sequence)

    def _trace(self, target: Target, repository: Repository, branch: str, token: str, world: World) -> Trace:
        """Learn what is there before the message; the mirror's first fetch is done before the time runs."""
        mirror = Mirror.of(target, self._url, world)
        tips = mirror.tips((branch, repository.mainline))
        mirror.fetch(tuple(tips), timeout_s=FIRST_FETCH_S)
        place = target.deployment
        return Trace(
            world=world,
            mirror=mirror,
            token=token,
            branch=branch,
            known=tuple(tips.values()),
            deployment=place,
            before=world.s3.head(place.bucket, place.key) if place is not None else None,
        )

    def _watch(self, trace: Trace, began: Instant, limit_s: float) -> Reading:
        clock = trace.world.clock
        while True:
            waiting = trace.look()
            passed_s = clock.instant().mono_s - began.mono_s
            if waiting is None or passed_s >= limit_s:
                return _reading(trace, waiting, began, limit_s)
            clock.wait(None, min(self.poll, limit_s - passed_s))


def _branch(order: Command, queue: Queue, repository: Repository) -> str:
    try:
        branch = messages.branch(repository.branch, messages.body(order, queue.format))
    except ValueError as error:
        raise ConfigError(f"no canary sent: {error}", hint="correct queue.format") from None
    if branch is None:
        raise ConfigError(
            f"no canary sent: its message lacks a field of the branch template {repository.branch!r}",
            hint="use in repository.branch only fields that queue.format writes",
        )
    return branch


def _send(order: Command, token: str, queue: Queue, world: World) -> Instant:
    """Send the one message and return when it was about to be sent."""
    fifo = world.sqs.facts(queue.url).fifo
    message = messages.message(order, f"canary-{token}", form=queue.format, fifo=fifo)
    began = world.clock.instant()
    (error,) = world.sqs.send(queue.url, (message,))
    if error is not None:
        raise UnreachableError(f"no canary sent: {queue.url} answered {error}")
    return began


def _reading(trace: Trace, waiting: Waiting | None, began: Instant, limit_s: float) -> Reading:
    """Judge at the end; a stage that was not reached has no measure."""
    measures = {}
    if trace.committed is not None:
        measures["commit_seconds"] = trace.committed.mono_s - began.mono_s
        if trace.deployed is not None:
            measures["deployed_seconds"] = trace.deployed.mono_s - trace.committed.mono_s
    if waiting is not None:
        wrong = Finding(waiting.stage, f"{waiting.detail}, {limit_s:g} s after it was sent")
        status = Status.FAILING if waiting.known else Status.UNKNOWN
        return Reading(status=status, measures=measures, findings=(wrong, *trace.notes))
    measures["total_seconds"] = sum(measures.values())
    if measures["total_seconds"] <= limit_s:
        return Reading(status=Status.OK, measures=measures, findings=tuple(trace.notes))
    late = Finding("late", f"done {measures['total_seconds']:.1f} s after it was sent, limit {limit_s:g} s")
    return Reading(status=Status.FAILING, measures=measures, findings=(late, *trace.notes))
