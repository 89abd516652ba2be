"""``/probe``: one probe by its configured name, as Prometheus asks for it; and ``/-/reload``."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.api.conftest import CONTROL, READ, Running, audit, call


def ask(running: Running, query: str, **headers: str) -> tuple[int, str]:
    status, _, text = call(running, "GET", f"/probe?{query}", **headers)
    return status, text


def test_a_probe_is_asked_by_name_and_answers_as_prometheus_reads_it(daemon: Running) -> None:
    status, text = ask(daemon, "target=clone&module=health", X_Prometheus_Scrape_Timeout_Seconds="10")
    assert status == 200
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found[("probe_success",)] == 1
    assert found[("probe_timed_out",)] == 0
    assert found[("probe_duration_seconds",)] > 0
    assert found[("probe_value", "clones")] == 1
    assert [found[("probe_status", s)] for s in ("ok", "failing", "unknown")] == [1, 0, 0]


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("target=clone&module=nothing", 404, "configured: health"),
        ("target=/etc&module=health", 404, "configured: clone"),
        ("target=clone", 400, "module"),
        ("module=health", 400, "target"),
        ("target=clone&module=health&path=/etc", 400, "path"),
    ],
)
def test_only_configured_names_are_probed(daemon: Running, query: str, status: int, says: str) -> None:
    found, text = ask(daemon, query)
    assert found == status
    assert says in json.loads(text)["detail"]


@pytest.mark.parametrize("timeout", ["soon", "-1", "nan", "inf", "0"])
def test_a_timeout_that_is_none_is_a_400(daemon: Running, timeout: str) -> None:
    found, text = ask(daemon, "target=clone&module=health", X_Prometheus_Scrape_Timeout_Seconds=timeout)
    assert found == 400
    assert "X-Prometheus-Scrape-Timeout-Seconds" in json.loads(text)["detail"]


def test_reload_needs_control_and_is_audited(daemon: Running) -> None:
    assert call(daemon, "POST", "/-/reload", {}, token=READ)[0] == 403
    assert (audit(daemon)[-1]["verb"], audit(daemon)[-1]["outcome"]) == ("reload", "refused")
    status, _, text = call(daemon, "POST", "/-/reload", {}, token=CONTROL)
    assert status == 200
    assert json.loads(text)["probes"] == {"added": [], "removed": [], "changed": []}  # the file is what it was
    assert "accepted" in [e["outcome"] for e in audit(daemon) if e["verb"] == "reload"]
