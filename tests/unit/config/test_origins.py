"""Flag over variable over file over default, and where each value came from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.config import ENVIRONMENT, Settings, origins
from daemon.core.addresses import Tcp

Read = Callable[..., Settings]
Problems = Callable[..., list[str]]


def test_a_flag_wins_over_a_variable_over_the_file_over_the_default(read: Read) -> None:
    variable = {"CHAOSD_AWS_REGION": "eu-west-1"}
    assert read("version: 1").aws.region is None
    assert read("aws: {region: us-west-2}").aws.region == "us-west-2"
    assert read("aws: {region: us-west-2}", variable).aws.region == "eu-west-1"
    assert read("aws: {region: us-west-2}", variable, aws__region="ap-south-1").aws.region == "ap-south-1"


def test_an_empty_variable_and_a_flag_not_given_change_nothing(read: Read) -> None:
    assert read("seed: 3", {"CHAOSD_SEED": ""}, seed=None).seed == 3


def test_every_variable_reaches_its_setting(read: Read) -> None:
    values = {
        "CHAOSD_SEED": "7",
        "CHAOSD_AWS_REGION": "eu-west-1",
        "CHAOSD_AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "CHAOSD_GUARD_MAX_ACTIVE": "2",
        "CHAOSD_GUARD_MAX_ACTIVE_PER_TARGET": "3",
        "CHAOSD_GUARD_MAX_PER_DAY": "4",
        "CHAOSD_GUARD_MIN_GAP": "5s",
        "CHAOSD_GUARD_MIN_HEALTHY_TASKS": "6",
        "CHAOSD_API_LISTEN": "127.0.0.1:8",
        "CHAOSD_API_TOKEN_FILE": "/token",
        "CHAOSD_SAMPLING_PROBE_EVERY": "9s",
        "CHAOSD_SAMPLING_STABLE_FOR": "10s",
        "CHAOSD_SAMPLING_STEADY_TIMEOUT": "11s",
        "CHAOSD_SAMPLING_BASELINE_EVERY": "12s",
    }
    assert set(values) == set(ENVIRONMENT)
    found = read("version: 1", values)
    guard, sampling = found.guard, found.sampling
    assert (found.seed, found.aws.region, found.aws.endpoint_url) == (7, "eu-west-1", "http://127.0.0.1:1")
    assert (guard.max_active, guard.max_active_per_target, guard.max_per_day) == (2, 3, 4)
    assert (guard.min_gap_s, guard.min_healthy_tasks) == (5, 6)
    assert (found.api.listen, found.api.token_file) == (Tcp(host="127.0.0.1", port=8), "/token")
    assert (sampling.probe_every_s, sampling.stable_for_s, sampling.steady_timeout_s) == (9, 10, 11)
    assert sampling.baseline_every_s == 12


def test_a_mistake_in_a_variable_or_flag_is_told_by_its_name(problems: Problems) -> None:
    assert problems("seed: x", {"CHAOSD_SEED": "y", "CHAOSD_API_LISTEN": "z"}, guard__min_gap="q") == [
        (
            "CHAOSD_API_LISTEN: api.listen: 'z' is no address: "
            "write 127.0.0.1:9876, [::1]:9876 or unix:/run/chaosd.sock"
        ),
        "CHAOSD_SEED: seed: 'y': expected a whole number",
        "flag: guard.min_gap: 'q' is no duration: write 250ms, 30s, 5m or 1h30m",
    ]


def test_an_open_address_from_a_variable_needs_a_token_as_well(problems: Problems) -> None:
    assert problems("version: 1", {"CHAOSD_API_LISTEN": ":80"})[0].startswith(
        "CHAOSD_API_LISTEN: api.listen: ':80'"
    )


def test_a_misspelt_variable_is_a_mistake_because_ignoring_it_could_hit_the_real_aws(problems: Problems) -> None:
    assert problems("version: 1", {"CHAOSD_AWS_ENDPONT_URL": "http://127.0.0.1:1", "CHAOSD_STATE_DIR": "/x"}) == [
        "environment: CHAOSD_AWS_ENDPONT_URL: unknown variable; did you mean 'CHAOSD_AWS_ENDPOINT_URL'?"
    ]


def test_a_variable_does_not_hide_that_the_file_is_wrong_there(problems: Problems) -> None:
    assert problems("aws: 5", {"CHAOSD_AWS_REGION": "eu-west-1"}) == [
        "FILE:1: aws: 5: expected a mapping of keys to values"
    ]


@pytest.fixture
def shown(tmp_path: Path, catalogue: dict[str, Any], example: str) -> dict[str, tuple[object, str]]:
    path = tmp_path / "c.yaml"
    path.write_text(example)
    found = origins(
        path, environment={"CHAOSD_AWS_REGION": "eu-west-1"}, overrides={"guard.max_active": 4}, **catalogue
    )
    return {o.key: (o.value, o.origin.replace(str(path), "FILE")) for o in found}


@pytest.mark.parametrize(
    ("key", "value", "origin"),
    [
        ("seed", 42, "FILE:2"),
        ("aws.region", "eu-west-1", "CHAOSD_AWS_REGION"),
        ("guard.max_active", 4, "flag"),
        ("guard.max_active_per_target", 1, "default"),
        ("guard.min_gap", 600.0, "FILE:27"),
        ("guard.windows", ("mon-fri 09:00-17:00 Europe/Berlin",), "FILE:31"),
        ("guard.stop_when[0].is", "failing", "FILE:33"),
        ("targets.editor.repository.worktree", ("/srv/repo",), "FILE:9"),
        ("probes[0].every", 10.0, "FILE:15"),
        ("probes[1].expect", "visible <= 100", "FILE:16"),
        ("experiments[0].set.mode", "random", "default"),
        ("experiments[0].for", 30.0, "default"),
        ("experiments[0].timeout", 120.0, "default"),
        ("experiments[2].set.rate", "50/s", "FILE:23"),
        ("experiments[2].set.share", None, "default"),
        ("sampling.probe_every", 1.0, "default"),
        ("api.listen", "127.0.0.1:9876", "FILE:34"),
    ],
)
def test_each_value_is_shown_with_its_origin(
    key: str, value: object, origin: str, shown: dict[str, tuple[object, str]]
) -> None:
    assert shown[key] == (value, origin)


def test_no_value_is_shown_twice(tmp_path: Path, catalogue: dict[str, Any], example: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(example)
    keys = [o.key for o in origins(path, environment={}, overrides={}, **catalogue)]
    assert len(keys) == len(set(keys))
    assert keys[0] == "version"
