"""The dashboards as committed: made by the code beside them, valid by Grafana's own schema, whole in themselves."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from daemon.core.settings import Sampling, Settings
from daemon.faces.metrics import Metrics
from daemon.faces.proxied import ProxyCollector
from tests import promql

GRAFANA = promql.ROOT / "deploy/grafana"
SCHEMA = Path(__file__).with_name("grafana-dashboard.schema.json")
BOARDS = {board["uid"]: board for board in promql.boards()}
BUILT_IN = {"__rate_interval", "__range"}
OTHERS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}
# What a panel must count in, by how the metric's name ends; a share of two times is a share.
UNITS = {
    "_timestamp_seconds": {"dateTimeFromNow", "s", "short"},
    "_seconds": {"s", "percentunit"},
    ":p50_7d": {"s"},
    ":p95_7d": {"s", "percentunit"},
    "_bytes": {"bytes"},
    "_total": {"short", "percentunit"},
    ":avg1d": {"percentunit"},
    ":coverage1d": {"percentunit"},
}


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (panel for panel in board["panels"] if panel["type"] != "row")


def test_the_files_are_what_the_code_makes(tmp_path: Path) -> None:
    script = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); import dashboards as d; "
        "print(json.dumps({b.uid: d.written(b) for b in d.BOARDS}))"
    )
    words = [sys.executable, "-c", script, str(GRAFANA)]
    made = json.loads(subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, text=True).stdout)
    assert made.keys() == BOARDS.keys() == {"chaosd-overview", "chaosd-target", "chaosd-daemon"}
    for uid, text in made.items():
        assert (promql.DASHBOARDS / f"{uid}.json").read_text() == text, f"{uid}: run deploy/grafana/dashboards.py"


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("uid", BOARDS)
def test_grafanas_own_schema_accepts_them(validator: Any, uid: str) -> None:
    assert [error.message for error in validator.iter_errors(BOARDS[uid])] == []


def test_the_schema_refuses_what_is_wrong(validator: Any) -> None:
    for spoil in (
        lambda board: board["panels"][1]["gridPos"].update(w="wide"),
        lambda board: board["templating"]["list"][1].update(type="queri"),
        lambda board: board["panels"][1].pop("type"),
    ):
        board = json.loads(json.dumps(BOARDS["chaosd-overview"]))
        spoil(board)
        assert list(validator.iter_errors(board)) != []


@pytest.mark.parametrize("uid", BOARDS)
def test_ids_are_unique_and_no_panel_lies_on_another(uid: str) -> None:
    board = BOARDS[uid]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    assert len({(p["title"]) for p in panels(board)}) == len(list(panels(board)))
    covered: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & covered, panel["title"]
        covered |= cells
    for panel in panels(board):
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("uid", BOARDS)
def test_every_panel_counts_in_the_unit_of_its_metric(uid: str) -> None:
    for panel in panels(BOARDS[uid]):
        unit = panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            for name in names(target["expr"]):
                allowed = next((units for end, units in UNITS.items() if name.endswith(end)), None)
                assert allowed is None or unit in allowed, f"{panel['title']}: {name} in {unit}"


@pytest.mark.parametrize("uid", BOARDS)
def test_nothing_and_what_is_unknown_are_never_painted_good(uid: str) -> None:
    for panel in panels(BOARDS[uid]):
        special = [m["options"] for m in panel["fieldConfig"]["defaults"]["mappings"] if m["type"] == "special"]
        assert [(m["match"], m["result"]["text"], m["result"]["color"]) for m in special] == [
            ("null+nan", "unknown", "purple")
        ], panel["title"]
        one_value = panel["type"] in {"stat", "bargauge"}
        for target in panel["targets"]:
            assert "vector(" not in target["expr"], f"{panel['title']}: a number out of nothing"
            assert target.get("instant", False) is one_value, f"{panel['title']}: the last value may be hours old"


@pytest.mark.parametrize("uid", BOARDS)
def test_every_variable_used_is_defined_and_every_one_defined_is_used(uid: str) -> None:
    board = BOARDS[uid]
    defined = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps([board["panels"], board["annotations"]]))) - BUILT_IN
    assert used == defined
    several = any(variable.get("multi") for variable in board["templating"]["list"])
    for target in (t for panel in panels(board) for t in panel["targets"]):
        # several values are filled in as a regular expression: an equality would match none of them
        assert not re.search(r'(?<![~])="\$', target["expr"]) or not several


def names(expression: str) -> set[str]:
    """Return the metrics an expression asks for."""
    text = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|on|without|group_left)\s*\([^)]*\)', " ", expression)
    return {
        n for n in re.findall(r"[a-z_:]+[a-z0-9_:]*", text) if n.startswith(("chaosd_", "process_")) or ":" in n
    }


def test_every_metric_asked_for_is_exported_or_recorded() -> None:
    registry = Metrics(Settings(sampling=Sampling(probe_every_s=1)), version="1").registry
    ProxyCollector(registry, lambda: None)
    exported = set(registry._names_to_collectors)
    recorded = {rule["record"] for rule in promql.rules() if "record" in rule}
    asked = {n for e in (*promql.of_rules(), *promql.of_dashboards()) for n in names(e.text)}
    assert asked - exported - recorded - OTHERS == set()
    assert len(asked) > 25
    assert names('sum by (a_total) (increase(chaosd_gone_total{x="chaosd_no"}[1m])) / a:b:c') == {
        "chaosd_gone_total",
        "a:b:c",
    }


def test_promtool_reads_every_query(tmp_path: Path) -> None:
    found = promql.of_dashboards()
    listed = [{"record": f"q:{i}", "expr": e.text} for i, e in enumerate(found)]
    (tmp_path / "q.yml").write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": listed}]}))
    words = ["promtool", "check", "rules", "--lint=none", str(tmp_path / "q.yml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(found)} rules found" in done.stdout


IN_A, IN_B = ('job="chaosd", instance="a"', 'job="chaosd", instance="b"')
LOCK = 'fault="git-lock", target="editor"'
SHOWN = (
    ("Halted", {}, None),
    ("Halted", {f"chaosd_halted{{{IN_A}}}": "0", f"chaosd_halted{{{IN_B}}}": "0"}, 0),
    ("Halted", {f"chaosd_halted{{{IN_A}}}": "0", f"chaosd_halted{{{IN_B}}}": "NaN"}, math.nan),
    ("Halted", {f"chaosd_halted{{{IN_A}}}": "1", f"chaosd_halted{{{IN_B}}}": "NaN"}, 1),
    (
        "Undo outstanding",
        {f"chaosd_pending_undo{{{IN_A}}}": "0", f"chaosd_pending_undo{{{IN_B}}}": "NaN"},
        math.nan,
    ),
    ("Steady targets", {}, None),
    (
        "Steady targets",
        {
            f'chaosd_steady_state{{{IN_A}, target="editor"}}': "0",
            f'chaosd_steady_state{{{IN_B}, target="editor"}}': "1",
            f'chaosd_steady_state{{{IN_B}, target="shop"}}': "1",
        },
        0.5,
    ),
    (
        "Steady share of the last day",  # of eight looks two were bad, all of them by one that is gone
        {
            f'chaosd_steady_state{{{IN_A}, target="editor"}}': "0 0 stale",
            'chaosd_steady_state{job="other", instance="b", target="editor"}': "1",
        },
        0.75,
    ),
    ("Past their deadline", {}, None),
    ("Past their deadline", {f"chaosd_fault_active{{{IN_A}, {LOCK}}}": "0"}, 0),
    (
        "Past their deadline",
        {
            f"chaosd_fault_active{{{IN_A}, {LOCK}}}": "1",
            f"chaosd_fault_deadline_timestamp_seconds{{{IN_A}, {LOCK}}}": "60",
        },
        1,
    ),
)


@pytest.mark.parametrize(("title", "told", "shown"), SHOWN)
def test_what_a_panel_shows_where_nobody_tells_or_one_cannot(
    tmp_path: Path, title: str, told: dict[str, str], shown: float | None
) -> None:
    (expr,) = [e.text for e in promql.of_dashboards() if e.where == f"chaosd-overview / {title} / A"]
    unknown = shown is not None and math.isnan(shown)  # NaN differs from itself, and so from what a test expects
    expected = [] if shown is None else [{"labels": "{}", "value": 1 if unknown else shown}]
    asked = f"count(({expr}) != ({expr}))" if unknown else f"sum({expr})"
    case = {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": value if " " in value else " ".join([value] * 6)}
            for name, value in told.items()
        ],
        "promql_expr_test": [{"expr": asked, "eval_time": "5m", "exp_samples": expected}],
    }
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"tests": [case]}))
    words = ["promtool", "test", "rules", str(tmp_path / "case.yml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_provisioning_names_what_is_there() -> None:
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/chaosd.yml").read_text())["providers"]
    assert provider["type"] == "file"
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
