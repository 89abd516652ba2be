"""The key ``when`` of an experiment: both spellings, each mistake with its line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.config import Settings, origins, schema
from daemon.core.moments import Moment

Read = Callable[..., Settings]
Problems = Callable[..., list[str]]
PLACE = 'target: editor, cron: "*/30 9-17 * * mon-fri"'  # line 21 of the example


def with_when(example: str, when: str) -> str:
    assert PLACE in example
    return example.replace(PLACE, f"{PLACE}, when: {when}")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("commit", Moment(event="commit")),
        ('"commit:thread-*"', Moment(event="commit", matching="thread-*")),
        ("message", Moment(event="message")),
        (
            '{event: file, matching: "src/*.js", within: 5m}',
            Moment(event="file", matching="src/*.js", within_s=300.0),
        ),
    ],
)
def test_both_spellings(read: Read, example: str, text: str, made: Moment) -> None:
    found = read(with_when(example, text))
    assert found.experiments[0].when == made
    assert found.experiments[1].when is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("comit", "when.event: 'comit': unknown event 'comit'; did you mean 'commit'?"),
        ("file", "when.event: 'file': file needs a pattern for its path: file:PATTERN"),
        ('"push:x"', "when.event: 'push': push takes no pattern"),
        ("{event: commit, within: soon}", "when.within: 'soon' is no duration: write 250ms, 30s, 5m or 1h30m"),
        ("{event: commit, matchin: x}", "when.matchin: unknown key; did you mean 'matching'?"),
        (
            "commit, workload: {scenario: basic, strike: 2s}",
            "workload.strike: '2s': give `when` or `strike`, not both",
        ),
    ],
)
def test_each_mistake_is_told_with_its_line(problems: Problems, example: str, text: str, said: str) -> None:
    assert problems(with_when(example, text)) == [f"FILE:21: experiments[0].{said}"]


def test_a_target_must_have_what_the_event_happens_in(problems: Problems) -> None:
    text = (
        "targets: {a: {ecs: {cluster: c, service: s}}}\n"
        "experiments:\n"
        "  - {name: x, fault: ecs-task-stop, target: a, every: 1h, when: commit}\n"
    )
    said = "FILE:3: experiments[0].target: 'a': commit needs targets.a.repository, which is not given"
    assert problems(text) == [said]


def test_show_says_where_it_comes_from(tmp_path: Path, catalogue: dict[str, Any], example: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(with_when(example, '"commit:thread-*"'))
    found = {o.key: (o.value, o.origin) for o in origins(path, environment={}, overrides={}, **catalogue)}
    assert found["experiments[0].when.event"] == ("commit", f"{path}:21")
    assert found["experiments[0].when.matching"] == ("thread-*", f"{path}:21")
    assert found["experiments[0].when.within"] == (60.0, "default")


def test_the_schema_takes_a_name_or_a_mapping() -> None:
    found = schema()
    kinds = found["$defs"]["Experiment"]["properties"]["when"]["anyOf"]
    assert {"type": "string", "minLength": 1} in kinds
    assert set(found["$defs"]["When"]["properties"]) == {"event", "matching", "within"}
