"""No input makes a traceback: whatever the file holds, the answer is Settings or ConfigError."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.config import ENVIRONMENT, Settings, load, origins, schema, starter
from daemon.core.errors import ConfigError
from daemon.core.parameters import TooLongError, duration, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    mode: str = parameter("a", "how", choices=("a", "b"))
    count: int = parameter(1, "how many", least=1)
    odd: str | None = parameter(None, "a limit on a text: a plug-in's own mistake", least=1)
    rate: float = parameter(1.0, "how fast", unit="1/s")
    grace: float = parameter(1.0, "how long", unit="s")
    keys: tuple[str, ...] = parameter((), "which")


@dataclass(slots=True, kw_only=True)
class Probe:
    expect: str = parameter("", "what must hold")


BASE = """\
version: 1
seed: 42
aws: {region: us-west-2, endpoint_url: "http://127.0.0.1:1"}
targets:
  t:
    ecs: &e {cluster: c, service: s}
    queue: {url: "https://sqs/1/in", format: standard}
    repository: {worktree: [/srv/repo], branch: "thread-{chatThreadId}"}
    processes: {match: "node", port: 80}
    limits: {message: 30s}
probes:
  - &p {name: p, probe: k, target: t, every: 10s, expect: "visible <= 100"}
  - {<<: *p, name: q, set: {}}
steady_state: {t: [p, q]}
experiments:
  - {name: x, fault: f, target: t, cron: "*/30 9-17 * * mon-fri", timezone: Europe/Berlin}
  - {name: y, fault: f, target: t, about_every: 4h, for: 1m, set: {mode: a, count: 3, odd: 1, rate: 5/s, grace: 1s}}
guard:
  max_per_day: 20
  min_gap: 10m
  require_tag: {key: "chaosd:allow", value: "true"}
  allow: {repositories: [/srv/repo], queues: ["*:edit-*"]}
  windows: ["mon-fri 09:00-17:00 Europe/Berlin"]
  blackouts: ["2026-12-20/2027-01-03 UTC", 2026-12-20T18:00:00Z/2026-12-21T06:00:00+01:00]
  stop_when: [{probe: p, is: failing, for: 5m}]
api: {listen: "127.0.0.1:9876", token_file: /t}
sampling: {probe_every: 250ms}
"""
PATTERN = schema()["$defs"]["Guard"]["properties"]["min_gap"]["pattern"]
KEYS = sorted(set(re.findall(r"\w+(?=:)", BASE)))
SCALARS = sorted(set(re.findall(r"[^\s:{}\[\],\"]+", BASE)))
SOME = settings(max_examples=200)
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(SCALARS)
trees = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=5)
    ),
    max_leaves=12,
)


def attempt(
    content: bytes, environment: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Settings | ConfigError:
    """Load and show; both must agree on whether the content is a configuration."""
    words: dict[str, Any] = {"faults": {"f": Fault}, "probes": {"k": Probe}}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "c.yaml")
        path.write_bytes(content)
        words |= {"environment": environment or {}, "overrides": flags or {}}
        try:
            found = load(path, **words)
        except ConfigError as error:
            refused = error
        else:
            assert origins(path, **words)
            return found
    assert refused.problems
    assert all("\n" not in line for line in refused.problems)
    str(refused).encode()  # what is printed can be printed
    return refused


def test_the_base_of_the_mutations_is_right_and_the_starter_too() -> None:
    base = attempt(BASE.replace("odd: 1, ", "").encode())
    assert isinstance(base, Settings), base
    assert attempt(starter().replace("git-health", "k").encode()).__class__ is Settings


@SOME
@given(st.binary(max_size=400))
@example(b"%YAML 1." + b"9" * 5000 + b"\n--- a")
@example(b'a: "\\UFFFFFFFF"')
@example(b"\xef\xbb\xbfversion: 1")
@example(b"!%FF a")
@example(b"a: !!int x")
def test_random_bytes_are_refused_or_read(content: bytes) -> None:
    attempt(content)


@SOME
@given(st.lists(st.sampled_from([*"[]{}:,-?&*!|>'\"%@`#\\ \n\tab0~<.", "<<", "\n  ", ": ", "&a ", "*a "])))
def test_the_punctuation_of_yaml_is_refused_or_read(pieces: list[str]) -> None:
    attempt("".join(pieces).encode())


@SOME
@given(st.data())
def test_a_mutated_file_is_refused_or_read(data: st.DataObject) -> None:
    text = BASE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        put = data.draw(
            st.sampled_from(SCALARS) | st.sampled_from([*'[]{}:,-&*!|>"\n', "*p", "null", ""]) | st.text(max_size=4)
        )
        text = text[:start] + put + text[end:] or " "
    attempt(text.encode("utf-8", "surrogatepass"))


@SOME
@given(st.data())
def test_any_value_in_any_place_is_refused_or_read(data: st.DataObject) -> None:
    tree = yaml.safe_load(BASE)
    here = tree
    while True:
        place = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[place], dict | list) or not here[place] or data.draw(st.integers(0, 3)) == 0:
            break
        here = here[place]
    here[place] = data.draw(trees)
    attempt(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass"))


@SOME
@given(trees)
def test_any_tree_is_refused_or_read(tree: object) -> None:
    attempt(yaml.safe_dump(tree).encode())


@given(st.dictionaries(st.sampled_from([*ENVIRONMENT, "CHAOSD_AWS_X"]), st.text()), st.text())
def test_any_variable_and_flag_is_refused_or_read(environment: dict[str, str], flag: str) -> None:
    attempt(b"version: 1", environment, {"guard.min_gap": flag, "aws.region": flag})


@given(
    st.from_regex(re.compile(r"\A(\d{1,3}(\.\d)?(ms|[dhms])){1,3}\Z", re.ASCII))
    | st.text(alphabet="0123456789.dhms", max_size=8)
)
def test_the_schema_s_pattern_and_the_reader_agree_on_durations(text: str) -> None:
    try:
        duration(text)
        right = True
    except TooLongError:
        right = True  # the pattern says how it is written, not how long it may be
    except ValueError:
        right = False
    assert bool(re.search(PATTERN, text)) is right
