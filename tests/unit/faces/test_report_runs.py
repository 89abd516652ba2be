"""Scenario runs in the report: messages, invariants with whom to blame, key figures, stage times."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest

from daemon.core.checking import violation
from daemon.core.course import Purpose
from daemon.core.events import Checked
from daemon.core.invariants import INVARIANTS
from daemon.core.ledger import Part
from daemon.core.model import Outcome
from daemon.core.target import Limits
from daemon.faces.report import html, junit, markdown, words
from daemon.faces.report.collect import Period, collect_runs
from daemon.faces.report.drawings import drawing, drawn
from daemon.faces.report.trials import trials
from tests import ledgers
from tests.report_kit import EPOCH_S, Story, document, runs
from tests.report_runs import LASTS_S, Play, played, scenario_run
from tests.unit.faces.test_report import Page, luminance

BASELINE = Play(name="r-base", purpose=Purpose.BASELINE, injection="i-1")
BESIDE = Play(name="r-beside", at_s=100, purpose=Purpose.EXPERIMENT, injection="i-1")
STORY = Story(name="i-1", at_s=103)


def report(*plays: Play, stories: tuple[Story, ...] = (), **asked: Any) -> dict[str, Any]:
    return document(list(stories), found=played(plays, list(stories)), **asked)


def rows(found: dict[str, Any], key: str = "invariants", name: str = "invariant") -> dict[str, Any]:
    return {row[name]: row for row in found[key]}


def case(found: dict[str, Any], run: str) -> ET.Element:
    root = ET.fromstring(junit.render(found))  # noqa: S314  our own output
    return next(c for c in root.iter("testcase") if "".join(c.itertext()).split()[-1:] == [run])


# --- the document ----------------------------------------------------------------------------------------


def test_a_run_is_what_scenario_run_prints_and_what_it_was_for() -> None:
    found = json.loads(json.dumps(report(BASELINE, BESIDE, stories=(STORY,))))
    base, beside = found["runs"]
    assert (base["name"], base["passed"], len(base["messages"])) == ("basic", True, 3)
    assert (base["purpose"], base["injection"], base["fault"]) == ("baseline", "i-1", None)
    assert (beside["purpose"], beside["fault"], beside["ending"]) == ("experiment", "git-lock/index-lock", "passed")
    assert (beside["swept"], beside["parameters"]) == (True, {"messages": 3})


def test_only_runs_begun_within_the_period_are_read() -> None:
    class Past:
        def runs(self, since_s: float = 0.0, most: int = 1000) -> Any:
            assert (since_s, most >= 1000) == (EPOCH_S + 10, True)
            return tuple(scenario_run(Play(name=f"r-{at_s}", at_s=at_s)) for at_s in (10, 50, 100))

    found = collect_runs(Past(), Period(EPOCH_S + 10, EPOCH_S + 100))  # type: ignore[arg-type]
    assert [r.opened.run for r in found] == ["r-10", "r-50"]


@pytest.mark.parametrize(
    ("play", "ending", "held"),
    [
        (Play(), "passed", True),
        (Play(lost=(1,)), "violated", False),
        (Play(blind=(Part.QUEUE,)), "unknown", False),
        (Play(settled=False), "unknown", False),
        (Play(stopped="interrupted"), "stopped", False),
        (Play(played=False, swept=False), "none yet", False),
    ],
)
def test_a_run_alone_holds_only_when_everything_was_checked_and_held(play: Play, ending: str, held: bool) -> None:
    found = report(play)
    assert [r["ending"] for r in found["runs"]] == [ending]
    assert found["summary"]["held"] is held
    assert found["summary"]["runs"]["endings"][ending] == 1


def test_a_broken_baseline_fails_nothing_and_alone_is_no_test() -> None:
    broken = Play(name="r-base", purpose=Purpose.BASELINE, lost=(1,))
    assert report(broken, stories=(STORY,))["summary"]["held"] is True
    alone = report(broken)
    assert alone["summary"]["held"] is False
    assert words.outcome(alone) == "Nothing was tested, so nothing is known"


def test_runs_alone_make_a_report_without_any_injection() -> None:
    good, bad = report(Play()), report(Play(lost=(1,)))
    assert words.outcome(good) == "Everything held or recovered"
    assert words.outcome(bad) == "Not everything held"
    assert words.outcome(report(Play(blind=(Part.REMOTE,)))) == "Not everything is known"
    assert "scenario runs: 1 passed" in words.counts(good)
    for page in (html.render(bad), markdown.render(bad)):
        assert "no-lost-instruction" in page


# --- invariants ------------------------------------------------------------------------------------------


def test_every_invariant_of_every_target_has_its_counts() -> None:
    found = report(
        Play(name="r-1"),
        Play(name="r-2", at_s=50, lost=(1,)),
        Play(name="r-3", at_s=100, blind=(Part.REMOTE,)),
        Play(name="r-4", at_s=150, absent=(Part.DEPLOYMENT,)),
        Play(name="r-5", at_s=200, target="preview", played=False),
    )
    assert [(r["target"], r["invariant"]) for r in found["invariants"]] == [
        (target, name) for target in ("editor", "preview") for name in INVARIANTS
    ]
    own = {r["invariant"]: r for r in found["invariants"] if r["target"] == "editor"}
    lost, fresh = own["no-lost-instruction"], own["deployment-fresh"]
    keys = ("standing", "held", "violated", "unknown", "not_checked")
    assert [lost[k] for k in keys] == ["violated", 2, 1, 1, 0]
    assert [fresh[k] for k in keys] == ["unknown", 2, 0, 1, 1]
    assert {"the target has no deployment", "remote: it did not answer"} == {r["reason"] for r in fresh["reasons"]}
    [evidence] = lost["broken"]
    assert (evidence["blame"], evidence["run"], evidence["evidence"]["command"]) == ("alone", "r-2", "cmd-1")
    assert evidence["evidence"]["see"].startswith("git -C ")
    assert {r["standing"] for r in found["invariants"] if r["target"] == "preview"} == {"not checked"}


def test_what_the_baseline_shows_too_is_its_defect_and_not_the_fault_s() -> None:
    plays = (
        Play(name="r-base", purpose=Purpose.BASELINE, lost=(2,)),
        Play(name="r-a", at_s=100, purpose=Purpose.EXPERIMENT, injection="i-1", lost=(2,)),
        Play(name="r-b", at_s=200, purpose=Purpose.EXPERIMENT, injection="i-1", lost=(1,)),
        Play(name="r-other", at_s=300, purpose=Purpose.EXPERIMENT, injection="i-1", lost=(1,), scenario="soak"),
    )
    found = report(*plays, stories=(STORY,))
    row = rows(found)["no-lost-instruction"]
    assert [(c["run"], c["blame"]) for c in row["broken"]] == [
        ("r-base", "baseline"),
        ("r-other", "git-lock/index-lock"),
    ]
    assert (row["violated"], row["unknown"]) == (2, 2)
    defect = rows(found, "baseline_defects")["no-lost-instruction"]
    assert (defect["scenario"], defect["run"], defect["baselines"], defect["subtracted"]) == (
        "basic",
        "r-base",
        1,
        2,
    )
    assert defect["evidence"][0]["command"] == "cmd-2"
    endings = {r["run"]: (r["ending"], "no-lost-instruction" in r["masked"]) for r in found["runs"]}
    assert endings == {
        "r-base": ("violated", False),
        "r-a": ("passed", True),
        "r-b": ("passed", True),
        "r-other": ("violated", False),
    }


def test_the_verdict_s_own_subtraction_counts_where_the_baseline_is_older_than_the_period() -> None:
    lone = scenario_run(
        Play(name="r-a", at_s=100, purpose=Purpose.EXPERIMENT, injection="i-1", messages=4, lost=(1, 2))
    )
    assert lone.course is not None
    lost = next(r for r in lone.course.results if r.invariant == "no-lost-instruction")
    checked = Checked(
        at=lone.course.ended,
        run="r-a",
        baseline="r-of-yesterday",
        violations=(violation(lost, lost.evidence[1]),),
        masked=("honest-response",),
    )
    [full] = runs([STORY])
    beside = replace(full, injection=replace(full.injection, checked=checked))
    [trial] = trials([lone], [beside])
    assert [(r.invariant, [e.command for e in r.evidence]) for r in trial.violated] == [
        ("no-lost-instruction", ["cmd-2"])
    ]
    assert trial.masked == ("no-lost-instruction", "honest-response")
    assert trial.ending == "violated"


def test_without_a_baseline_all_of_it_is_the_fault_s() -> None:
    broken = Play(name="r-a", at_s=100, purpose=Purpose.EXPERIMENT, injection="i-1", lost=(2,))
    row = rows(report(broken, stories=(STORY,)))["no-lost-instruction"]
    assert [c["injection"] for c in row["broken"]] == ["i-1"]
    assert rows(report(broken))["no-lost-instruction"]["broken"][0]["blame"] == "unknown fault"


def test_a_verdict_s_violations_are_counted_once() -> None:
    told = Story(
        name="i-1", at_s=103, violations=({"invariant": "no-lost-instruction", "evidence": {"detail": "x"}},)
    )
    run = Play(name="r-a", at_s=100, purpose=Purpose.EXPERIMENT, injection="i-1", lost=(2,))
    with_run, without_run = report(run, stories=(told,)), report(stories=(told,))
    assert [c["run"] for c in rows(with_run)["no-lost-instruction"]["broken"]] == ["r-a"]
    assert [c["injection"] for c in rows(without_run)["no-lost-instruction"]["broken"]] == ["i-1"]
    assert rows(without_run)["no-lost-instruction"]["violated"] == 1


# --- key figures -----------------------------------------------------------------------------------------


def test_one_figure_has_one_name_whoever_measured_it() -> None:
    canary = Story(name="i-1", at_s=103, measures={"total_seconds": 4.0, "healthy": 2.0, "locks": 0.0})
    found = report(Play(messages=5), stories=(canary,))
    names = [o["name"] for o in found["objectives"]]
    assert names == [
        "task HEALTHY",
        "message, slowest",
        "branch switch",
        "stash recovery",
        "corruption",
        "recovery time",
        "undo proved",
    ]
    message = rows(found, "objectives", "name")["message, slowest"]
    assert [s["source"] for s in message["sources"]] == ["courses", "canary"]
    assert message["known"] == 5 + message["sources"][1]["known"]
    assert (message["status"], message["goal"]) == ("met", "< 30 s")
    assert "slowest 1.5 s, median 1.5 s" in message["measured"]
    assert "slowest 4.0 s" in message["measured"]


@pytest.mark.parametrize(
    ("play", "figure", "status", "unknown"),
    [
        (Play(), "task HEALTHY", "met", 0),
        (Play(healthy=False), "task HEALTHY", "missed", 0),
        (Play(healthy=None), "task HEALTHY", "unknown", 1),
        (Play(lost=(1,)), "message, slowest", "unknown", 1),
        (Play(), "branch switch", "met", 0),
        (Play(blind=(Part.CLONES,)), "branch switch", "unknown", 1),
        (Play(blind=(Part.CLONES,)), "stash recovery", "unknown", 1),
        (Play(blind=(Part.CLONES,)), "corruption", "unknown", 1),
        (Play(), "corruption", "met", 0),
    ],
)
def test_a_figure_that_was_not_measured_is_unknown(play: Play, figure: str, status: str, unknown: int) -> None:
    row = rows(report(play), "objectives", "name")[figure]
    assert (row["status"], row["unknown"]) == (status, unknown)


def test_ecs_s_silence_is_a_gap_only_where_no_probe_looks_on() -> None:
    looked = replace(STORY, measures={"healthy": 2.0, "desired": 2.0})
    beside = report(replace(BESIDE, healthy=None), stories=(looked,))
    row = rows(beside, "objectives", "name")["task HEALTHY"]
    assert (row["status"], row["unknown"], [s["source"] for s in row["sources"]]) == ("met", 0, ["probe"])
    assert rows(report(replace(BESIDE, healthy=False)), "objectives", "name")["task HEALTHY"]["status"] == "missed"


def test_a_slow_message_misses_the_goal_of_the_configuration() -> None:
    row = rows(report(Play(), limits={"editor": Limits(message_s=1.2)}), "objectives", "name")["message, slowest"]
    assert (row["goal"], row["status"], row["good"], row["known"]) == ("< 1.2 s", "missed", 0, 3)


# --- stage times and the waterfall -----------------------------------------------------------------------


def test_stage_times_are_per_scenario_and_fault_and_leave_out_the_unseen() -> None:
    absent = Play(name="r-2", at_s=300, scenario="soak", messages=25, absent=(Part.DEPLOYMENT,))
    found = report(Play(name="r-0", messages=4), replace_lost(BESIDE), absent, stories=(STORY,))
    by = {(r["scenario"], r["beside"]): r for r in found["stage_times"]}
    assert set(by) == {("basic", "alone"), ("basic", "git-lock/index-lock"), ("soak", "alone")}
    assert by["basic", "alone"]["stages"]["answered"] == {
        "absent": False,
        "n": 4,
        "unseen": 0,
        "median": 2.0,
        "p95": None,
        "max": 2.0,
    }
    pushed = by["basic", "git-lock/index-lock"]["stages"]["pushed"]
    assert (pushed["n"], pushed["unseen"]) == (2, 1)
    stages = by["soak", "alone"]["stages"]
    assert (stages["pushed"]["p95"], stages["deployed"]["absent"]) == (1.0, True)
    assert words.stage(pushed) == "median 1 s, max 1 s, n = 2, 1 unseen"
    assert words.stage(stages["deployed"]) == "the target has none"


def replace_lost(play: Play) -> Play:
    return Play(**{**{f: getattr(play, f) for f in ("name", "at_s", "purpose", "injection")}, "lost": (1,)})


def test_the_waterfall_has_every_stage_and_the_fault_on_the_run_s_own_axis() -> None:
    found = report(BESIDE, stories=(STORY,))["runs"][0]["waterfall"]
    assert found["lasts"] == LASTS_S
    assert found["fault"] == {
        "name": "git-lock/index-lock",
        "active": [3.0, LASTS_S],
        "unwell": [3.1, 7.11],
        "recovered": True,
    }
    second = found["messages"][1]
    assert [second[k] for k in ("sent", "committed", "pushed", "deployed", "answered", "took")] == [
        1.0,
        2.0,
        2.0,
        2.5,
        3.0,
        1.5,
    ]
    assert [m["state"] for m in found["messages"]] == ["through"] * 3


def test_a_lost_message_is_followed_in_vain_and_its_fault_may_never_end() -> None:
    story = Story(name="i-1", at_s=103, well_s=None, outcome=Outcome.RESTORED)
    found = report(replace_lost(BESIDE), stories=(story,))["runs"][0]["waterfall"]
    assert found["fault"]["unwell"] == [3.1, LASTS_S]
    assert "not well again" in words.around(found["fault"])
    chart = drawing(found)
    assert [row["failed"] for row in chart["rows"]] == [False, True, False]
    lost = chart["rows"][1]
    assert lost["bars"] == []
    assert lost["followed"]["x"] + lost["followed"]["width"] == pytest.approx(chart["right"], abs=0.2)
    assert words.message(found["messages"][1]) == "cmd-1: in the evidence; nothing was seen of it"


def test_bars_join_and_stay_on_the_axis_in_whatever_order_the_stages_were_seen() -> None:
    found = report(Play())["runs"][0]["waterfall"]
    early = {**found["messages"][0], "answered": 0.4}
    chart = drawing({**found, "messages": [early]})
    [row] = chart["rows"]
    assert [b["stage"] for b in row["bars"]] == ["answered", "committed", "pushed", "deployed"]
    ends = [round(b["x"] + b["width"], 1) for b in row["bars"]]
    assert row["bars"][1]["x"] == ends[0]
    assert row["sent"] == chart["left"]
    assert max(ends) < chart["right"]


def test_of_many_messages_the_failed_and_the_slowest_are_drawn_and_that_is_said() -> None:
    found = report(Play(scenario="soak", messages=90, lost=(0, 50)))
    chart = drawing(found["runs"][0]["waterfall"])
    assert (chart["shown"], chart["of"]) == (42, 90)
    assert [m["command"] for m in chart["messages"] if m["failed"]] == ["cmd-0", "cmd-50"]
    page = html.render(found)
    assert "42 of 90 messages: those that failed and the slowest of the others" in page
    assert page.count('<th scope="row" data-label="Message">') == 90


def test_of_many_runs_those_that_did_not_pass_are_drawn_first() -> None:
    plays = [Play(name=f"r-{n:02}", at_s=n * 20.0, lost=(1,) if n == 3 else ()) for n in range(40)]
    found = report(*plays)
    shown = drawn(found["runs"])
    assert [s["run"]["run"] for s in shown] == ["r-03", *(f"r-{n}" for n in range(17, 40))]
    assert shown[0]["open"]
    assert "24 of 40 runs" in html.render(found)


# --- the formats -----------------------------------------------------------------------------------------


def everything() -> dict[str, Any]:
    return report(
        Play(name="r-base", purpose=Purpose.BASELINE, lost=(2,), injection="i-1"),
        BESIDE,
        Play(name="r-bad", at_s=200, lost=(1,)),
        Play(name="r-blind", at_s=250, blind=(Part.QUEUE,)),
        Play(name="r-stopped", at_s=300, stopped="interrupted"),
        Play(name="r-open", at_s=350, played=False, swept=False),
        stories=(STORY,),
    )


def test_the_page_shows_every_section_of_a_run() -> None:
    page = Page(html.render(everything()))
    ids = {a["id"] for _, a in page.elements if "id" in a}
    assert {"messages", "invariants", "baseline", "stages", "objectives", "run-r-bad"} <= ids
    assert not {"run-r-open"} & ids
    assert page.row("cmd-1")[-1] in {"through", "in the evidence"}
    lost = next(r for r in page.rows if r[0].startswith("no-lost-instruction"))
    assert [c.strip() for c in lost[1:7]] == ["editor", "violated", "2", "2", "0", "2"]
    text = " ".join(page.texts)
    for fact in ("chaosd recover", "git -C /remote.git", "git-lock/index-lock active", "not ended"):
        assert fact in text
    titles = [t for t in page.texts if t.startswith("cmd-1: ")]
    assert any("committed +1 s, pushed +1 s, deployed +1.5 s, answered +2 s" in t for t in titles)


def test_evidence_without_a_command_to_see_it_is_evidence_all_the_same() -> None:
    stale = (
        Play(name="r-base", purpose=Purpose.BASELINE, stale=True),
        Play(name="r-alone", at_s=50, stale=True),
    )
    found = report(*stale, stories=(STORY,))
    broken = rows(found)["deployment-fresh"]["broken"]
    assert broken
    assert not [c for c in broken if "see" in c["evidence"]]
    detail = broken[0]["evidence"]["detail"]
    for page in ("".join(Page(html.render(found)).texts), junit.render(found)):
        assert detail in page
    assert "deployment-fresh | basic | editor" in markdown.render(found)


def test_a_baseline_that_could_not_tell_is_not_called_clean() -> None:
    blind, clean = replace(BASELINE, blind=(Part.QUEUE,)), BASELINE
    assert "not every baseline could tell" in html.render(report(blind))
    assert "1 baseline run without a fault showed nothing broken" in html.render(report(clean))


def test_the_page_of_runs_asks_for_nothing_from_elsewhere() -> None:
    source = html.render(everything())
    assert "://" not in source
    assert not re.search(r"url\((?!#)|@import", source)
    for tag, attributes in Page(source).elements:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "srcset"}]
        assert (attributes.get("href") or "#").startswith("#")
        assert "style" not in attributes


def test_the_page_of_runs_is_readable_without_seeing_it() -> None:
    page = Page(html.render(everything()))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("caption") == tags.count("table")
    for tag, attributes in page.elements:
        if tag == "svg":
            labels = (attributes.get("aria-labelledby") or "").split()
            assert attributes.get("aria-hidden") == "true" or (labels and set(labels) <= set(ids))
        if tag == "a":
            assert (attributes.get("href") or "")[1:] in ids


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_bar_stands_out_from_its_ground(theme: int) -> None:
    palette = re.findall(r":root\{(.*?)\}", html.render(report(Play())), re.DOTALL)[theme]
    colours = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{6})", palette))
    for stage in ("committed", "pushed", "deployed", "answered"):
        bright, dark = sorted((luminance(colours[stage]), luminance(colours["card"])), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 3, stage


HOSTILE = "</code><script>alert(1)</script><img src=//evil.example/x onerror=alert(2)>\"'`|\n# x @team\x00\ud800"


def test_hostile_runs_stay_words_in_every_format() -> None:
    found = report(Play(name=HOSTILE, target=HOSTILE, scenario=HOSTILE, stopped=HOSTILE), Play(name="r-2", at_s=60))
    found["runs"][1]["waterfall"]["messages"][0]["command"] = HOSTILE
    assert not {"script", "img"} & {tag for tag, _ in Page(html.render(found)).elements}
    page = markdown.render(found)
    assert not re.search(r"(?<!\\)<(script|img)", page)
    assert "@team" not in page
    ET.fromstring(junit.render(found))  # noqa: S314  our own output


def test_junit_fails_violated_runs_errs_on_the_unknown_and_lets_baselines_find() -> None:
    found = everything()
    ends = {
        run: [e.tag for e in case(found, run)]
        for run in ("r-base", "r-beside", "r-bad", "r-blind", "r-stopped", "r-open")
    }
    assert ends == {
        "r-base": ["system-out"],
        "r-beside": ["system-out"],
        "r-bad": ["failure"],
        "r-blind": ["error"],
        "r-stopped": ["error"],
        "r-open": ["error"],
    }
    bad = case(found, "r-bad")
    assert bad.attrib["classname"] == "chaosd.editor.scenario.basic"
    assert bad[0].attrib["message"].startswith("violated: no-lost-instruction")
    assert "see: git -C /remote.git" in (bad[0].text or "")
    assert "queue-drained" in case(found, "r-blind")[0].attrib["message"]
    assert "cmd-2" in (case(found, "r-base")[0].text or "")
    root = ET.fromstring(junit.render(found))  # noqa: S314  our own output
    assert {n: root.attrib[n] for n in ("tests", "failures", "errors")} == {
        "tests": "7",
        "failures": "1",
        "errors": "3",
    }
    names = [p.attrib["name"] for p in root.iter("property")]
    assert "baseline defect editor: basic" in names


def test_a_run_on_a_target_with_nothing_to_check_is_skipped() -> None:
    bare = Play(name="r-bare", absent=tuple(Part))
    assert [e.tag for e in case(report(bare), "r-bare")] == ["skipped"]


def test_markdown_has_the_tables_and_the_slowest_messages() -> None:
    page = markdown.render(everything())
    for title in ("### Key figures", "### Invariants", "### Baseline defects", "### Stage times"):
        assert title in page
    assert "| r-bad | basic | editor | violated | no-lost-instruction, honest-response | - |" in page
    slowest = markdown.render(report(Play(name="r-1", messages=9, lost=(7,)))).split("Slowest messages")[1]
    lines = [line for line in slowest.splitlines() if line.startswith("| r-1 ")]
    assert len(lines) == 5
    assert "| cmd-7 |" in lines[0]
    assert markdown.render(report(stories=(STORY,))).count("none of the invariants was checked") == 1


def test_the_planted_ledger_is_the_one_that_the_invariants_call_good() -> None:
    assert ledgers.good().wanted()
    assert report(Play())["runs"][0]["violations"] == []
