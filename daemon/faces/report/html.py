"""The report as one HTML file: no script, no request to anywhere, everything from the target escaped."""

import json
from collections.abc import Mapping
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from daemon.faces.report import charts, drawings, words


def render(document: Mapping[str, Any]) -> str:
    """Return the document as a self-contained page."""
    page = environment("daemon.faces.report").get_template("report.html.j2")
    return page.render(
        **document,
        outcome=words.outcome(document),
        words=words,
        tones=charts.TONES,
        overview=charts.shapes(charts.overview, document),
        anatomy=charts.shapes(charts.anatomy, document),
        waterfalls=drawings.drawn(document["runs"]),
        distributions=[(row, charts.distribution(row)) for row in document["statistics"]],
    )


def environment(*packages: str) -> Environment:
    """Return the templates of these packages, the first that has one; everything is escaped."""
    found = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["evidence"] = _evidence
    return found


def _evidence(value: object) -> str:
    """Return any JSON in a form to read and to copy; words and lists of words as they are."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
