"""A real Prometheus, asked by the guard's own questions."""

import time  # noqa: TID251 - bounds the wait for a real process
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.guard import Unanswered
from daemon.core.levers import ErrorBudget, StopQuery
from daemon.core.settings import GuardSetting
from daemon.engine.outside import Outside
from daemon.ports.local import LocalHttp
from tests.fakes import FakeWorld
from tests.integration.prometheus.server import PROMETHEUS, running

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus on this system (Debian: prometheus)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Prometheus on loopback; it scrapes itself every second."""
    with running(Path(tmp_path_factory.mktemp("prometheus")), {"self": ()}, {}) as found:
        over_s = time.monotonic() + 60
        while not isinstance(stop(found.address, "up == 1"), str):
            assert time.monotonic() < over_s
            time.sleep(0.1)
        yield found.address


def asked(rules: GuardSetting) -> Outside:
    world: Any = FakeWorld("/nowhere")
    world.http = LocalHttp()
    return Outside(rules, world=world, lookouts=[], halt_files=[], fast_s=1)


def stop(address: str, query: str, **limit: float) -> Any:
    condition = StopQuery(prometheus=address, query=query, **limit)
    (found,) = asked(GuardSetting(stop_when=(condition,))).stops().values()
    return found


def test_a_query_holds_as_an_alerting_rule_does(server: str) -> None:
    assert stop(server, "up == 1") == "its value is 1"
    assert stop(server, "up == 0") is None


def test_a_query_holds_beyond_its_limit(server: str) -> None:
    assert stop(server, 'up{job="self"}', above=0.5) == "its value is 1"
    assert stop(server, 'up{job="self"}', above=1) is None
    assert stop(server, "vector(3) * 2", below=6.5) == "its value is 6"
    assert stop(server, "scalar(vector(7))", above=6) == "its value is 7"


def test_what_prometheus_cannot_tell_is_unanswered(server: str) -> None:
    for query in ("nobody_exports_this", "sum(", "up[5m]", "0/0"):
        found = stop(server, query, above=1)
        assert isinstance(found, Unanswered), query
    assert "parse error" in stop(server, "sum(", above=1).reason
    assert "is a matrix" in stop(server, "up[5m]", above=1).reason


def test_the_error_budget_is_read_over_its_window(server: str) -> None:
    def share(query: str) -> Any:
        budget = ErrorBudget(objective=0.99, prometheus=server, window="1h", query=query)
        return asked(GuardSetting(error_budget=budget)).steady_share("self")

    assert 0 < share('avg_over_time(up{job="$target"}[$window])') <= 1
    assert "has 0 series" in share('avg_over_time(up{job="other"}[$window])').reason
    assert (
        "has 2 series" in share('label_replace(up, "x", "1", "", "") or label_replace(up, "x", "2", "", "")').reason
    )


def test_nobody_there_is_unanswered() -> None:
    assert isinstance(stop("http://127.0.0.1:1", "up", above=1), Unanswered)
