"""``chaosd ci`` on a real lab: every experiment once, under scenarios, and what a CI system reads of it."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab.conftest import Bench, laboratory

STOP = "  - {name: stop, fault: ecs-task-stop, target: editor, every: 1h, for: 10s}\n"
LOCK = "  - {name: lock, fault: git-lock, target: editor, every: 1h, for: 10s, set: {mode: index-lock}}\n"
# An idle worker looks at its clone every ten seconds at most, and then it takes its time to repair it.
OTHERS = """\
  - {name: interrupt, fault: interrupt-signal, target: editor, every: 1h, for: 10s}
  - {name: corrupt, fault: git-corrupt, target: editor, every: 1h, for: 40s}
  - {name: burst, fault: sqs-burst, target: editor, every: 1h, set: {messages: 20, rate: 10/s}, for: 20s}
"""
GOOD = {"recovered", "no-impact"}
SEED_SCENARIOS = ("basic", "switching", "interrupt", "rapid-switching", "concurrent-users")
STAGES = {"pushed", "deployed", "answered"}


@pytest.fixture
def workers(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A lab of its own; a defect makes work last long enough to be met in the middle of it."""
    defect = getattr(request, "param", None)
    with laboratory(tmp_path, defect=defect, build_s=3.0 if defect else 0.3) as bench:
        yield bench


def configure(bench: Bench, experiments: str) -> None:
    bench.config.write_text(f"{bench.info.config_yaml()}sampling: {{stable_for: 1s}}\nexperiments:\n{experiments}")


def cases(file: Path) -> dict[str, list[str]]:
    """Return each test case of a JUnit file with what it ended in; nothing is a pass."""
    found = ET.parse(file).getroot().iter("testcase")  # noqa: S314  written by chaosd a moment ago
    return {f"{c.get('classname')} {c.get('name')}": [child.tag for child in c] for c in found}


def test_each_experiment_is_carried_out_once_under_a_scenario(workers: Bench) -> None:
    configure(workers, STOP + LOCK)
    junit, page = workers.directory / "suite.xml", workers.directory / "report.json"
    reports = ("--report", str(junit), "--report", str(page))
    code, document = workers.answer("ci", "--experiment", "stop", "--seed", "3", *reports, timeout_s=200)
    assert [(e["experiment"], e["verdict"]) for e in document["experiments"]] == [("stop", "recovered")], document
    assert document["experiments"][0]["injection"]["origin"] == "ci"
    assert code == 0
    assert document["left_out"] == 0
    told = cases(junit)
    assert len(told) >= 2, "the experiment, and its baseline"
    assert {end for ends in told.values() for end in ends} == {"system-out"}, told
    (times,) = [t for t in json.loads(page.read_text())["stage_times"] if t["beside"] == "ecs-task-stop/random"]
    assert times["scenario"] == "basic"
    assert times["stages"].keys() == STAGES
    assert all(stage["median"] > 0 for stage in times["stages"].values())


@pytest.mark.timeout(320)
@pytest.mark.parametrize("workers", ["drop-on-sigterm"], indirect=True)
def test_a_worker_that_loses_work_fails_the_build_and_the_test_case_says_why(workers: Bench) -> None:
    busy = "workload: {scenario: basic, strike: 2s, set: {messages: 6, gap: 300ms, settle: 14s}}"
    configure(workers, STOP.replace("for: 10s", f"for: 20s, {busy}"))
    junit = workers.directory / "suite.xml"
    code, document = workers.answer("ci", "--seed", "1", "--report", str(junit), timeout_s=300)
    assert "no-lost-instruction" in {v["invariant"] for v in document["experiments"][0]["violations"]}, document
    assert code == 1
    assert "failure" in {end for ends in cases(junit).values() for end in ends}


@pytest.mark.torture
@pytest.mark.timeout(2000)
def test_the_seed_scenarios_hold_under_each_fault_with_a_correct_worker(workers: Bench) -> None:
    configure(workers, STOP + OTHERS)
    page = workers.directory / "report.json"
    words = [word for name in SEED_SCENARIOS for word in ("--scenario", name)]
    code, document = workers.answer("ci", "--seed", "1", "--report", str(page), *words, timeout_s=1800)
    told = [
        (e["experiment"], e["injection"]["workload"], e["verdict"], e["recovery"]["after"])
        for e in document["experiments"]
    ]
    for row in told:
        print(*row)  # noqa: T201  the table that this run is for
    for row in json.loads(page.read_text())["stage_times"]:
        print(row)  # noqa: T201
    assert len(told) == 20
    assert {verdict for _, _, verdict, _ in told} <= GOOD
    assert code == 0
