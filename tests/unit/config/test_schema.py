"""The exported JSON schema: what an editor needs to help."""

import dataclasses
import json
import re

import pytest

from daemon.config import schema
from daemon.core.settings import GuardSetting


def test_it_is_json_and_names_every_section() -> None:
    found = json.loads(json.dumps(schema()))
    assert found["$schema"].startswith("https://json-schema.org/")
    assert set(found["properties"]) == {
        "version", "seed", "aws", "targets", "probes", "steady_state", "experiments", "guard", "api", "sampling",
        "notify", "grafana", "proxy",
    }  # fmt: skip
    assert found["additionalProperties"] is False


def test_keys_stand_as_the_file_spells_them() -> None:
    experiment = schema()["$defs"]["Experiment"]
    assert {"for", "set", "about_every"} <= set(experiment["properties"])
    assert experiment["required"] == ["name", "fault", "target"]
    assert [choice["required"] for choice in experiment["oneOf"]] == [["cron"], ["every"], ["about_every"]]


def test_defaults_are_those_of_the_settings() -> None:
    guard = schema()["$defs"]["Guard"]["properties"]
    plain = {f.name: f.default for f in dataclasses.fields(GuardSetting) if f.default is not dataclasses.MISSING}
    assert guard["max_active"]["default"] == plain["max_active"]
    assert guard["min_gap"]["default"] == plain["min_gap_s"]


@pytest.mark.parametrize(
    ("text", "right"), [("250ms", True), ("30s", True), ("1h30m", True), ("2d", True), ("", False), ("30x", False)]
)
def test_the_pattern_of_durations_knows_them(text: str, right: bool) -> None:
    pattern = schema()["$defs"]["Guard"]["properties"]["min_gap"]["pattern"]
    assert bool(re.search(pattern, text)) is right


def test_every_key_of_an_experiment_says_what_it_is() -> None:
    properties = schema()["$defs"]["Experiment"]["properties"]
    assert {key for key, what in properties.items() if "description" not in what} == {"name", "target"}
