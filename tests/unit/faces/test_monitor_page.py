"""The monitor's page fits every terminal, and never shows the unknown as fine."""

import io
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from daemon.faces.cli.fitting import Mark, cut
from daemon.faces.cli.page import Frame, page
from daemon.faces.cli.sections import lapse

NOW = "2026-01-02T03:04:05.000Z"
EARLIER = "2026-01-02T03:03:55.000Z"


def injection(**more: Any) -> dict[str, Any]:
    head = {
        "id": "20260102T030355-abcdef",
        "fault": "git-lock",
        "mode": "index-lock",
        "target": "editor",
        "state": "injected",
        "planned_at": EARLIER,
        "injected_at": EARLIER,
        "reverted_at": None,
        "for": 30.0,
        **more,
    }
    return {"injection": head, "verdict": None, "recovery": {"after": None}}


def target(name: str = "editor", **more: Any) -> dict[str, Any]:
    return {
        "target": name,
        "steady": {"status": "ok", "because": []},
        "service": {"desired": 2, "running": 2, "pending": 0},
        "tasks": [
            {
                "id": f"{n}2345678{n}9abc", "status": "RUNNING", "health": "HEALTHY", "age": 70.0,
                "revision": "edit:7", "image": "r.example.com/edit:v1",
            } for n in range(2)
        ],
        "queue": {"visible": 3, "in_flight": 1, "delayed": 0, "dead_letter": 0, "waiting_for": 12.0},
        "branches": [
            {
                "name": f"thread-{n}", "commit": "a" * 40, "age": 60.0 * n, "author": "worker",
                "subject": f"Change {n} {'x' * 90}",
            } for n in range(6)
        ],
        "deployment": {
            "bucket": "b", "key": "index.html", "branch": "thread-0", "commit": "a" * 40, "age": 9.0,
            "standing": "tip", "behind": 0, "why": "",
        },
        "logs": [
            {"at": EARLIER, "stream": "edit/edit/0123456789", "level": "INFO", "message": f"line {n} {'0a' * 20}"}
            for n in range(8)
        ],
        "unseen": [],
        "ages": {},
        **more,
    }  # fmt: skip


def document(*targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "at": NOW,
        "daemon": {"pid": 7},
        "halted": None,
        "active": [injection()],
        "outstanding": [],
        "observations": [
            {"probe": "tasks", "target": "editor", "status": "ok", "measures": {"desired": 2}, "findings": []}
        ],
        "next": [{"experiment": "stop", "at": "2026-01-02T03:14:05.000Z"}],
        "latest": [{**injection(), "verdict": "recovered", "recovery": {"after": [1.0, 1.5]}}],
        "targets": list(targets or [target()]),
        "unseen": [],
        **more,
    }


def shown(found: dict[str, Any], width: int, height: int | None = None, **how: Any) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height or 100, highlight=False, legacy_windows=False, **how)
    footer = " every 2 s   q quits" if height else ""
    console.print(
        page(found, "/state", Frame(width=width, height=height, mark=Mark.of(console.encoding), footer=footer))
    )
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_everything_is_there_and_nothing_is_wider_than_the_terminal(width: int) -> None:
    page = shown(document(), width)
    assert max(map(len, page.splitlines())) <= width
    for words in (
        "editor  steady  tasks 2/2  queue 4  deployed ok  active faults 1",
        "RUNNING  HEALTHY  up 70 s  edit:7",
        "3 waiting, 1 in flight, 0 delayed, 0 dead, not empty for 12 s",
        "the branch's tip  9 s ago  thread-0 aaaaaaaa",
        "thread-5  aaaaaaaa  5 min ago  worker  Change 5",
        "03:03:55  01234567  INFO  line 7 0a0a0a0a",
        "git-lock/index-lock  editor  20 s left  20260102T030355-abcdef",
        "recovered  in 1.0-1.5 s  10 s ago",
        "in 10 min  stop",
        "tasks  ok  desired=2",
        "daemon 7",
    ):
        assert words[: width - 13] in page
    assert "\x1b" not in page


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (60, 9), (40, 5), (30, 3), (20, 2), (10, 1)])
def test_it_has_as_many_lines_as_the_terminal(width: int, height: int) -> None:
    lines = shown(document(), width, height).splitlines()
    assert len(lines) == height
    assert max(map(len, lines)) <= width


def test_at_80_by_24_the_least_important_goes_first_and_is_counted() -> None:
    page = shown(document(latest=[{**injection(), "verdict": "recovered"}] * 5), 80, 24)
    assert "active faults 1" in page.splitlines()[1]
    assert "20 s left" in page
    assert "verdicts +4" in page
    assert page.count("line ") == 7  # the oldest line went
    assert "line 7" in page
    tiny = shown(document(), 80, 9)
    assert "20 s left" in tiny
    assert "logs" not in tiny
    assert "more lines" in tiny.splitlines()[-1]


def test_more_targets_than_lines() -> None:
    page = shown(document(*(target(f"t{n}") for n in range(9))), 80, 6)
    assert [line.split()[0] for line in page.splitlines()] == ["chaosd", "t0", "t1", "t2", "t3", "every"]
    several = shown(document(target("one"), target("two")), 120)
    assert several.count("waiting,") == 2
    assert "editor tasks" in several


UNSEEN = [{"part": p, "reason": "no answer"} for p in ("tasks", "queue", "branches", "deployment", "logs")]


def test_the_unknown_is_never_shown_as_fine() -> None:
    blind: dict[str, Any] = {u["part"]: None for u in UNSEEN}
    seen = {k: v for k, v in target().items() if k != "service"}
    page = shown(
        document({**seen, **blind, "unseen": UNSEEN, "steady": {"status": "unknown", "because": ["tasks"]}}), 120
    )
    assert "editor  steady unknown  tasks unknown  queue unknown  deployed unknown" in page
    assert page.count("unknown: no answer") == 5
    assert "unknown: tasks" in page
    nothing = document(active=None, daemon=None, observations=None, latest=None, next=None, outstanding=None)
    page = shown({**nothing, "unseen": [{"part": "chaosd", "reason": "locked"}]}, 120)
    assert "active faults unknown" in page
    assert "chaosd unknown: locked" in page
    assert "none active" not in page


def test_what_a_target_has_not_is_left_out() -> None:
    page = shown(document({"target": "bare", "steady": None, "unseen": [], "ages": {}}), 80)
    assert "bare  no steady state defined  active faults 0" in page
    assert not [word for word in ("queue", "branches", "deployment", "logs") if word in page]


def test_trouble_comes_first() -> None:
    left = injection(state="revert-failed", id="other")
    status = {"status": "failing", "because": ["tasks", "site"]}
    found = document(target(steady=status), halted="by hand", outstanding=[left])
    page = shown(found, 120)
    assert page.splitlines()[1:3] == [" halted: by hand", " 1 not undone: residue may remain, see `chaosd recover`"]
    assert "UNSTEADY" in page
    assert "failing: tasks, site" in page
    assert "could not be undone" in page


def test_old_figures_tell_their_age() -> None:
    page = shown(document(target(ages={"queue": 12.3, "tasks": 3.0})), 80)
    assert page.count("(12 s ago)") == 1
    assert "tasks 2/2  queue 4?  deployed ok" in page
    assert page.count("s ago)") == 1


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"injected_at": None}, "beginning"),
        ({"for": 4.0}, "due to end 6 s ago"),
        ({"for": None}, "since 10 s"),
        ({"reverted_at": "2026-01-02T03:04:00.000Z"}, "undone 5 s ago  2026"),
    ],
)
def test_a_fault_counts_down(head: dict[str, Any], words: str) -> None:
    assert words in shown(document(active=[injection(**head)]), 120)


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        ({"standing": "behind", "behind": 2}, ["deployed 2 behind", "2 behind  9 s ago"]),
        ({"standing": "diverged"}, ["deployed off its branch"]),
        ({"standing": "not-pushed"}, ["deployed not on the remote"]),
        ({"standing": "absent"}, ["deployed absent", "s3://b/index.html  absent"]),
        (
            {"standing": "unknown", "why": "no commit", "commit": None, "branch": None},
            ["deployed unknown", "unknown: no commit"],
        ),
    ],
)
def test_how_the_deployment_stands(standing: dict[str, Any], words: list[str]) -> None:
    page = shown(document(target(deployment={**target()["deployment"], **standing})), 120)
    assert not [word for word in words if word not in page]


def test_missing_tasks_and_empty_parts_say_so() -> None:
    seen = target(service={"desired": 2, "running": 0, "pending": 0}, tasks=[], branches=[], logs=[])
    page = shown(document(seen, active=[], observations=[]), 120)
    for words in (
        "tasks 0/2",
        "2 missing",
        "the remote has none",
        "none in the last hours",
        "none active",
        "no probe has looked",
    ):
        assert words in page


def test_a_terminal_without_unicode_gets_none() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=out, width=80, height=30, highlight=False)
    branch = {**target()["branches"][0], "author": "Żółć", "subject": "Ümlaut 字"}
    found = document(target(branches=[branch, *target()["branches"]]))
    console.print(page(found, "/state", Frame(width=80, mark=Mark.of(console.encoding))))
    out.flush()
    text = out.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "?mlaut ?" in text
    assert "xxx..." in text
    assert "…" not in text


def test_colours_only_where_they_are_wanted() -> None:
    assert "\x1b[1;32m" in shown(document(), 80, force_terminal=True, color_system="standard")
    plain = shown(document(), 80, force_terminal=True, color_system="standard", no_color=True)
    assert "\x1b[1;32m" not in plain
    assert "\x1b[32m" not in plain


def test_escape_sequences_in_what_probes_found_do_nothing() -> None:
    nasty = "\x1b[2J\x1b]0;title\x07evil"
    seen = {
        "probe": nasty,
        "target": "editor",
        "status": "failing",
        "measures": {},
        "findings": [{"name": nasty, "detail": nasty}],
    }
    page = shown(document(observations=[seen], halted=nasty, next=[{"experiment": nasty, "at": NOW}]), 120)
    assert "\x1b" not in page
    assert "evil: evil" in page


def test_wide_characters_are_cut_by_cells() -> None:
    assert cut(Text("字字字字"), 5, Mark()).plain == "字字…"
    assert cut(Text("字字字字"), 1, Mark("...")).cell_len <= 2
    assert cut(Text("abc"), 3, Mark()).plain == "abc"
    assert cut(Text("abcd"), 2, Mark("...")).plain == "ab"


@pytest.mark.parametrize(
    ("value", "words"), [(-3.0, "0 s"), (0.4, "0 s"), (59.6, "60 s"), (119.0, "119 s"), (200.0, "3 min 20 s")]
)
def test_ages_do_not_flicker(value: float, words: str) -> None:
    assert lapse(value) == words
