"""What a right file becomes, and what no file at all becomes."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.config import Settings, load, notes, starter
from daemon.core import levers
from daemon.core.errors import ConfigError
from daemon.core.levers import StopWhen
from daemon.core.model import Status
from daemon.core.settings import (
    AboutEvery,
    Allow,
    Api,
    Aws,
    Cron,
    Every,
    ExperimentSetting,
    GuardSetting,
    ProbeSetting,
    Sampling,
    Tcp,
    UnixSocket,
)
from daemon.core.target import Deployment, EcsService, Limits, Logs, Processes, Queue, Repository, Target

Read = Callable[..., Settings]
Problems = Callable[..., list[str]]


def test_the_example_of_the_design_becomes_settings(read: Read, example: str) -> None:
    found = read(example)
    assert found.seed == 42
    assert found.aws == Aws(region="us-west-2", endpoint_url=None)
    assert found.targets == {
        "editor": Target(
            name="editor",
            ecs=EcsService(cluster="edit-cluster", service="edit-service"),
            queue=Queue(url="https://sqs.../input"),
            repository=Repository(worktree=("/srv/repo",)),
            deployment=Deployment(bucket="edit.example.com"),
            logs=Logs(group="/ecs/edit"),
            processes=Processes(match="node dist/main.js"),
            limits=Limits(message_s=30, branch_switch_s=5, recover_s=120),
        )
    }
    assert found.probes[1] == ProbeSetting(
        name="backlog", probe="sqs-backlog", target="editor", every_s=10, parameters={"expect": "visible <= 100"}
    )
    assert found.steady_state == {"editor": ("tasks", "backlog", "repository")}
    assert found.api == Api(listen=Tcp(host="127.0.0.1", port=9876))
    assert found.sampling == Sampling(probe_every_s=1.0)


def test_the_experiments_of_the_design_become_settings(read: Read, example: str) -> None:
    common = {"target": "editor", "timeout_s": 120.0}
    assert read(example).experiments == (
        ExperimentSetting(
            name="stop-a-task", fault="ecs-task-stop", trigger=Cron(expression="*/30 9-17 * * mon-fri"), **common
        ),
        ExperimentSetting(
            name="corrupt",
            fault="git-corrupt",
            trigger=AboutEvery(seconds=14400),
            parameters={"mode": "loose-object-truncate"},
            **common,
        ),
        ExperimentSetting(
            name="burst",
            fault="sqs-burst",
            trigger=Every(seconds=3600),
            parameters={"messages": 200, "rate": "50/s"},
            **common,
        ),
    )


def test_the_guard_of_the_design_becomes_settings(read: Read, example: str) -> None:
    guard = read(example).guard
    assert guard.windows[0].contains(datetime(2026, 11, 23, 8, 30, tzinfo=UTC))  # 09:30 in Berlin
    assert not guard.windows[0].contains(datetime(2026, 11, 23, 7, 30, tzinfo=UTC))
    assert guard.blackouts[0].contains(datetime(2027, 1, 3, 23, 59, tzinfo=UTC))
    assert guard == GuardSetting(
        max_per_day=20,
        min_gap_s=600,
        min_healthy_tasks=1,
        require_tag=("chaosd:allow", "true"),
        allow=Allow(repositories=("/srv/repo",), queues=("*:edit-*",)),
        windows=guard.windows,
        blackouts=guard.blackouts,
        stop_when=(StopWhen(probe="site", status=Status.FAILING, for_s=300),),
    )


GUARDED = """
probes: [{name: site, probe: git-health, target: t}]
targets: {t: {repository: {worktree: /srv/repo}}}
guard:
  max_percent: 50 %
  protect: [editor-prod, "*-live"]
  protect_tag: {key: "chaosd:protect", value: "true"}
  max_disturbed_time_per_day: 30m
  error_budget: {objective: "99.5%", prometheus: "http://p:9090", window: 30d, probe: site}
  halt_file: /run/chaosd/halt
  levers: [{fis: default}, {parameter: /chaosd/halt}, {alarm: incident}]
  blind_after: 10s
  stop_when:
    - {prometheus: "https://p", query: "errors > 1", for: 30s}
    - {prometheus: "https://p", query: errors, above: 5}
    - {alarm: queue-age, for: 1m}
"""


def test_levers_budgets_and_limits_become_settings(read: Read) -> None:
    assert read(GUARDED).guard == GuardSetting(
        max_percent=50,
        protect=("editor-prod", "*-live"),
        protect_tag=("chaosd:protect", "true"),
        max_disturbed_s_per_day=1800,
        error_budget=levers.ErrorBudget(objective=0.995, prometheus="http://p:9090", window="30d", probe="site"),
        halt_file="/run/chaosd/halt",
        levers=(
            levers.SafetyLever(fis="default"),
            levers.Parameter(parameter="/chaosd/halt"),
            levers.Alarm(alarm="incident"),
        ),
        blind_after_s=10,
        stop_when=(
            levers.StopQuery(prometheus="https://p", query="errors > 1", for_s=30),
            levers.StopQuery(prometheus="https://p", query="errors", above=5),
            levers.Alarm(alarm="queue-age", for_s=60),
        ),
    )


def test_a_stop_condition_that_the_fault_itself_trips_is_noted(
    read: Read, example: str, catalogue: dict[str, Any]
) -> None:
    assert notes(read(example), catalogue["faults"]) == ()
    on_repository = example.replace("{probe: site, is", "{probe: repository, is")
    (note,) = notes(read(on_repository), catalogue["faults"])
    assert note.startswith(
        "guard.stop_when[0]: probe repository is in the steady state of editor, and corrupt perturbs"
    )
    not_steady = on_repository.replace("backlog, repository]", "backlog]")
    assert notes(read(not_steady), catalogue["faults"]) == ()


def test_an_experiment_on_a_protected_target_is_noted(read: Read, example: str, catalogue: dict[str, Any]) -> None:
    found = notes(read(example.replace("max_active: 1", 'protect: ["edit*"]')), catalogue["faults"])
    assert len(found) == 3
    assert found[0] == "experiment stop-a-task can never run: guard.protect 'edit*' is its target"


def test_the_starter_loads_and_injects_nothing(read: Read) -> None:
    found = read(starter())
    assert list(found.targets) == ["editor"]
    assert found.experiments == ()


def test_every_commented_line_of_the_starter_is_right_too(read: Read) -> None:
    # A comment that holds a key or a list item becomes real; prose does not begin that way.
    lines = []
    for line in starter().splitlines():
        head, hash_, rest = line.partition("# ")
        commented = (
            not head.strip()
            and hash_
            and rest.lstrip().startswith(
                (
                    "- ",
                    "seed:",
                    "notify:",
                    "grafana:",
                    "aws:",
                    "region:",
                    "endpoint_url:",
                    "ecs:",
                    "queue:",
                    "url:",
                    "responses:",
                    "dead_letter:",
                    "deployment:",
                    "logs:",
                    "processes:",
                    "fault:",
                    "target:",
                    "about_every:",
                    "for:",
                    "set:",
                    "require_tag:",
                    "allow:",
                    "tokens:",
                )
            )
        )
        lines.append(head + rest if commented else line)
    found = read("\n".join(lines))
    assert found.seed == 42
    assert [e.name for e in found.experiments] == ["corrupt", "stop-a-task"]
    assert found.targets["editor"].queue is not None
    assert found.targets["editor"].queue.dead_letter is not None
    assert [t.name for t in found.api.tokens] == ["prometheus", "ops"]


def test_everything_has_a_default(read: Read) -> None:
    assert read("version: 1") == Settings(sampling=Sampling(probe_every_s=0.25))


def test_an_experiment_waits_for_recovery_as_long_as_it_or_its_target_says(read: Read) -> None:
    text = (
        "targets: {t: {repository: {worktree: /r}, limits: {recover: 9m}}}\n"
        "experiments:\n"
        "  - {name: a, fault: git-corrupt, target: t, every: 1h, for: 5s, jitter: 1m, misfire_grace: 2m}\n"
        "  - {name: b, fault: git-corrupt, target: t, cron: '0 9 * * *', timezone: Europe/Berlin, timeout: 1m}\n"
    )
    first, second = read(text).experiments
    assert (first.timeout_s, first.duration_s, first.jitter_s, first.misfire_grace_s) == (540, 5, 60, 120)
    assert second.timeout_s == 60
    assert second.trigger == Cron(expression="0 9 * * *", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("aws", "parts", "seconds"),
    [
        ("", "repository: {worktree: /r}", 0.25),
        ("", "logs: {group: g}", 1.0),
        ("aws: {endpoint_url: 'http://127.0.0.1:4566'}", "logs: {group: g}", 0.25),
        ("aws: {endpoint_url: 'https://vpce.example.com'}", "logs: {group: g}", 1.0),
        ("sampling: {probe_every: 2s}", "logs: {group: g}", 2.0),
    ],
)
def test_experiments_look_faster_where_looking_is_local(aws: str, parts: str, seconds: float, read: Read) -> None:
    assert read(f"{aws}\ntargets: {{t: {{{parts}}}}}").sampling.probe_every_s == seconds


@pytest.mark.parametrize("given", ["/a", "[/a]"])
def test_one_work_tree_needs_no_list(given: str, read: Read) -> None:
    found = read(f"targets: {{t: {{repository: {{worktree: {given}}}}}}}").targets["t"].repository
    assert found == Repository(worktree=("/a",))


def test_several_work_trees_and_a_template_of_their_own_format(read: Read) -> None:
    found = read(
        "targets:\n  t:\n    repository: {worktree: [/a, '/b/*']}\n"
        "    queue: {url: 'http://q/1/in', interrupts: 'http://q/1/int', format: {text: '{instruction}'}}\n"
    ).targets["t"]
    assert found.repository == Repository(worktree=("/a", "/b/*"))
    assert found.queue == Queue(
        url="http://q/1/in", interrupts="http://q/1/int", format='{"text": "{instruction}"}'
    )


def test_a_probe_takes_its_parameters_beside_its_keys_or_under_set(read: Read) -> None:
    text = "targets: {t: {queue: {url: 'http://q/1/in'}}}\nprobes: [{name: p, probe: sqs-backlog, target: t, %s}]"
    expected = {"expect": "visible < 1"}
    assert read(text % "expect: visible < 1").probes[0].parameters == expected
    assert read(text % "set: {expect: visible < 1}").probes[0].parameters == expected


def test_a_key_without_a_value_is_a_key_not_given(read: Read) -> None:
    found = read("seed:\nprobes:\nguard: {max_active: , allow: }\ntargets: {t: }")
    assert found == Settings(sampling=Sampling(probe_every_s=0.25), targets={"t": Target(name="t")})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'[::1]:80'", Tcp(host="::1", port=80)),
        ("localhost:0", Tcp(host="localhost", port=0)),
        ("unix:/run/chaosd.sock", UnixSocket(path="/run/chaosd.sock")),
    ],
)
def test_addresses_that_only_this_machine_reaches_need_no_token(text: str, expected: object, read: Read) -> None:
    assert read(f"api: {{listen: {text}}}").api.listen == expected


@pytest.mark.parametrize("address", ["0.0.0.0:80", "'[::]:80'", "':80'", "10.0.0.1:80", "example.com:80"])
def test_other_addresses_need_a_token(address: str, read: Read, problems: Problems) -> None:
    assert "set api.token_file" in problems(f"api: {{listen: {address}}}")[0]
    assert read(f"api: {{listen: {address}, token_file: /t}}").api.token_file is not None


# --- no file, or no file of ours ---------------------------------------------------------------------------


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path, catalogue: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.yaml", environment={}, overrides={}, **catalogue)
    assert caught.value.problems == (f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory",)
    assert "chaosd config init" in caught.value.hint


@pytest.mark.parametrize("name", [".", "a\0b"])
def test_what_cannot_be_opened_is_no_traceback(name: str, tmp_path: Path, catalogue: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / name, environment={}, overrides={}, **catalogue)


NOBODY = 65534


def test_a_file_without_permission_is_said_so(tmp_path: Path, catalogue: dict[str, Any]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("version: 1")
    path.chmod(0)
    root = os.geteuid() == 0
    if root:  # root reads everything: be somebody else for the length of the call
        os.seteuid(NOBODY)
    try:
        with pytest.raises(ConfigError, match="Permission denied"):
            load(path, environment={}, overrides={}, **catalogue)
    finally:
        if root:
            os.seteuid(0)


NO_FILE_OF_OURS = [
    (b"", "FILE:1: expected a mapping of keys to values, found nothing"),
    (b"# only a comment\n", "FILE:1: expected a mapping of keys to values, found nothing"),
    (b'a: "\\UFFFFFFFF"', "FILE:1:7: is not valid YAML: an escape sequence or a number is out of range"),
    (b"- a\n- b\n", "FILE:1: expected a mapping of keys to values, found a list"),
    (b"just words", "FILE:1: expected a mapping of keys to values, found a single value"),
    (b"seed: 1\nname: \xff\xfe", "FILE:2: is not UTF-8 (byte 14)"),
    (b"a: 1\nb: [1, 2", "FILE:2:9: is not valid YAML: expected ',' or ']', but got '<stream end>'"),
    (b"a: 1\n\tb: 2", "FILE:2:1: is not valid YAML: found character '\\t' that cannot start any token"),
    (b"a: 1\n--- \nb: 1", "FILE:2:1: is not valid YAML: but found another document"),
    (b"a: 1\nb: \x01", "FILE:2: is not valid YAML: a character that YAML forbids"),
    (b"a: *b", "FILE:1:4: is not valid YAML: found undefined alias 'b'"),
    (b"a: &a\n  b: *a", "FILE:1:4: is not valid YAML: an alias contains itself"),
    (
        b"a: &a\n  <<: *a",
        "FILE:2:3: is not valid YAML: << takes a mapping that does not contain itself, or a list of them",
    ),
    (
        b"a: !!python/object/apply:os.system [ls]",
        (
            "FILE:1:4: is not valid YAML: the type "
            "'tag:yaml.org,2002:python/object/apply:os.system' is not allowed here"
        ),
    ),
    (b"a: 1e999", "FILE:1:4: is not valid YAML: '1e999' is no float in range"),
    (b"seed: 99999999999999999999", "FILE:1:7: is not valid YAML: '99999999999999999999' is no int in range"),
    (
        b'a: "\\ud800"',
        "FILE:1:4: is not valid YAML: a text holds a character that no file name or message can hold",
    ),
    (b'a: "\\0"', "FILE:1:4: is not valid YAML: a text holds a character that no file name or message can hold"),
    (b"? [a]\n: b", "FILE:1:3: is not valid YAML: a key must be a plain word"),
    (b"a: " + b"[" * 100 + b"]" * 100, "FILE:1:43: is not valid YAML: nested deeper than 40 levels"),
    (b"[" * 50_000, "FILE:1:41: is not valid YAML: nested deeper than 40 levels"),
    (b"#" * 300_000, "FILE: is larger than 256 KiB"),
]


@pytest.mark.parametrize(("content", "expected"), NO_FILE_OF_OURS)
def test_what_is_no_file_of_ours_is_told_with_its_place(content: bytes, expected: str, problems: Problems) -> None:
    assert problems(content) == [expected]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("step", ["[{0},{0},{0},{0},{0},{0},{0},{0}]", "{{<<: [{0},{0},{0},{0},{0},{0},{0},{0}]}}"])
def test_a_few_lines_that_stand_for_billions_are_refused(step: str, problems: Problems) -> None:
    lines = ["a0: &a0 {x: 1}"] + [f"a{i}: &a{i} {step.format(f'*a{i - 1}')}" for i in range(1, 30)]
    assert "is not valid YAML: it holds more than 20000 values, aliases followed" in problems("\n".join(lines))[0]


def test_a_byte_order_mark_is_no_part_of_the_first_key(read: Read) -> None:
    assert read(b"\xef\xbb\xbfseed: 4").seed == 4


def test_null_is_a_value_among_parameters(read: Read) -> None:
    text = (
        "targets: {t: {queue: {url: 'http://q/1/in'}}}\n"
        "experiments: [{name: x, fault: sqs-burst, target: t, every: 1h, set: {share: null}}]"
    )
    assert read(text).experiments[0].parameters == {"share": None}


def test_anchors_and_merges_save_typing(read: Read) -> None:
    found = read(
        "targets: {t: {}}\nprobes:\n"
        "  - &p {name: a, probe: git-health, target: t, every: 7s}\n"
        "  - {<<: *p, name: b}\n"
    )
    assert [(p.name, p.every_s) for p in found.probes] == [("a", 7), ("b", 7)]


def test_words_that_older_yaml_took_for_something_else_stay_words(read: Read) -> None:
    found = read("targets: {no: {}, on: {}, '1': {}, 2: {}}\nguard: {blackouts: [2026-12-24]}")
    assert list(found.targets) == ["no", "on", "1", "2"]
    assert found.guard.blackouts[0].text == "2026-12-24"
