"""Schemathesis plays the OpenAPI document against the running daemon: nothing breaks, nobody gets in uninvited."""

import json
import os
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest

from daemon.core.parameters import naming_victims
from daemon.faces.serving.routes import TABLE
from faults import CATALOGUE
from tests.e2e.api.conftest import CONTROL, READ, Running, audit, call, serving
from tests.e2e.git.tree import changed, look

SCHEMATHESIS = str(Path(sys.executable).parent / "schemathesis")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Running]:
    """A daemon of its own, which may inject nothing: what is asked for must not happen by luck."""
    yield from serving(tmp_path, budget=0)


def play(running: Running, directory: Path, token: str | None, examples: int) -> None:
    """Let Schemathesis loose; the document stands in a file, so that it takes nothing from the daemon on trust."""
    document = directory / "openapi.json"
    document.write_text(call(running, "GET", "/api/v1/openapi.json", token=CONTROL)[2])
    header = [] if token is None else ["--header", f"Authorization: Bearer {token}"]
    words = ["--url", running.address, "--checks", CHECKS, "--max-examples", str(examples), "--seed", "1"]
    words += ["--exclude-path", "/api/v1/events"]  # answers for minutes: test_events.py asks it
    done = subprocess.run(
        [SCHEMATHESIS, "run", str(document), *words, "--no-color", "--request-timeout", "30", *header],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def healthy(running: Running) -> None:
    assert running.process.poll() is None
    assert call(running, "GET", "/-/healthy")[0] == 200
    assert "Traceback" not in running.log.read_text()


def attack(running: Running, directory: Path, token: str | None, examples: int) -> None:
    before = look(running.repository), look(running.outside)
    play(running, directory, token, examples)
    healthy(running)
    assert changed(before[0], look(running.repository)) == []
    assert changed(before[1], look(running.outside)) == []
    if token != CONTROL:
        assert [entry for entry in audit(running) if entry["outcome"] == "accepted"] == []
        assert json.loads(call(running, "GET", "/api/v1/status")[2])["daemon"]["halted"] is None
        assert json.loads(call(running, "GET", "/api/v1/injections")[2])["injections"] == []


@pytest.mark.parametrize("token", [None, CONTROL], ids=["nobody", "operator"])
def test_the_document_played_against_the_daemon(fresh: Running, tmp_path: Path, token: str | None) -> None:
    attack(fresh, tmp_path, token, 6)


@pytest.mark.torture
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("token", [None, READ, CONTROL], ids=["nobody", "reader", "operator"])
def test_the_document_played_for_long(fresh: Running, tmp_path: Path, token: str | None) -> None:
    attack(fresh, tmp_path, token, 300)


PATHS = [
    "/etc",
    "/",
    "..",
    "../outside/clone",
    "{outside}",
    "{clone}/../outside/clone",
    "clone/../../outside",
    "\u0000",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_is_a_target_and_no_parameter_names_one(daemon: Running, path: str) -> None:
    word = path.format(outside=daemon.outside, clone=daemon.repository)
    before = look(daemon.outside)
    bodies = (
        {"fault": "git-lock", "target": word},
        {"fault": "git-lock", "target": "clone", "parameters": {"repository": word}},
        {"fault": "git-lock", "target": "clone", "repository": word},
        {"fault": word, "target": "clone"},
    )
    for body in bodies:
        status, _, text = call(daemon, "POST", "/api/v1/injections", body, token=CONTROL)
        if status == 202:  # begun: then its end says that nothing was done
            name = json.loads(text)["id"]
            status, _, text = call(daemon, "GET", f"/api/v1/injections/{name}?wait=25")
            assert status >= 400 or json.loads(text)["verdict"] == "refused"
        assert status < 500
    assert changed(before, look(daemon.outside)) == []


def named_victims() -> list[tuple[str, str]]:
    return [(name, one) for name, kind in sorted(CATALOGUE.items()) for one in sorted(naming_victims(kind))]


@pytest.mark.parametrize(("fault", "named"), named_victims())
def test_a_token_aims_by_targets_alone(daemon: Running, fault: str, named: str) -> None:
    body = {"fault": fault, "target": "clone", "parameters": {named: "1"}}
    status, _, text = call(daemon, "POST", "/api/v1/injections", body, token=CONTROL)
    assert (status, json.loads(text)["rule"]) == (403, "allow-list"), text


# --- the document and the daemon -------------------------------------------------------------------------


def closed_up(schema: object) -> object:
    """Return a schema in which a key the document does not name is a mistake."""
    if isinstance(schema, list):
        return [closed_up(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed_up(item) for key, item in schema.items()}
    return {**found, "additionalProperties": False} if "properties" in found else found


def test_real_answers_are_as_the_document_says_and_hold_nothing_besides(daemon: Running) -> None:
    document = json.loads(call(daemon, "GET", "/api/v1/openapi.json")[2])
    _, _, text = call(
        daemon,
        "POST",
        "/api/v1/injections",
        {"fault": "git-lock", "target": "clone", "duration_s": "100ms"},
        token=CONTROL,
    )
    name = json.loads(text)["id"]
    call(daemon, "GET", f"/api/v1/injections/{name}?wait=25")
    seen = set()
    for route in TABLE:
        if route.method != "GET" or "json" not in json.dumps(
            list(document["paths"][_path(route.path)]["get"]["responses"]["200"]["content"])
        ):
            continue
        status, headers, answer = call(daemon, "GET", route.path.replace("<name>", name))
        assert status == 200
        schema = document["paths"][_path(route.path)]["get"]["responses"]["200"]["content"][
            headers["Content-Type"]
        ]["schema"]
        jsonschema.validate(json.loads(answer), {**closed_up({**schema, "components": document["components"]})})  # type: ignore[dict-item]
        seen.add(route.name)
    assert seen == {"openapi", "status", "faults", "experiments", "observations", "injections", "injection"}


def test_the_document_names_every_route_and_every_verb_and_no_other(daemon: Running) -> None:
    document = json.loads(call(daemon, "GET", "/api/v1/openapi.json")[2])
    named = {(path, verb) for path, verbs in document["paths"].items() for verb in verbs}
    assert named == {(_path(route.path), route.method.lower()) for route in TABLE}
    for path, verbs in document["paths"].items():
        for verb in ("get", "post", "put", "delete", "patch"):
            if verb not in verbs:
                assert call(daemon, verb.upper(), path.replace("{name}", "x"), {}, token=CONTROL)[0] == 405
    assert call(daemon, "GET", "/api/v1/")[0] == 404


def _path(path: str) -> str:
    return path.replace("<name>", "{name}")


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("GET", "/api/v1/injections?limit=many", None),
        ("GET", "/api/v1/injections?limit=0", None),
        ("GET", "/api/v1/injections?limit=5&limit=6", None),
        ("GET", "/api/v1/injections?after=nothing", None),
        ("GET", "/api/v1/injections?newest=5", None),
        ("GET", "/api/v1/injections?since_s=nan", None),
        ("GET", "/api/v1/injections/x?wait=forever", None),
        ("GET", "/api/v1/injections/x?wait=26", None),
        ("GET", "/api/v1/status?x=1", None),
        ("POST", "/api/v1/halt", {"reasons": "x"}),
        ("POST", "/api/v1/halt", {"reason": 5}),
        ("POST", "/api/v1/halt", {"reason": "x" * 1001}),
        ("POST", "/api/v1/halt", [1]),
        ("POST", "/api/v1/halt", b"{"),
        ("POST", "/api/v1/halt", b"\xff"),
        ("POST", "/api/v1/halt", b"[" * 100_000),
        ("POST", "/api/v1/recover", {"x": 1}),
        ("POST", "/api/v1/injections", {"fault": "git-lock", "target": "clone", "seed": -1}),
        ("POST", "/api/v1/injections", {"fault": "git-lock", "target": "clone", "seed": "1"}),
        ("POST", "/api/v1/injections", {"fault": "git-lock", "target": "clone", "duration_s": 1e300}),
        ("POST", "/api/v1/injections", {"fault": "git-lock", "target": "clone", "duration_s": "400d"}),
        ("POST", "/api/v1/injections", b'{"fault": "git-lock", "target": "clone", "duration_s": NaN}'),
        ("POST", "/api/v1/injections", {"fault": "git-lock", "target": ["clone"]}),
    ],
)
def test_what_does_not_fit_is_one_clear_400(daemon: Running, verb: str, path: str, body: object) -> None:
    status, headers, text = call(daemon, verb, path, body, token=CONTROL)
    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    assert "does not fit" in json.loads(text)["detail"] or "malformed" in json.loads(text)["detail"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"reason": "caf\xe9"}', "caf\ufffd"),
        (b'{"reason": "\\ud800"}', "\ufffd"),
        (b'{"reason": "\\uDE00\\uD83D\\uDE00 \\\\ud800 \\n\\udfff"}', "\ufffd\U0001f600 \\ud800 \n\ufffd"),
    ],
)
def test_a_halt_halts_whatever_its_words_are(daemon: Running, body: bytes, reason: str) -> None:
    try:
        assert call(daemon, "POST", "/api/v1/halt", body, token=CONTROL)[0] == 200
        assert json.loads(call(daemon, "GET", "/api/v1/status")[2])["daemon"]["halted"] == reason
    finally:
        call(daemon, "POST", "/api/v1/resume", {"because": "the test is over"}, token=CONTROL)


def test_a_body_beyond_the_limit_is_not_read(daemon: Running) -> None:
    with suppress(urllib.error.URLError, ConnectionError):  # hung up on while still sending
        assert call(daemon, "POST", "/api/v1/halt", b'"' + b"x" * (2 << 20) + b'"', token=CONTROL)[0] == 413
    healthy(daemon)
    assert json.loads(call(daemon, "GET", "/api/v1/status")[2])["daemon"]["halted"] is None
