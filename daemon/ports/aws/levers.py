"""CloudWatch alarms, SSM parameters and the FIS safety lever through boto3: what others pull to stop everything."""

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from daemon.core.errors import TargetAbsentError
from daemon.ports.aws.translate import calling

if TYPE_CHECKING:
    from daemon.ports.aws.clients import Clients


class LeversPort:
    """Implements ``cloud.Levers``; each client is made when first asked for. Safe to share between threads."""

    def __init__(self, clients: "Clients") -> None:
        self._clients = clients
        self._lock = Lock()

    def alarm(self, name: str) -> tuple[str, str]:
        undone = f"the CloudWatch alarm {name} was not read"
        with calling("cloudwatch:DescribeAlarms", undone):
            answer = self._client("cloudwatch").describe_alarms(
                AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
        found = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        if not found:
            raise TargetAbsentError(f"{undone}: there is none", hint="check its name and aws.region")
        return str(found[0]["StateValue"]), str(found[0].get("StateReason", ""))

    def parameter(self, name: str) -> str:
        undone = f"the SSM parameter {name} was not read"
        client = self._client("ssm")
        with calling("ssm:GetParameter", undone):
            try:
                answer = client.get_parameter(Name=name)
            except client.exceptions.ParameterNotFound as error:
                hint = "create it with the value `released`: a lever that is not there cannot be read"
                raise TargetAbsentError(f"{undone}: there is none", hint=hint) from error
        return str(answer["Parameter"]["Value"])

    def safety_lever(self, name: str) -> tuple[str, str]:
        with calling("fis:GetSafetyLever", f"the FIS safety lever {name} was not read"):
            answer = self._client("fis").get_safety_lever(id=name)
        state = answer["safetyLever"]["state"]
        return str(state["status"]), str(state.get("reason", ""))

    def _client(self, service: str) -> Any:
        # cached_property takes no lock, and a boto3 session must not make two clients at once.
        with self._lock:
            return getattr(self, f"_{service}")

    @cached_property
    def _cloudwatch(self) -> Any:
        return self._clients.lever("cloudwatch")

    @cached_property
    def _ssm(self) -> Any:
        return self._clients.lever("ssm")

    @cached_property
    def _fis(self) -> Any:
        return self._clients.lever("fis")
