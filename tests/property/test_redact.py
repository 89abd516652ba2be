"""No secret survives, wherever it stands; what is none stays to the letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import ConfigError, RefusedError
from daemon.core.model import Finding, Outcome, Reversion
from daemon.core.redact import TEXT_MAX, redact, redacted

SECRET = st.integers(1 << 120, 1 << 200).map(lambda n: f"Q{n:x}")
AROUND = st.text(" .,;:=\"'{}[]()<>|&?!-\näx", max_size=12)
PLACES = (
    "fatal: unable to access 'https://bot:{}@git.example.com/site.git/': The requested URL returned error: 403",
    "fatal: Authentication failed for 'https://{}@git.example.com/site.git/'",
    "AWS_SECRET_ACCESS_KEY={}",
    "export AWS_SESSION_TOKEN='{}'",
    "{{'SecretAccessKey': '{}', 'Expiration': '2026-01-01'}}",
    '{{"password": "{}", "user": "x"}}',
    "db.password = {}",
    "spring.datasource.password={}",
    "curl --token {} http://localhost",
    "curl --api-key={} http://localhost",
    "curl -H 'Authorization: Bearer {}' http://localhost",
    "Authorization: Basic {}",
    "the header was: bearer {}",
    "GET /o?X-Amz-Credential=a&X-Amz-Signature={}&x=1",
    "token: {}",
    "ghp_{}",
    "glpat-{}",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n{}\n(cut off)",
)


@pytest.mark.parametrize("place", PLACES)
@given(secret=SECRET, before=AROUND, after=AROUND)
def test_no_secret_survives_wherever_it_stands(place: str, secret: str, before: str, after: str) -> None:
    assert secret not in redact(f"{before} {place.format(secret)} {after}")


@given(AROUND)
@pytest.mark.parametrize(
    "form", ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x-y_z"]
)
def test_what_shows_itself_by_its_form_goes_without_a_name(form: str, around: str) -> None:
    assert form not in redact(f"{around} {form} {around}")


@given(
    st.text()
    | st.lists(st.sampled_from([*PLACES, "token", "=", ":", " ", "://", "@", "'", '"', "--", "Bearer"])).map(
        "".join
    )
)
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "refused: the bearer token is missing or wrong",
        "chaosd.yaml:3: api.token_file: expected text; put it in quotes",
        "chaosd.yaml:3: api.tokens[0].credential: expected text",
        "chaosd.yaml:3: api.tokens: expected a list",
        "chaosd.yaml:3: api.read: 'token': nobody could read: set api.tokens",
        "the trace token is on no branch",
        "stale-lock .git/index.lock",
        "basic scenario of 12 messages",
        "https://sqs.us-west-2.amazonaws.com/123456789012/edit-input",
        "object key: index.html",
        "see http://127.0.0.1:9876/metrics and mail a@example.com",
        "aa1f" * 10,
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_names_stay_so_that_one_sees_what_was_there() -> None:
    assert redact("https://bot:x@git.example.com/a") == "https://***@git.example.com/a"
    assert redact('{"password": "x y", "user": "z"}') == '{"password": ***, "user": "z"}'
    assert redacted({"a": ["token=x", 1, None, ("password=y",)]}) == {"a": ["token=***", 1, None, ["password=***"]]}


@pytest.mark.parametrize(
    "piece",
    ["a", "://", "token=", "token ", "--token ", "-----BEGIN PRIVATE KEY-----", "eyJaaaaaaaa.", "'", "bearer "],
)
@pytest.mark.timeout(10)
def test_no_text_takes_long(piece: str) -> None:
    redact(piece * (TEXT_MAX // len(piece) + 1))


def test_errors_findings_and_reversions_redact_what_they_are_given() -> None:
    said = "https://bot:hunter2@host/x"
    refused = RefusedError(f"refused: {said}", rule="x")
    assert all("hunter2" not in text for text in (refused.message, str(refused), repr(refused)))
    config = ConfigError("bad", problems=[said])
    assert "hunter2" not in str(config) + repr(config.problems)
    assert (
        Finding("x", said).detail == Reversion(outcome=Outcome.RESTORED, detail=said).detail == "https://***@host/x"
    )
