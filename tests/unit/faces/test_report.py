"""The report in its four formats: the same facts, nothing executable, nothing from elsewhere."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from random import Random
from typing import Any

import pytest

from daemon.core.events import Judgement, Verdict
from daemon.core.model import Finding, Outcome
from daemon.core.target import Limits
from daemon.faces.report import html, junit, markdown, words
from daemon.faces.report.collect import run
from daemon.faces.report.content import held
from tests.report_kit import Story, document, injection, night, runs, some_of_everything

HOSTILE = (
    "</code><script>alert(1)</script><img src=//evil.example/x onerror=alert(2)>\"'`|\n# x @team\x00\x1b[31m\ud800"
)
VOID = {"meta", "br", "img", "link", "input", "hr"}


def parsed(found: dict[str, Any]) -> ET.Element:
    return ET.fromstring(junit.render(found))  # noqa: S314  our own output


class Page(HTMLParser):
    """What a browser would find: elements, their attributes, their text; unbalanced tags are mistakes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def row(self, first: str) -> list[str]:
        return next([c.strip() for c in r] for r in self.rows if r[0].strip() == first)


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    return document(some_of_everything())


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {e["injection"]["id"]: e["verdict"] for e in found["experiments"]}


def test_the_document_is_versioned_json_with_each_verdict_once(everything: dict[str, Any]) -> None:
    again = json.loads(json.dumps(everything))
    assert (again["schema_version"], again["report"]["version"]) == (1, 1)
    assert set(again["summary"]["verdicts"].values()) == {1, 2}
    assert again["summary"]["verdicts"]["not-recovered"] == 2
    assert verdicts(again) == {
        "i-recovered": "recovered",
        "i-no-impact": "no-impact",
        "i-healed-by-us": "not-recovered",
        "i-censored": "not-recovered",
        "i-violated": "violated",
        "i-undo-failed": "undo-failed",
        "i-aborted": "aborted",
        "i-inconclusive": "inconclusive",
        "i-refused": "refused",
        "i-not-triggered": "not-triggered",
    }


def test_a_censored_run_is_followed_for_a_time_and_recovered_at_none(everything: dict[str, Any]) -> None:
    found = {e["injection"]["id"]: e for e in everything["experiments"]}
    assert found["i-recovered"]["followed_for"] is None
    assert found["i-recovered"]["recovery"]["after"] == [3.85, 4.11]
    assert found["i-healed-by-us"]["followed_for"] == 10.0
    assert words.recovery(found["i-healed-by-us"]) == "> 10 s (censored)"
    [row] = everything["statistics"]
    assert (row["runs"], row["with_impact"], row["censored"]) == (8, 6, 4)


def test_the_page_holds_every_experiment_with_its_facts(everything: dict[str, Any]) -> None:
    page = Page(html.render(everything))
    experiments = [r for r in page.rows if len(r) == 8 and r[1].startswith("git-lock")]
    assert len(experiments) == 10
    assert [c.strip() for c in experiments[0][2:]] == [
        "editor",
        "recovered",
        "0.10-0.36 s",
        "3.85-4.11 s",
        "worker",
        "superseded",
    ]
    assert page.row("right-branchevery effect is on its own thread's branch, and on no other")[1:5] == [
        "editor",
        "violated",
        "0",
        "1",
    ]
    assert page.row("ecs-task-stop")[2] == "never injected"
    assert "not in mode head-lock" in [r[-1].strip() for r in page.rows]
    text = " ".join(page.texts)
    for fact in ("outside every window", "sha256:aa", "Not everything held", "stale-lock .git/index.lock"):
        assert fact in text


def test_of_many_modes_that_were_not_tested_the_page_says_how_many_and_unfolds_which(
    everything: dict[str, Any],
) -> None:
    names = [f"mode-{n}" for n in range(9)]
    row = {"fault": "git-corrupt", "summary": "damage", "wholly": False, "modes": names}
    source = html.render({**everything, "untested": [row]})
    assert "<details><summary>not in 9 modes</summary>mode-0, mode-1, " in source
    assert "not in mode mode-0, mode-1" in html.render({**everything, "untested": [{**row, "modes": names[:2]}]})


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(everything: dict[str, Any]) -> None:
    source = html.render(everything)
    assert "://" not in source
    assert not re.search(r"url\((?!#)|@import", source)
    for tag, attributes in Page(source).elements:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "srcset", "xlink:href"}]
        assert (attributes.get("href") or "#").startswith("#")


def test_the_page_is_readable_without_seeing_it(everything: dict[str, Any]) -> None:
    page = Page(html.render(everything))
    tags = [tag for tag, _ in page.elements]
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert dict(page.elements)["html"] == {"lang": "en"}
    assert len(ids) == len(set(ids))
    assert tags.count("h1") == 1
    assert tags.count("caption") == tags.count("table")
    for tag, attributes in page.elements:
        if tag == "svg":
            labels = (attributes.get("aria-labelledby") or "").split()
            assert attributes.get("aria-hidden") == "true" or (labels and set(labels) <= set(ids))
        assert (attributes.get("href") or "#top")[1:] in {*ids, "top"}
    assert "prefers-color-scheme:dark" in html.render(everything)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_text_stands_out_from_its_ground(theme: int) -> None:
    source = html.render(document([]))
    palette = re.findall(r":root\{(.*?)\}", source, re.DOTALL)[theme]
    colours = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{6})", palette))
    grounds = [(tone, f"{tone}-bg") for tone in ("good", "calm", "bad", "warn", "mute")]
    grounds += [
        (ink, ground) for ink in ("ink", "soft", "link", "bad", "good", "warn") for ground in ("page", "card")
    ]
    for ink, ground in grounds:
        bright, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def test_junit_fails_what_deviated_errs_on_the_unknown_and_skips_the_refused(everything: dict[str, Any]) -> None:
    [suite] = parsed(everything)
    cases = suite.findall("testcase")
    ends = {"".join(c.itertext()).split()[-1]: [e.tag for e in c] for c in cases}
    assert ends == {
        "i-recovered": ["system-out"],
        "i-no-impact": ["system-out"],
        "i-healed-by-us": ["failure"],
        "i-censored": ["failure"],
        "i-violated": ["failure"],
        "i-undo-failed": ["failure"],
        "i-aborted": ["error"],
        "i-inconclusive": ["error"],
        "i-refused": ["skipped"],
        "i-not-triggered": ["skipped"],
    }
    assert {n: suite.attrib[n] for n in ("tests", "failures", "errors", "skipped")} == {
        "tests": "10",
        "failures": "4",
        "errors": "2",
        "skipped": "2",
    }
    names = [c.attrib["name"] for c in cases]
    # The same in every build.
    assert names[:2] == ["nightly: git-lock/index-lock", "nightly: git-lock/index-lock (2)"]
    [failure] = cases[2].findall("failure")
    assert "healthy only after our revert" in failure.attrib["message"]
    assert "chaosd show i-healed-by-us" in (failure.text or "")


def test_markdown_begins_with_what_did_not_hold(everything: dict[str, Any]) -> None:
    page = markdown.render(everything)
    assert page.startswith("## chaosd: Not everything held\n")
    loud, quiet = page.split("<details>", 1)
    assert "| i-censored | git-lock/index-lock | editor | not-recovered | 0.10-0.36 s | \\> 10 s (censored)" in loud
    assert "i-recovered" not in loud
    assert "| i-recovered | git-lock/index-lock | editor | recovered |" in quiet
    assert "| ecs-task-stop | never injected |" in quiet
    assert "| right-branch | editor | violated | 0 | 1 | 0 | 0 | git-lock/index-lock: " in loud


def test_an_objective_is_met_only_by_measurements() -> None:
    measures = {"healthy": 1.0, "desired": 2.0, "total_seconds": 31.0}
    rows = {
        o["name"]: o
        for o in document([Story(measures=measures)], limits={"editor": Limits(message_s=40.0)})["objectives"]
    }
    assert {name: o["status"] for name, o in rows.items()} == {
        "task HEALTHY": "missed",
        "message, slowest": "met",
        "branch switch": "unknown",
        "recovery time": "met",
        "stash recovery": "unknown",
        "corruption": "unknown",
        "undo proved": "met",
    }
    assert rows["message, slowest"]["goal"] == "< 40 s"
    assert rows["message, slowest"]["measured"].endswith("slowest 31.0 s")
    assert rows["branch switch"]["measured"] == "not measured"


def test_an_undo_in_doubt_is_unknown_and_never_proved() -> None:
    found = document([Story(), Story(outcome=Outcome.RESTORED, doubt="1 drains still")])
    assert {o["name"]: o["status"] for o in found["objectives"]}["undo proved"] == "unknown"
    assert sorted(i["undo"]["proved"] for i in found["experiments"]) == [False, True]


def test_an_objective_with_a_gap_is_unknown_and_with_a_miss_missed() -> None:
    aborted, censored = Story(abort_s=3.0, outcome=Outcome.RESTORED), Story(well_s=None, outcome=Outcome.RESTORED)
    for told, status in (([Story(), aborted], "unknown"), ([Story(), aborted, censored], "missed")):
        rows = {o["name"]: o["status"] for o in document(told)["objectives"]}
        assert rows["recovery time"] == status


def test_a_left_stash_and_an_unsound_repository_miss_their_objectives() -> None:
    broken = tuple({"invariant": name, "evidence": {}} for name in ("no-stash-left", "repository-sound"))
    rows = {o["name"]: o["status"] for o in document([Story(violations=broken)])["objectives"]}
    assert (rows["stash recovery"], rows["corruption"]) == ("missed", "missed")


HOSTILE_STORY = Story(
    name="i-hostile",
    mode=HOSTILE,
    target=HOSTILE,
    well_s=None,
    victim={HOSTILE: HOSTILE},
    finding=Finding(HOSTILE, HOSTILE),
    violations=({"invariant": HOSTILE, "evidence": {HOSTILE: [HOSTILE]}},),
)


def test_hostile_words_stay_words_in_the_page() -> None:
    source = html.render(document([HOSTILE_STORY, Story(name="i-2", refused=HOSTILE)]))
    tags = {tag for tag, _ in Page(source).elements}
    assert not {"script", "img"} & tags
    assert "&lt;script&gt;alert(1)" in source
    source.encode("utf-8", errors="replace")


def test_hostile_words_stay_words_in_junit() -> None:
    [suite] = parsed(document([HOSTILE_STORY]))
    failure = next(suite.iter("failure"))
    assert failure.find("*") is None
    assert "<script>alert(1)</script>" in (failure.text or "")


def test_hostile_words_stay_words_in_markdown() -> None:
    page = markdown.render(document([HOSTILE_STORY]))
    assert not re.search(r"(?<!\\)<(script|img)", page)
    assert "@team" not in page
    table = [line for line in page.splitlines() if line.startswith("| i-hostile")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in table] == [10]


@pytest.mark.parametrize("stories", [[], [Story(refused="no")]], ids=["nothing", "only refused"])
def test_nothing_tested_is_nothing_known(stories: list[Story]) -> None:
    found = document(stories)
    assert found["summary"]["held"] is False
    for page in (html.render(found), markdown.render(found)):
        assert "Nothing was tested, so nothing is known" in page
    Page(html.render(found))
    assert parsed(found).attrib["failures"] == "0"


def test_a_history_of_only_censored_runs_shows_no_time_to_recovery() -> None:
    stories = [Story(name=f"i-{n}", at_s=20.0 * n, well_s=None, outcome=Outcome.RESTORED) for n in range(30)]
    found = document(stories)
    [row] = found["statistics"]
    assert [q["known"] for q in row["quantiles"]] == ["beyond", "beyond", "too-few"]
    assert [q["seconds"] for q in row["quantiles"]] == [None] * 3
    page = Page(html.render(found))
    assert "beyond 10 s, CI ? to ? s" in page.row("git-lock")


def test_what_would_be_judged_otherwise_today_is_said_and_counts() -> None:
    full = injection(Story(well_s=None, outcome=Outcome.RESTORED))
    flattered = replace(full, judgement=Judgement(verdict=Verdict.RECOVERED, reasons=("looked fine",)))
    again = run(flattered)
    assert again.differs
    assert not held([again])
    assert again.judged is not None
    assert again.judged.verdict is Verdict.NOT_RECOVERED
    assert not run(full).differs


def test_a_broken_invariant_survives_judging_again_and_a_failed_undo_outranks_it() -> None:
    bad = ({"invariant": "all-pushed", "evidence": {}},)
    [violated, failed] = runs([Story(violations=bad), Story(violations=bad, well_s=None, broken_undo=True)])
    assert [r.judged and r.judged.verdict for r in (violated, failed)] == [Verdict.VIOLATED, Verdict.UNDO_FAILED]
    assert [r.judged and r.judged.violations for r in (violated, failed)] == [bad, bad]


def test_an_experiment_under_way_has_no_verdict_and_does_not_hold() -> None:
    found = document([Story(), Story(name="i-2", judged=False)])
    assert (found["summary"]["unjudged"], found["summary"]["held"]) == (1, False)
    assert found["experiments"][1]["verdict"] is None
    assert found["statistics"][0]["runs"] == 1
    assert "none yet" in html.render(found)
    assert words.outcome(found) == "Not everything is known"
    assert parsed(found).attrib["errors"] == "1"


def test_a_period_is_compared_with_an_earlier_one() -> None:
    slow, fast = night(Random(1), 200, mean_s=6.0), night(Random(2), 200, begin_s=-90000.0, mean_s=1.0)
    found = document(slow, fast)
    assert {c["change"] for c in found["comparison"]} == {"slower"}
    assert all(c["p_worst"] >= c["p_value"] and c["confidence"][0] > 0 for c in found["comparison"])
    assert "recovery got slower" in html.render(found)
    assert "recovery got slower" in markdown.render(found)
    alone = document(slow)
    assert alone["comparison"] == []
    assert "Against the earlier period" not in html.render(alone)


def test_two_thousand_injections_are_a_report_too() -> None:
    found = document(night(Random(9), 2000))
    page = Page(html.render(found))
    assert len([r for r in page.rows if len(r) == 8 and r[0].startswith("2026-")]) == 2000
    assert "36 of" in " ".join(page.texts)
    assert "and " in markdown.render(found)
    assert len(markdown.render(found)) < 65_536
    assert parsed(found).attrib["tests"] == "2000"


def test_the_same_history_gives_the_same_document() -> None:
    assert document(some_of_everything()) == document(some_of_everything())
