"""The report as JUnit XML: one test case an experiment and a scenario run, for CI systems that read nothing else.

Deviated is a failure, unknown an error, refused skipped: a CI system shows none of them as passed.
"""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from daemon.faces.report import words

OUTCOMES: Mapping[str, str] = {
    **dict.fromkeys(words.DEVIATED, "failure"),
    "aborted": "error",
    "inconclusive": "error",
    **dict.fromkeys(words.NOT_RUN, "skipped"),
    "none yet": "error",
}
ENDINGS: Mapping[str, str] = {"violated": "failure", "unknown": "error", "stopped": "error", "none yet": "error"}
PASSED = "passed"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case. ``end`` is an element's name or PASSED; ``said`` are the lines of evidence."""

    classname: str
    name: str
    took_s: float
    end: str
    kind: str
    message: str
    said: Sequence[str]


def render(document: Mapping[str, Any]) -> str:
    """Return the document as XML; characters that XML cannot hold are replaced."""
    cases = [_experiment(e) for e in document["experiments"]]
    cases += [_run(r, document) for r in document["runs"]]
    ends = [c.end for c in cases]
    counts = {
        "tests": str(len(ends)),
        "failures": str(ends.count("failure")),
        "errors": str(ends.count("error")),
        "skipped": str(ends.count("skipped")),
        "time": f"{sum(c.took_s for c in cases):.3f}",
    }
    root = ET.Element("testsuites", {"name": "chaosd", **counts})
    suite = ET.SubElement(
        root, "testsuite", {"name": "chaosd", **counts, "timestamp": document["report"]["period"]["since"]}
    )
    _properties(suite, document)
    for case in _numbered(cases):
        _element(suite, case)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _numbered(cases: Sequence[Case]) -> Iterator[Case]:
    """Yield the cases, numbered where one was done several times: a CI system follows a case by its name.

    No id stands in a name: with one, every build would have cases that no other has.
    """
    seen: Counter[tuple[str, str]] = Counter()
    for case in cases:
        seen[case.classname, case.name] += 1
        number = seen[case.classname, case.name]
        yield case if number == 1 else replace(case, name=f"{case.name} ({number})")


def _properties(suite: ET.Element, document: Mapping[str, Any]) -> None:
    properties = ET.SubElement(suite, "properties")
    named = [(f"untested {row['fault']}", words.untested(row)) for row in document["untested"]]
    named += [(f"{o['target']}: {o['name']} {o['goal']}", o["status"]) for o in document["objectives"]]
    named += [
        (
            f"baseline defect {d['target']}: {d['scenario']}",
            f"{d['invariant']}, taken out of {d['subtracted']} runs",
        )
        for d in document["baseline_defects"]
    ]
    for name, value in [("chaosd", document["report"]["chaosd"]), *named]:
        ET.SubElement(properties, "property", {"name": _clean(name), "value": _clean(value)})


def _element(suite: ET.Element, case: Case) -> None:
    named = {"classname": _clean(case.classname), "name": _clean(case.name), "time": f"{case.took_s:.3f}"}
    element = ET.SubElement(suite, "testcase", named)
    if case.end != PASSED:
        told = ET.SubElement(element, case.end, {"message": _clean(case.message), "type": case.kind})
        told.text = _clean("\n".join(case.said))
    elif case.said:
        ET.SubElement(element, "system-out").text = _clean("\n".join(case.said))


# --- experiments -----------------------------------------------------------------------------------------


def _experiment(experiment: Mapping[str, Any]) -> Case:
    head, end = experiment["injection"], OUTCOMES.get(words.verdict(experiment), PASSED)
    return Case(
        classname=f"chaosd.{head['target']}.{head['fault']}",
        name=_named(head["experiment"], words.kind(experiment), head["workload"]),
        took_s=_took_s(experiment),
        end=end,
        kind=words.verdict(experiment),
        message="; ".join(experiment["reasons"]) or "the experiment is under way or was interrupted",
        said=[f"see: chaosd show {head['id']}"] if end == PASSED else _evidence(experiment),
    )


def _named(experiment: str | None, kind: str, scenario: str | None) -> str:
    """Return what stays the same from one run of an experiment to the next."""
    name = f"{experiment}: {kind}" if experiment else kind
    return f"{name} with {scenario}" if scenario else name


def _evidence(experiment: Mapping[str, Any]) -> list[str]:
    head = experiment["injection"]
    lines = [*experiment["reasons"], *(f"victim {k}: {v}" for k, v in head["victim"].items())]
    lines += [f"impact {words.span(experiment['impact']['after'])}, recovery {words.recovery(experiment)}"]
    lines += [f"undo {words.undo(experiment)} {experiment['undo']['detail']}".rstrip()]
    lines += [f"violated {v.get('invariant')}: {v.get('evidence')}" for v in experiment["violations"]]
    return [*lines, f"see: chaosd show {head['id']}"]


def _took_s(experiment: Mapping[str, Any]) -> float:
    """Return how long the target was followed after the injection, as far as the experiment says."""
    found = experiment["recovery"]["after"]
    return float((found[1] if found else None) or experiment["followed_for"] or 0.0)


# --- scenario runs ---------------------------------------------------------------------------------------


def _run(run: Mapping[str, Any], document: Mapping[str, Any]) -> Case:
    """Return a run's case. A baseline with defects passes, with these in its output: it is there to find them."""
    end = _end(run)
    broken = [
        (row["invariant"], c) for row in document["invariants"] for c in row["broken"] if c["run"] == run["run"]
    ]
    unknown = [f"unknown {u['invariant']}: {u['reason']}" for u in run["unknown"]]
    said = [line for name, case in broken for line in _violation(name, case["evidence"])]
    return Case(
        classname=f"chaosd.{run['target']}.scenario.{run['name']}",
        name=f"{run['name']}, {words.beside(run)}",
        took_s=float(run["took"]),
        end=end,
        kind=str(run["ending"]),
        message=_message(run, list(dict.fromkeys(name for name, _ in broken))),
        said=[*said, *unknown, f"run {run['run']}"],
    )


def _end(run: Mapping[str, Any]) -> str:
    if run["purpose"] == "baseline" and run["ending"] == "violated":
        return PASSED
    if not run["invariants"] and run["ending"] == "unknown":
        return "skipped"  # nothing applies to the target, so nothing was checked
    return ENDINGS.get(run["ending"], PASSED)


def _message(run: Mapping[str, Any], broken: Sequence[str]) -> str:
    if broken:
        return f"violated: {', '.join(broken)}"
    if run["stopped"]:
        return str(run["stopped"])
    unknown = ", ".join(u["invariant"] for u in run["unknown"])
    if unknown:
        return f"could not be told: {unknown}"
    return "nothing was checked" if run["settled"] else "it was still moving at the longest wait"


def _violation(invariant: str, evidence: Mapping[str, Any]) -> list[str]:
    lines = [f"violated {invariant}: {evidence.get('detail') or dict(evidence)}"]
    return [*lines, f"  see: {evidence['see']}"] if evidence.get("see") else lines


def _clean(text: object) -> str:
    return _NOT_XML.sub("\ufffd", str(text))
