"""Every mistake: the line, the key, the offending value, what was expected, the nearest name; and nothing else."""

from collections.abc import Callable

import pytest

Problems = Callable[..., list[str]]

NAME = "expected a name of at most 64 letters, digits, '.', '_' and '-'"
DURATION = "is no duration: write 250ms, 30s, 5m or 1h30m"
WINDOW = "write days, hours and a time zone, for example 'mon-fri 09:00-17:00 Europe/Berlin'"
ADDRESS = "is no address: write 127.0.0.1:9876, [::1]:9876 or unix:/run/chaosd.sock"

ONE_MISTAKE = [
    # keys
    ("max_active: 1", "max_activ: 1", "25: guard.max_activ: unknown key; did you mean 'max_active'?"),
    ("seed: 42", "sed: 42", "2: sed: unknown key; did you mean 'seed'?"),
    ("key: index.html", "kex: i", "10: targets.editor.deployment.kex: unknown key; did you mean 'key'?"),
    (", every: 15s", ", evry: 15s", "17: probes[2].evry: unknown key; did you mean 'every'?"),
    (", about_every: 4h", ", about_every: 4h, fro: 3s", "22: experiments[1].fro: unknown key; did you mean 'for'?"),
    (
        "recover: 120s",
        "recover: 1s, recover: 2s",
        "13: targets.editor.limits.recover: is given twice, first in line 13",
    ),
    ('url: "https://sqs.../input", ', "", "7: targets.editor.queue.url: is required"),
    ("fault: git-corrupt, ", "", "22: experiments[1].fault: is required"),
    # kinds
    ("version: 1", "version: 2", "1: version: 2: expected 1"),
    ("seed: 42", "seed: 4.5", "2: seed: 4.5: expected a whole number"),
    ("seed: 42", "seed: true", "2: seed: true: expected a whole number"),
    ("seed: 42", "seed: -1", "2: seed: -1: expected at least 0"),
    ("max_active: 1", "max_active: 0", "25: guard.max_active: 0: expected at least 1"),
    ("region: us-west-2", "region: 7", "3: aws.region: 7: expected text; put it in quotes"),
    ("region: us-west-2", "region: ''", "3: aws.region: '': must not be empty"),
    (
        "{group: /ecs/edit}",
        "/ecs/edit",
        "11: targets.editor.logs: '/ecs/edit': expected a mapping of keys to values",
    ),
    (
        'windows: ["mon-fri 09:00-17:00 Europe/Berlin"]',
        "windows: {a: 1}",
        "31: guard.windows: a mapping: expected a list",
    ),
    ('value: "true"', "value: true", "29: guard.require_tag.value: true: expected text; put it in quotes"),
    # texts with a form of their own
    ("every: 10s, exp", "every: 10x, exp", f"16: probes[1].every: '10x' {DURATION}"),
    ("every: 10s, exp", "every: 10ms, exp", "16: probes[1].every: '10ms': expected at least 0.05 s"),
    ("every: 1h", "every: 0s", "23: experiments[2].every: '0s': expected at least 1 s"),
    ("min_gap: 10m", "min_gap: -10m", f"27: guard.min_gap: '-10m' {DURATION}"),
    ("min_gap: 10m", "min_gap: 400d", "27: guard.min_gap: '400d' is no duration: more than a year"),
    (
        "/srv/repo, ",
        "srv/repo, ",
        "9: targets.editor.repository.worktree[0]: 'srv/repo' is no absolute path: start it with /",
    ),
    ("null}\ntargets", "sqs.local}\ntargets", "3: aws.endpoint_url: 'sqs.local' is no URL: write https://..."),
    (
        "thread-{chatThreadId}",
        "thread-{chatThread}",
        (
            "9: targets.editor.repository.branch: 'thread-{chatThread}': "
            "unknown placeholder {chatThread}; did you mean 'chatThreadId'?"
        ),
    ),
    (
        "format: standard",
        "format: json",
        "7: targets.editor.queue.format: 'json': expected 'standard' or a template that contains {instruction}",
    ),
    ('{match: "node dist/main.js"}', "{}", "12: targets.editor.processes: expected match, pid_file or port"),
    (
        '{match: "node dist/main.js"}',
        "{port: 70000}",
        "12: targets.editor.processes.port: 70000: expected at most 65535",
    ),
    (
        "Europe/Berlin",
        "Europe/Berln",
        (
            "31: guard.windows[0]: 'mon-fri 09:00-17:00 Europe/Berln': "
            "'Europe/Berln' is no time zone; did you mean 'Europe/Berlin'?"
        ),
    ),
    (
        "mon-fri 09",
        "mun-fri 09",
        (
            "31: guard.windows[0]: 'mun-fri 09:00-17:00 Europe/Berlin': "
            f"'mun-fri' is no weekday or range of weekdays: {WINDOW}"
        ),
    ),
    (
        "2027-01-03",
        "2025-01-03",
        "32: guard.blackouts[0]: '2026-12-20/2025-01-03' is no blackout: it ends before it begins",
    ),
    ("is: failing", "is: falling", "33: guard.stop_when[0].is: 'falling': expected 'failing', 'unknown' or 'ok'"),
    ("127.0.0.1:9876", "127.0.0.1", f"34: api.listen: '127.0.0.1' {ADDRESS}"),
    ("127.0.0.1:9876", "127.0.0.1:99999", f"34: api.listen: '127.0.0.1:99999' {ADDRESS}"),
    ("name: corrupt", 'name: "a b"', f"22: experiments[1].name: 'a b': {NAME}"),
    ("probes:\n", "  a b: {}\nprobes:\n", f"14: targets.'a b': 'a b': {NAME}"),
    # what must exist elsewhere
    (
        "fault: git-corrupt",
        "fault: git-corupt",
        "22: experiments[1].fault: 'git-corupt': unknown fault; did you mean 'git-corrupt'?",
    ),
    (
        "probe: git-health",
        "probe: git-helth",
        "17: probes[2].probe: 'git-helth': unknown probe; did you mean 'git-health'?",
    ),
    (
        "fault: sqs-burst, target: editor",
        "fault: sqs-burst, target: editr",
        "23: experiments[2].target: 'editr': unknown target; did you mean 'editor'?",
    ),
    (
        "probe: git-health, target: editor",
        "probe: git-health, target: editr",
        "17: probes[2].target: 'editr': unknown target; did you mean 'editor'?",
    ),
    (
        "{editor: [tasks",
        "{edtor: [tasks",
        "19: steady_state.edtor: 'edtor': unknown target; did you mean 'editor'?",
    ),
    (
        "[tasks, backlog",
        "[task, backlog",
        "19: steady_state.editor[0]: 'task': unknown probe; did you mean 'tasks'?",
    ),
    (
        "{probe: site, is",
        "{probe: sit, is",
        "33: guard.stop_when[0].probe: 'sit': unknown probe; did you mean 'site'?",
    ),
    (
        "every: 30s}",
        "every: 30s}\n  - {name: tasks, probe: ecs-service, target: editor}",
        "19: probes[4].name: 'tasks': the name is taken by probes[0]",
    ),
    ("name: burst", "name: corrupt", "23: experiments[2].name: 'corrupt': the name is taken by experiments[1]"),
    (
        "    ecs:",
        "    #",
        "21: experiments[0].target: 'editor': ecs-task-stop needs targets.editor.ecs, which is not given",
    ),
    # parameters
    ("visible <= 100", "visible", "16: probes[1].expect: 'visible' is no comparison: write visible <= 100"),
    (
        "{mode: loose-object-truncate}",
        "{mod: x}",
        "22: experiments[1].set.mod: unknown parameter; did you mean 'mode'?",
    ),
    (
        "{mode: loose-object-truncate}",
        "{mode: loose-object-trunc}",
        (
            "22: experiments[1].set.mode: 'loose-object-trunc' is not one of "
            "index-truncate, loose-object-truncate; did you mean 'loose-object-truncate'?"
        ),
    ),
    (
        'mon-fri"}',
        'mon-fri", set: {mode: oldes}}',
        "21: experiments[0].set.mode: 'oldes': unknown mode; did you mean 'oldest'?",
    ),
    ("messages: 200", "messages: 2000", "23: experiments[2].set.messages: 2000 is above the most allowed, 1000"),
    ("rate: 50/s", "rate: 50/d", "23: experiments[2].set.rate: '50/d' is no rate: write 50/s or 30/m"),
    (
        ', expect: "',
        ', set: {expect: "a < 1"}, expect: "',
        "16: probes[1].expect: is given twice, here and under set",
    ),
    (
        "{mode: loose-object-truncate}",
        "{odd: x}",
        "22: experiments[1]: the parameters do not fit: '<' not supported between instances of 'str' and 'int'",
    ),
    (
        "set: {mode: loose-object-truncate}",
        "mode: index-truncate",
        "22: experiments[1].mode: is a parameter of git-corrupt: write it under set",
    ),
    ('100"}', '100", timeout: 10s}', "16: probes[1].run: is needed for a long timeout"),
    ('100"}', '100", timeout: 0}', "16: probes[1]: time must pass"),
    ('100"}', '100", timeout: 5y}', f"16: probes[1].timeout: '5y' {DURATION}"),
    # triggers
    (", about_every: 4h", "", "22: experiments[1]: expected exactly one of cron, every, about_every; found none"),
    (
        "every: 4h",
        "every: 4h, every: 4h",
        "22: experiments[1]: expected exactly one of cron, every, about_every; found every and about_every",
    ),
    (
        "*/30 9-17 * * mon-fri",
        "*/30 9-17",
        "21: experiments[0].cron: '*/30 9-17' is no cron expression: write five fields",
    ),
    (
        'mon-fri"}',
        'mon-fri", timezone: Europe/Brlin}',
        "21: experiments[0].timezone: 'Europe/Brlin' is no time zone; did you mean 'Europe/Berlin'?",
    ),
    (
        "about_every: 4h",
        "about_every: 4h, timezone: UTC",
        "22: experiments[1].timezone: 'UTC': only cron has a time zone",
    ),
    # the guard's levers, budgets, stop conditions
    (
        "min_healthy_tasks: 1",
        "max_percent: 0",
        "28: guard.max_percent: 0 is no percentage: write a number above 0, at most 100",
    ),
    (
        "min_healthy_tasks: 1",
        'max_percent: "101 %"',
        "28: guard.max_percent: '101 %' is no percentage: write a number above 0, at most 100",
    ),
    (
        "min_healthy_tasks: 1",
        "max_percent: [1]",
        "28: guard.max_percent: [1] is no percentage: write a number above 0, at most 100",
    ),
    (
        "min_healthy_tasks: 1",
        "max_disturbed_time_per_day: 30 minutes",
        f"28: guard.max_disturbed_time_per_day: '30 minutes' {DURATION}",
    ),
    (
        "min_healthy_tasks: 1",
        "halt_file: HALT",
        "28: guard.halt_file: 'HALT' is no absolute path: start it with /",
    ),
    ("min_healthy_tasks: 1", "protect: editor", "28: guard.protect: 'editor': expected a list"),
    ("min_healthy_tasks: 1", 'protect: [""]', "28: guard.protect[0]: '': must not be empty"),
    ("min_healthy_tasks: 1", "blind_after: soon", f"28: guard.blind_after: 'soon' {DURATION}"),
    (
        "min_healthy_tasks: 1",
        "levers: [{}]",
        "28: guard.levers[0]: expected exactly one of fis, parameter, alarm; found none",
    ),
    (
        "min_healthy_tasks: 1",
        "levers: [{fis: default, alarm: a}]",
        "28: guard.levers[0]: expected exactly one of fis, parameter, alarm; found fis and alarm",
    ),
    (
        "min_healthy_tasks: 1",
        "levers: [{parametr: a, fis: default}]",
        "28: guard.levers[0].parametr: unknown key; did you mean 'parameter'?",
    ),
    (
        "{probe: site, is: failing, for: 5m}",
        "{for: 5m}",
        "33: guard.stop_when[0]: expected exactly one of probe, prometheus, alarm; found none",
    ),
    (
        "{probe: site, is: failing, for: 5m}",
        "{alarm: a, is: failing}",
        "33: guard.stop_when[0].is: 'failing': belongs to probe, which is not given",
    ),
    (
        "{probe: site, is: failing, for: 5m}",
        '{prometheus: "http://p:9090", above: 5}',
        "33: guard.stop_when[0].query: is required",
    ),
    (
        "{probe: site, is: failing, for: 5m}",
        '{prometheus: "p:9090", query: up}',
        "33: guard.stop_when[0].prometheus: 'p:9090' is no URL: write https://...",
    ),
    (
        "{probe: site, is: failing, for: 5m}",
        '{prometheus: "http://p", query: up, above: "5"}',
        "33: guard.stop_when[0].above: '5': expected a number",
    ),
    (
        "{probe: site, is: failing, for: 5m}",
        '{prometheus: "http://p", query: up, above: 5, below: 1}',
        "33: guard.stop_when[0].below: 1: give above or below, not both",
    ),
    (
        "min_healthy_tasks: 1",
        "error_budget: {objective: 99%}",
        "28: guard.error_budget.prometheus: is required",
    ),
    (
        "min_healthy_tasks: 1",
        'error_budget: {objective: 99%, prometheus: "http://p", window: week}',
        "28: guard.error_budget.window: 'week' is no span of Prometheus: write 7d or 12h",
    ),
    (
        "min_healthy_tasks: 1",
        'error_budget: {objective: 99%, prometheus: "http://p", probe: sit}',
        "28: guard.error_budget.probe: 'sit': unknown probe; did you mean 'site'?",
    ),
    (
        "min_healthy_tasks: 1",
        'error_budget: {objective: 99%, prometheus: "http://p", probe: site, query: up}',
        "28: guard.error_budget.query: 'up': give probe or query, not both",
    ),
    # the API
    (
        "127.0.0.1:9876",
        "0.0.0.0:9876",
        (
            "34: api.listen: '0.0.0.0:9876': others than this machine could reach it: "
            "set api.token_file, or listen on 127.0.0.1"
        ),
    ),
    (
        "127.0.0.1:9876",
        ":9876",
        (
            "34: api.listen: ':9876': others than this machine could reach it: "
            "set api.token_file, or listen on 127.0.0.1"
        ),
    ),
]


@pytest.mark.parametrize(("right", "wrong", "expected"), ONE_MISTAKE)
def test_one_mistake_is_told_with_its_line_and_nothing_else_is(
    right: str, wrong: str, expected: str, example: str, problems: Problems
) -> None:
    assert example.count(right) == 1
    assert problems(example.replace(right, wrong)) == [f"FILE:{expected}"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(example: str, problems: Problems) -> None:
    for right, wrong in (
        ("4h", "4x"),
        ("seed: 42", "sed: 42"),
        ("git-health", "git-helth"),
        ("site, is", "sit, is"),
    ):
        example = example.replace(right, wrong)
    assert [line.split(": ")[:2] for line in problems(example)] == [
        ["FILE:2", "sed"],
        ["FILE:17", "probes[2].probe"],
        ["FILE:22", "experiments[1].about_every"],
        ["FILE:33", "guard.stop_when[0].probe"],
    ]


def test_what_needs_a_part_of_its_target_says_so(example: str, problems: Problems) -> None:
    assert problems(example.replace("    queue:", "    # queue:")) == [
        "FILE:16: probes[1].target: 'editor': sqs-backlog needs targets.editor.queue, which is not given",
        "FILE:23: experiments[2].target: 'editor': sqs-burst needs targets.editor.queue, which is not given",
    ]


def test_a_probe_of_another_target_is_no_part_of_a_steady_state(example: str, problems: Problems) -> None:
    two = example.replace("probes:", "  other: {}\nprobes:", 1).replace("{editor: [", "{other: [site], editor: [")
    assert problems(two) == [
        "FILE:20: steady_state.other[0]: 'site': is a probe of target 'editor', not of 'other'"
    ]


def test_a_mistake_in_block_style_is_told_on_its_own_line(problems: Problems) -> None:
    text = (
        "targets:\n  a:\n    repository:\n      worktree:\n        - /srv/a\n        - b\n      remot: x\n"
        "    ecs:\n      cluster: c\n"
    )
    assert problems(text) == [
        "FILE:6: targets.a.repository.worktree[1]: 'b' is no absolute path: start it with /",
        "FILE:7: targets.a.repository.remot: unknown key; did you mean 'remote'?",
        "FILE:8: targets.a.ecs.service: is required",
    ]


def test_a_value_below_its_key_is_told_on_its_own_line(problems: Problems) -> None:
    assert problems("seed:\n\n  x") == ["FILE:3: seed: 'x': expected a whole number"]


def test_keys_are_suggested_from_the_right_place_when_a_target_is_called_like_a_key(problems: Problems) -> None:
    assert problems("targets: {queue: {ec: {}}}") == ["FILE:1: targets.queue.ec: unknown key; did you mean 'ecs'?"]


def test_a_long_value_is_cut(problems: Problems) -> None:
    assert problems(f"seed: {'x' * 500}") == [f"FILE:1: seed: '{'x' * 59}...: expected a whole number"]


def test_a_file_of_mistakes_names_a_hundred_and_counts_the_rest(problems: Problems) -> None:
    found = problems("".join(f"k{i}: 1\n" for i in range(130)))
    assert len(found) == 101
    assert found[-1] == "... and 30 more"
