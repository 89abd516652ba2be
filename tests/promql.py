"""Every expression that chaosd ships: of recording rules, alerts, and the dashboards' panels and variables."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy/prometheus"
DASHBOARDS = ROOT / "deploy/grafana/dashboards"
# What Grafana fills in: everything chosen, a scrape interval of a second.
VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$target": ".+", "$instance": ".+"}


@dataclass(frozen=True, slots=True)
class Expression:
    """``where`` names the rule, or dashboard and panel; ``text`` is what Prometheus is asked."""

    where: str
    text: str


def rules() -> list[dict[str, Any]]:
    """Return every rule, recording rules first."""
    files = (RULES / "chaosd-recording.yml", RULES / "chaosd-alerts.yml")
    return [r for file in files for group in yaml.safe_load(file.read_text())["groups"] for r in group["rules"]]


def boards() -> list[dict[str, Any]]:
    """Return every committed dashboard."""
    return [json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))]


def filled(text: str) -> str:
    """Return an expression with Grafana's variables filled in."""
    for name, value in VARIABLES.items():
        text = text.replace(name, value)
    assert "$" not in text, text
    return text


def of_rules() -> list[Expression]:
    return [Expression(r.get("record") or r["alert"], r["expr"]) for r in rules()]


def of_dashboards() -> list[Expression]:
    """Return the panels' queries, and those of variables."""
    found = []
    for board in boards():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                where = f"{board['uid']} / {panel['title']} / {target['refId']}"
                found.append(Expression(where, filled(target["expr"])))
        for variable in board["templating"]["list"]:
            asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", str(variable["query"]))
            if asked:
                where = f"{board['uid']} / variable {variable['name']}"
                found.append(Expression(where, f"count by ({asked[2]}) ({asked[1]})"))
    return found
