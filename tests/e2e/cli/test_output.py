"""What comes out: JSON alone on stdout, no colour for programs, help that lists every verb."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import CHAOSD, Cli

VERBS = (
    "run demo lab inject recover revert halt resume status health probe monitor history show report "
    "faults probes config"
)


def test_help_lists_every_verb_with_one_line(chaosd: Cli) -> None:
    ran = chaosd("--help")
    lines = [line.split() for line in ran.out.splitlines()]
    for verb in VERBS.split():
        assert any(words[:1] == [verb] and len(words) > 2 for words in lines), verb


@pytest.mark.parametrize("verb", VERBS.split())
def test_every_verb_has_help(chaosd: Cli, verb: str) -> None:
    ran = chaosd(verb, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: chaosd {verb}")


def test_the_version(chaosd: Cli) -> None:
    assert chaosd("--version").out.startswith("chaosd 0.")


def test_options_may_stand_before_or_after_the_verb(chaosd: Cli, tmp_path: Path) -> None:
    other = tmp_path / "other"
    before = chaosd("--state-dir", other, "-o", "json", "halt", "x")
    after = chaosd("status", "--state-dir", other, "-o", "json")
    assert before.json["halted"] == after.json["halted"] == "x"
    assert chaosd("status", "-o", "json").json["halted"] is None


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["faults", "list"], "faults"),
        (["faults"], "faults"),
        (["faults", "show", "git-corrupt"], "fault"),
        (["probes", "list"], "probes"),
        (["probes", "show", "git-health"], "probe"),
        (["status"], "outstanding"),
        (["history"], "injections"),
        (["recover"], "injections"),
        (["monitor"], "observations"),
        (["health"], "healthy"),
        (["lab", "status"], "running"),
    ],
)
def test_json_stands_alone_on_stdout(chaosd: Cli, words: list[str], key: str) -> None:
    ran = chaosd(*words, "-o", "json")
    assert ran.json["schema_version"] == 1
    assert key in ran.json
    assert ran.err == ""


def test_the_faults_as_programs_read_them(chaosd: Cli) -> None:
    faults = {f["name"]: f for f in chaosd("faults", "list", "-o", "json").json["faults"]}
    assert {"ecs-task-stop", "sqs-burst", "interrupt-message", "interrupt-signal"} <= faults.keys()
    corrupt = faults["git-corrupt"]
    assert corrupt.keys() == {"name", "summary", "modes", "parameters"}
    assert {"name", "summary", "silent", "fails", "repair", "fsck", "seen", "often"} == corrupt["modes"][0].keys()
    assert "loose-object-truncate" in [m["name"] for m in corrupt["modes"]]
    assert "mode" in corrupt["parameters"]


@pytest.mark.parametrize(("columns", "lines_most"), [("80", 220), ("100", 200), ("120", 180), ("", 180)])
def test_the_faults_as_people_read_them(chaosd: Cli, columns: str, lines_most: int) -> None:
    """Each sentence in whole words and few lines; each mode by its whole name, or counted. No width: a pipe."""
    ran = chaosd("faults", "list", **({"COLUMNS": columns} if columns else {}))
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= int(columns or 120)
    assert len(lines) <= lines_most
    read = " ".join(ran.out.split())
    for fault in chaosd("faults", "list", "-o", "json").json["faults"]:
        assert fault["summary"] in read
        modes = [m["name"] for m in fault["modes"]]
        assert f"{', '.join(modes)} " in read or f"{', '.join(modes[:7])} and {len(modes) - 7} more" in read


def test_one_look_of_a_probe(chaosd: Cli, repository: Path) -> None:
    ran = chaosd("probe", "--repository", repository, "-o", "json")
    assert ran.code == 0
    (seen,) = ran.json["observations"]
    assert (seen["probe"], seen["status"], seen["findings"]) == ("git-health", "ok", [])
    assert seen["measures"]["clones"] == 1
    (repository / ".git/HEAD").write_text("ref: nowhere\n\n\x00")
    ran = chaosd("probe", "--repository", repository, "-o", "json")
    assert ran.code == 1
    assert ran.json["observations"][0]["status"] == "failing"


def test_unknown_is_not_ok(chaosd: Cli, repository: Path) -> None:
    ran = chaosd("probe", "git-health", "ecs-service", "--repository", repository, "-o", "json")
    assert [o["status"] for o in ran.json["observations"]] == ["ok", "unknown"]
    assert ran.code == 1
    assert "unknown counts as not ok: ecs-service" in ran.err


def test_looking_leaves_no_state(chaosd: Cli, repository: Path) -> None:
    for words in (["status"], ["history"], ["monitor"], ["recover"], ["probe", "--repository", str(repository)]):
        assert chaosd(*words).code == 0
    assert not chaosd.state.exists()


def test_config_show_names_the_origin_of_each_value(chaosd: Cli) -> None:
    path = chaosd.config("version: 1\nseed: 7\n")
    ran = chaosd("config", "show", "-o", "json", CHAOSD_GUARD_MAX_ACTIVE="3")
    values = {v["key"]: v for v in ran.json["config"]}
    assert values["seed"] == {"key": "seed", "value": 7, "origin": f"{path.name}:2"}
    assert values["guard.max_active"] == {
        "key": "guard.max_active",
        "value": 3,
        "origin": "CHAOSD_GUARD_MAX_ACTIVE",
    }
    assert values["guard.min_gap"]["origin"] == "default"


def test_config_init_begins_a_file_that_is_valid_and_never_replaces_one(chaosd: Cli) -> None:
    assert chaosd("config", "init").code == 0
    checked = chaosd("config", "check")
    assert checked.code == 0
    assert "is valid: 1 target, 1 probe, 0 experiments" in checked.out
    (chaosd.home / "chaosd.yaml").write_text("mine")
    assert chaosd("config", "init").code == 2
    assert (chaosd.home / "chaosd.yaml").read_text() == "mine"
    assert chaosd("config", "init", "--force").code == 0


def test_the_schema_is_json_schema(chaosd: Cli) -> None:
    assert "experiments" in json.loads(chaosd("config", "schema").out)["properties"]


def on_a_terminal(chaosd: Cli, *words: str, **environment: str) -> str:
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [CHAOSD, *words],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=chaosd.home,
        env=chaosd.environment | {"TERM": "xterm-256color", "COLUMNS": "80"} | environment,
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    child.wait(timeout=60)
    return seen.decode()


def test_colours_are_for_terminals_only(chaosd: Cli, repository: Path) -> None:
    words = ("probe", "--repository", str(repository))
    assert "\x1b[32mok" in on_a_terminal(chaosd, *words)
    assert "\x1b[3" not in on_a_terminal(chaosd, *words, NO_COLOR="1")
    assert "\x1b" not in chaosd(*words).out


def test_progress_is_shown_on_a_terminal(chaosd: Cli, repository: Path) -> None:
    words = ("inject", "git-lock", "--repository", str(repository), "--for", "1500ms")
    seen = on_a_terminal(chaosd, *words)
    assert "planned > injected" in seen
    assert "> impact after" in seen


def test_a_reader_that_leaves_early_is_no_error(chaosd: Cli) -> None:
    child = chaosd.begin("config", "schema")
    assert child.stdout is not None
    child.stdout.close()
    child.wait(timeout=60)
    assert child.stderr is not None
    assert "Traceback" not in child.stderr.read()
