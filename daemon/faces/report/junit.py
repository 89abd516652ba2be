"""The report as JUnit XML: one test case an experiment, for the CI systems that read nothing else.

Deviated is a failure, unknown an error, refused skipped: a CI system shows none of them as passed.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from daemon.faces.report import words

OUTCOMES: Mapping[str, str] = {
    **dict.fromkeys(words.DEVIATED, "failure"),
    "aborted": "error",
    "inconclusive": "error",
    "refused": "skipped",
    "none yet": "error",
}

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(document: Mapping[str, Any]) -> str:
    """Return the document as XML; characters that XML cannot hold are replaced."""
    experiments = document["experiments"]
    ends = [OUTCOMES.get(words.verdict(e), "passed") for e in experiments]
    counts = {
        "tests": str(len(ends)),
        "failures": str(ends.count("failure")),
        "errors": str(ends.count("error")),
        "skipped": str(ends.count("skipped")),
        "time": f"{sum(map(_took, experiments)):.3f}",
    }
    root = ET.Element("testsuites", {"name": "chaosd", **counts})
    suite = ET.SubElement(
        root, "testsuite", {"name": "chaosd", **counts, "timestamp": document["report"]["period"]["since"]}
    )
    _properties(suite, document)
    for experiment, end in zip(experiments, ends, strict=True):
        _case(suite, experiment, end)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _properties(suite: ET.Element, document: Mapping[str, Any]) -> None:
    properties = ET.SubElement(suite, "properties")
    named = [(f"untested {row['fault']}", words.untested(row)) for row in document["untested"]]
    named += [(f"{o['target']}: {o['name']} {o['goal']}", o["status"]) for o in document["objectives"]]
    for name, value in [("chaosd", document["report"]["chaosd"]), *named]:
        ET.SubElement(properties, "property", {"name": _clean(name), "value": _clean(value)})


def _case(suite: ET.Element, experiment: Mapping[str, Any], end: str) -> None:
    head = experiment["injection"]
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": _clean(f"chaosd.{head['target']}.{head['fault']}"),
            "name": _clean(f"{words.kind(experiment)} on {head['target']} {head['id']}"),
            "time": f"{_took(experiment):.3f}",
        },
    )
    if end != "passed":
        reasons = "; ".join(experiment["reasons"]) or "the experiment is under way or was interrupted"
        told = ET.SubElement(case, end, {"message": _clean(reasons), "type": words.verdict(experiment)})
        told.text = _clean("\n".join(_evidence(experiment)))


def _evidence(experiment: Mapping[str, Any]) -> list[str]:
    head = experiment["injection"]
    lines = [*experiment["reasons"], *(f"victim {k}: {v}" for k, v in head["victim"].items())]
    lines += [f"impact {words.span(experiment['impact']['after'])}, recovery {words.recovery(experiment)}"]
    lines += [f"undo {words.undo(experiment)} {experiment['undo']['detail']}".rstrip()]
    lines += [f"violated {v.get('invariant')}: {v.get('evidence')}" for v in experiment["violations"]]
    return [*lines, f"see: chaosd show {head['id']}"]


def _took(experiment: Mapping[str, Any]) -> float:
    """Return how long the target was followed after the injection, as far as the experiment says."""
    found = experiment["recovery"]["after"]
    return float((found[1] if found else None) or experiment["followed_for"] or 0.0)


def _clean(text: object) -> str:
    return _NOT_XML.sub("\ufffd", str(text))
