"""The proxy's families in the exposition."""

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from daemon.faces.proxied import ProxyCollector


def rendered(said: dict[str, Any] | None) -> list[str]:
    registry = CollectorRegistry()
    ProxyCollector(registry, lambda: said)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_what_went_through_and_what_was_disturbed() -> None:
    call = {"service": "sqs", "operation": "SendMessage", "end": "2xx", "calls": 3}
    said = {"calls": [call, {**call, "end": "reset", "calls": 2}], "struck": {"aws-reset": 2}}
    assert rendered(said) == [
        "chaosd_proxy_up 1.0",
        'chaosd_proxy_requests_total{aws_service="sqs",operation="SendMessage"} 5.0',
        'chaosd_proxy_faults_total{fault="aws-reset"} 2.0',
    ]


def test_a_known_fault_has_its_series_from_the_start() -> None:
    registry = CollectorRegistry()
    ProxyCollector(registry, lambda: {"calls": [], "struck": {"aws-reset": 2}}, ["aws-hang", "aws-reset"])
    assert registry.get_sample_value("chaosd_proxy_faults_total", {"fault": "aws-hang"}) == 0
    assert registry.get_sample_value("chaosd_proxy_faults_total", {"fault": "aws-reset"}) == 2


def test_one_that_does_not_answer_is_down() -> None:
    assert rendered(None) == ["chaosd_proxy_up 0.0"]
