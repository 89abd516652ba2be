"""A real Prometheus, asked by the guard's own questions."""

import shutil
import socket
import subprocess
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

PROMETHEUS = shutil.which("prometheus")
pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus on this system (Debian: prometheus)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Prometheus on loopback; it scrapes itself every second. Stopped by its handle."""
    home = Path(tmp_path_factory.mktemp("prometheus"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    scrape = {"job_name": "self", "scrape_interval": "1s", "static_configs": [{"targets": [address]}]}
    (home / "p.yml").write_text(f"scrape_configs: [{scrape}]\n")
    words = [f"--config.file={home / 'p.yml'}", f"--storage.tsdb.path={home}", f"--web.listen-address={address}"]
    log = (home / "log").open("wb")
    process = subprocess.Popen([str(PROMETHEUS), *words], stdout=log, stderr=log)
    try:
        over_s = time.monotonic() + 60
        while not isinstance(stop(f"http://{address}", "up == 1"), str):
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < over_s, (home / "log").read_text()
            time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)
        log.close()


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
