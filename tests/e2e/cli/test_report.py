"""``chaosd report`` on a journal of its own, as a person or a CI job calls it."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest

from daemon.ports.journal import Journal
from daemon.ports.state import StateDirectory
from tests.e2e.cli.conftest import Cli
from tests.report_kit import EPOCH_S, Story, history, some_of_everything
from tests.report_runs import Play, happened

EVERYTHING = ("--since", "2026-05-28", "--until", "2026-05-31")
BAD = Story(name="i-bad", at_s=50, well_s=None)


def remember(chaosd: Cli, stories: Sequence[Story]) -> None:
    """Write the stories as the daemon would have, each at its own time."""
    with StateDirectory(chaosd.state) as state:
        now_s = [0.0]
        journal = Journal(state.journal, clock_s=lambda: now_s[0])
        for story in stories:
            now_s[0] = EPOCH_S + story.at_s
            journal.append(story.name, *history(story))
        journal.close()


def test_a_period_in_which_everything_held_ends_well(chaosd: Cli) -> None:
    remember(chaosd, [Story(), BAD])
    ran = chaosd("report", "--since", "2026-05-28", "--until", "2026-05-28T20:27:10Z")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("## chaosd: Everything held or recovered")
    assert chaosd("report", *EVERYTHING).code == 1


def test_the_file_s_name_chooses_the_format(chaosd: Cli) -> None:
    remember(chaosd, some_of_everything())
    begins = {"r.html": "<!doctype html>", "r.xml": "<?xml", "r.json": "{", "r.md": "## chaosd", "r": "## chaosd"}
    for name, beginning in begins.items():
        ran = chaosd("report", *EVERYTHING, "--output", name)
        assert (ran.code, ran.out, ran.err) == (1, "", "")
        assert (chaosd.home / name).read_text().startswith(beginning)
    cases = ET.parse(chaosd.home / "r.xml").getroot().iter("testcase")  # noqa: S314  our own output
    assert len(list(cases)) == len(some_of_everything())
    assert len(json.loads((chaosd.home / "r.json").read_text())["experiments"]) == len(some_of_everything())


def test_o_json_means_here_what_it_means_everywhere(chaosd: Cli) -> None:
    remember(chaosd, [Story()])
    for words in (("-o", "json", "report"), ("report", "-o", "json"), ("report", "--format", "json")):
        ran = chaosd(*words, *EVERYTHING)
        assert ran.json["schema_version"] == 1
    assert list(chaosd.home.glob("json")) == []


def test_only_the_period_is_reported_and_the_earlier_one_compared(chaosd: Cli) -> None:
    earlier = [Story(name=f"a{n}", at_s=n * 60.0, well_s=1.0) for n in range(12)]
    later = [Story(name=f"b{n}", at_s=7200 + n * 60.0, well_s=6.0) for n in range(12)]
    remember(chaosd, [*earlier, *later])
    border = "2026-05-28T21:30:00Z"
    for words in (("--compare", f"2026-05-28/{border}"), ("--compare-since", "2026-05-28")):
        found = chaosd("-o", "json", "report", "--since", border, "--until", "2026-05-31", *words).json
        assert [e["injection"]["id"] for e in found["experiments"]] == [s.name for s in later]
        [row] = found["comparison"]
        assert (row["change"], row["runs"]) == ("slower", [12, 12])
        assert 4.5 < row["difference"] < 5.5


def test_a_journal_of_scenario_runs_alone_is_a_report_too(chaosd: Cli) -> None:
    with StateDirectory(chaosd.state) as state:
        journal = Journal(state.journal, clock_s=lambda: EPOCH_S)
        for play in (Play(name="r-good", at_s=10), Play(name="r-bad", at_s=50, lost=(1,))):
            journal.scenarios.append(play.name, *happened(play))
        journal.close()
    good = chaosd("report", "--since", "2026-05-28", "--until", "2026-05-28T20:27:10Z")
    assert (good.code, good.err) == (0, "")
    assert "scenario runs: 1 passed" in good.out
    both = chaosd("-o", "json", "report", *EVERYTHING)
    assert both.code == 1
    assert [(r["run"], r["ending"]) for r in both.json["runs"]] == [("r-good", "passed"), ("r-bad", "violated")]
    [lost] = [row for row in both.json["invariants"] if row["invariant"] == "no-lost-instruction"]
    assert [case["evidence"]["command"] for case in lost["broken"]] == ["cmd-1"]
    assert [len(r["waterfall"]["messages"]) for r in both.json["runs"]] == [3, 3]


def test_the_objectives_are_those_of_the_configuration(chaosd: Cli) -> None:
    remember(chaosd, [Story(measures={"total_seconds": 5.0})])
    path = chaosd.config("version: 1\ntargets: {editor: {repository: {worktree: /srv/r}, limits: {message: 2s}}}\n")
    rows = chaosd("-o", "json", "-c", path, "report", *EVERYTHING).json["objectives"]
    [row] = [r for r in rows if r["name"] == "message, slowest"]
    assert (row["goal"], row["status"]) == ("< 2 s", "missed")


def test_without_a_journal_nothing_is_known_and_every_fault_untested(chaosd: Cli) -> None:
    ran = chaosd("-o", "json", "report")
    assert ran.code == 1
    assert ran.json["experiments"] == []
    known = {f["name"] for f in chaosd("-o", "json", "faults").json["faults"]}
    assert {row["fault"] for row in ran.json["untested"]} == known
    assert not chaosd.state.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "tomorrow"), "is no moment"),
        (("--compare", "7d"), "is no period"),
        (("--since", "1h", "--until", "2h"), "ends before it begins"),
        (("--compare", "1h/2h"), "ends before it begins"),
        (("--output", "no/such/place.html"), "cannot write"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(chaosd: Cli, words: tuple[str, ...], said: str) -> None:
    ran = chaosd("report", *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
