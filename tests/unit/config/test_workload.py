"""The key ``workload`` of an experiment: both spellings, each mistake with its line, where each value came from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.config import Settings, origins, schema
from daemon.core.settings import WorkloadSetting

Read = Callable[..., Settings]
Problems = Callable[..., list[str]]
PLACE = 'target: editor, cron: "*/30 9-17 * * mon-fri"'  # line 21 of the example


def with_workload(example: str, workload: str) -> str:
    assert PLACE in example
    return example.replace(PLACE, f"{PLACE}, workload: {workload}")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("basic", WorkloadSetting(scenario="basic")),
        ("{scenario: basic}", WorkloadSetting(scenario="basic")),
        (
            "{scenario: switching, set: {messages: 8, gap: 500ms}, strike: 2s}",
            WorkloadSetting(scenario="switching", parameters={"messages": 8, "gap": "500ms"}, strike_s=2.0),
        ),
    ],
)
def test_both_spellings(read: Read, example: str, text: str, made: WorkloadSetting) -> None:
    found = read(with_workload(example, text))
    assert found.experiments[0].workload == made
    assert found.experiments[1].workload is None
    assert found.sampling.baseline_every_s == 86400.0


def test_how_old_a_baseline_may_be(read: Read, example: str) -> None:
    assert read(example + "sampling: {baseline_every: 0s}\n").sampling.baseline_every_s == 0.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bsic", "workload.scenario: 'bsic': unknown scenario; did you mean 'basic'?"),
        ("{scenario: bsic}", "workload.scenario: 'bsic': unknown scenario; did you mean 'basic'?"),
        ("{set: {messages: 3}}", "workload.scenario: is required"),
        ("{scenario: basic, sett: {}}", "workload.sett: unknown key; did you mean 'set'?"),
        (
            "{scenario: basic, set: {mesages: 3}}",
            "workload.set.mesages: unknown parameter; did you mean 'messages'?",
        ),
        ("{scenario: basic, set: {messages: 0}}", "workload.set.messages: 0 is below the least allowed, 1"),
        (
            "{scenario: basic, strike: 2x}",
            "workload.strike: '2x' is no duration: write 250ms, 30s, 5m or 1h30m",
        ),
        ("[basic]", "workload: a list: expected a mapping of keys to values"),
        ("7", "workload: 7: expected a mapping of keys to values"),
    ],
)
def test_one_mistake_is_one_line(problems: Problems, example: str, text: str, said: str) -> None:
    assert problems(with_workload(example, text)) == [f"FILE:21: experiments[0].{said}"]


def test_a_target_without_a_queue_or_a_repository_can_have_no_workload(problems: Problems) -> None:
    text = (
        "targets: {a: {ecs: {cluster: c, service: s}}}\n"
        "experiments:\n"
        "  - {name: x, fault: ecs-task-stop, target: a, every: 1h, workload: basic}\n"
    )
    assert problems(text) == [
        "FILE:3: experiments[0].target: 'a': a workload needs targets.a.queue, which is not given",
        "FILE:3: experiments[0].target: 'a': a workload needs targets.a.repository, which is not given",
    ]


@pytest.mark.parametrize("text", ["switching", "{scenario: switching}"])
def test_show_says_where_it_comes_from_and_what_the_scenario_has_by_default(
    tmp_path: Path, catalogue: dict[str, Any], example: str, text: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(with_workload(example, text))
    found = {o.key: (o.value, o.origin) for o in origins(path, environment={}, overrides={}, **catalogue)}
    assert found["experiments[0].workload.scenario"] == ("switching", f"{path}:21")
    assert found["experiments[0].workload.set.sessions"] == (2, "default")
    assert found["experiments[0].workload.strike"] == (None, "default")
    assert found["experiments[1].workload"] == (None, "default")


def test_the_schema_takes_a_name_or_a_mapping() -> None:
    found = schema()
    kinds = found["$defs"]["Experiment"]["properties"]["workload"]["anyOf"]
    assert {"type": "string", "minLength": 1} in kinds
    assert set(found["$defs"]["Workload"]["properties"]) == {"scenario", "set", "strike"}
