"""What the guard asks of AWS before a fault: for the policy that has to allow it. Pure."""

from daemon.core.calls import Call, On, calls, sends
from daemon.core.model import Resource
from daemon.core.settings import GuardSetting


def guard_calls(
    rules: GuardSetting, touches: Resource, striking: tuple[Call, ...], *, beside: bool
) -> tuple[Call, ...]:
    """Return what guard and drift check ask before a fault that touches this and makes the calls ``striking``.

    ``beside``: a workload is played beside it, which sends to the target's input queue.
    """
    counted = touches in {Resource.ECS, Resource.PROCESS} and (
        rules.min_healthy_tasks or rules.max_percent is not None
    )
    tagged = rules.require_tag is not None or rules.protect_tag is not None
    interrupts = sends(call for call in striking if call.on is On.INTERRUPTS)
    return (
        *(calls(On.SERVICE, "ecs.service") if counted or (tagged and touches is Resource.ECS) else ()),
        *(calls(On.INPUT, "sqs.facts") if touches is Resource.QUEUE else ()),
        *(calls(On.INPUT, "sqs.tags") if tagged and (touches is Resource.QUEUE or beside) else ()),
        *(calls(On.INTERRUPTS, "sqs.tags") if tagged and interrupts else ()),
    )
