"""The harness itself: it measures, prints and writes. What it finds is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.harness import Row, Samples, at_least, at_most, in_turns

RUN = Path(__file__).with_name("run.py")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), *words], capture_output=True, text=True, check=False, timeout=90
    )


def test_a_run_prints_a_table_and_writes_every_sample(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    words = (
        "--only",
        "help",
        "--only",
        "journal",
        "--runs",
        "2",
        "--no-peer",
        "--cache",
        str(tmp_path),
        "-o",
        output,
    )
    ended = run(*map(str, words))
    assert ended.returncode == 0, ended.stderr
    assert "chaosd --help, wall" in ended.stdout
    found = json.loads(output.read_text())
    assert found["schema_version"] == 1
    assert found["failures"] == {}
    assert {row["name"] for row in found["rows"]} == {"help", "journal"}
    for row in found["rows"]:
        assert len(row["chaosd"]["values"]) == len(row["ratio"]["values"]) == 2
        assert row["chaosd"]["min"] <= row["chaosd"]["median"] <= row["chaosd"]["max"]
        assert isinstance(row["met"], bool)


def test_an_unknown_name_is_wrong_usage() -> None:
    ended = run("--only", "nothing")
    assert ended.returncode == 2
    assert "git-health" in ended.stderr


def test_a_ratio_is_taken_round_by_round_and_a_target_is_of_its_median() -> None:
    slow, fast = Samples("ms", (2.0, 40.0, 4.0)), Samples("ms", (1.0, 10.0, 1.0))
    row = Row(what="w", chaosd=slow, yardstick="y", theirs=fast, limit=at_most(4))
    assert row.ratio == Samples("x", (2.0, 4.0, 4.0))
    assert row.met is True
    assert Row(what="w", chaosd=slow, yardstick="y", theirs=fast, limit=at_least(4.1)).met is False
    assert Row(what="w", chaosd=slow).met is None


def test_subjects_take_turns_and_the_first_round_does_not_count() -> None:
    called: list[str] = []

    def subject(name: str) -> int:
        called.append(name)
        return len(called)

    found = in_turns(2, {"a": lambda: subject("a"), "b": lambda: subject("b")})
    assert called == ["a", "b"] * 3
    assert found == {"a": [3, 5], "b": [4, 6]}
