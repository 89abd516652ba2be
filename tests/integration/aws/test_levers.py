"""Alarms and parameters as the emulator keeps them; the safety lever, which it has not, at the wire."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from daemon.core.errors import RefusedError, TargetAbsentError, UnreachableError
from daemon.ports.aws import AwsPort
from tests.integration.aws.conftest import REGION


@pytest.fixture
def levers(endpoint: str) -> Any:
    return AwsPort(REGION, endpoint).levers


def test_an_alarm_s_state_and_reason(levers: Any, client: Callable[[str], Any]) -> None:
    watch = client("cloudwatch")
    common = {"Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
    watch.put_metric_alarm(AlarmName="a", Threshold=1, ComparisonOperator="GreaterThanThreshold", **common)
    for state in ("OK", "ALARM"):
        watch.set_alarm_state(AlarmName="a", StateValue=state, StateReason=f"said {state}")
        assert levers.alarm("a") == (state, f"said {state}")
    with pytest.raises(TargetAbsentError, match="the CloudWatch alarm b was not read: there is none"):
        levers.alarm("b")


def test_a_parameter_s_value(levers: Any, client: Callable[[str], Any]) -> None:
    client("ssm").put_parameter(Name="/chaosd/halt", Value="released", Type="String")
    assert levers.parameter("/chaosd/halt") == "released"
    with pytest.raises(TargetAbsentError, match="the SSM parameter /other was not read: there is none"):
        levers.parameter("/other")


@pytest.fixture
def fis() -> Iterator[Any]:
    """Serve what FIS answers on the wire: status and body are set by the test."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.paths.append(self.path)
            self.send_response(server.status)
            self.send_header("Content-Type", "application/json")
            if server.status != 200:
                self.send_header("x-amzn-ErrorType", server.code)
            self.end_headers()
            self.wfile.write(json.dumps(server.body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server: Any = HTTPServer(("127.0.0.1", 0), Answer)
    server.status, server.body, server.code, server.paths = 200, {}, "", []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_safety_lever_s_state_and_reason(fis: Any) -> None:
    port = AwsPort(REGION, f"http://127.0.0.1:{fis.server_port}").levers
    fis.body = {"safetyLever": {"id": "default", "state": {"status": "engaged", "reason": "incident"}}}
    assert port.safety_lever("default") == ("engaged", "incident")
    assert fis.paths == ["/safetyLevers/default"]
    fis.body = {"safetyLever": {"id": "default", "state": {"status": "disengaged"}}}
    assert port.safety_lever("default") == ("disengaged", "")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (404, "ResourceNotFoundException", TargetAbsentError),
        (403, "AccessDeniedException", RefusedError),
        (503, "ServiceUnavailable", UnreachableError),
    ],
)
def test_a_lever_that_cannot_be_read_says_why(fis: Any, status: int, code: str, error: type[Exception]) -> None:
    fis.status, fis.code, fis.body = status, code, {"message": "no"}
    with pytest.raises(error, match="the FIS safety lever default was not read"):
        AwsPort(REGION, f"http://127.0.0.1:{fis.server_port}").levers.safety_lever("default")


def test_nobody_there_is_unreachable() -> None:
    port = AwsPort(REGION, "http://127.0.0.1:1").levers
    for ask in (lambda: port.alarm("a"), lambda: port.parameter("p"), lambda: port.safety_lever("default")):
        with pytest.raises(UnreachableError):
            ask()
