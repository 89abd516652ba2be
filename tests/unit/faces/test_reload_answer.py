"""What ``POST /-/reload`` answers: what changed, or every mistake; the lifecycle's function is given."""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import Client

from daemon.core.access import Keyring, Token
from daemon.core.errors import ConfigError
from daemon.core.settings import GuardSetting, ProbeSetting, Sampling, Settings
from daemon.core.target import Target
from daemon.faces.api import Application, Desk
from daemon.faces.serving.gate import Gate
from daemon.faces.serving.news import News
from tests.fakes import FakeClock

BEFORE = Settings(
    sampling=Sampling(probe_every_s=1),
    targets={"a": Target(name="a"), "b": Target(name="b")},
    probes=(ProbeSetting(name="p", probe="x", target="a"),),
)
AFTER = replace(
    BEFORE,
    targets={"a": Target(name="a"), "c": Target(name="c")},
    probes=(ProbeSetting(name="p", probe="x", target="a", every_s=1),),
    guard=GuardSetting(max_active=2),
)
SECRET = "secret"
DIGEST = hashlib.sha256(SECRET.encode()).digest()
NOTHING: dict[str, list[str]] = {"added": [], "removed": [], "changed": []}


class Book:
    """Stands in for the audit log."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, ...]] = []

    def accepted(self, _: object, verb: str, __: str) -> None:
        self.entries.append((verb, "accepted"))

    def ended(self, _: object, verb: str, __: str, error: Exception) -> None:
        self.entries.append((verb, type(error).__name__))


def application(reload: Callable[[], Settings] | None) -> tuple[Client, Book]:
    book = Book()
    in_force = [BEFORE]

    def taking() -> Settings:
        assert reload is not None
        in_force[0] = reload()
        return in_force[0]

    parts: dict[str, Any] = dict.fromkeys(("control", "journal", "metrics", "latest", "next_times", "look"))
    desk = Desk(
        **parts,
        faults={},
        probes={},
        facts={"version": "1"},
        ready=threading.Event(),
        audit=book,  # type: ignore[arg-type]
        news=News(FakeClock()),
        settings=lambda: in_force[0],
        reload=None if reload is None else taking,
    )
    return Client(Application(desk, Gate(keyring=Keyring([Token(name="ops", control=True, digest=DIGEST)])))), book


def post(client: Client, token: str = SECRET) -> Any:
    return client.post("/-/reload", json={}, headers={"Authorization": f"Bearer {token}"})


def test_it_answers_with_what_changed_by_name() -> None:
    client, book = application(lambda: AFTER)
    answer = post(client)
    assert answer.status_code == 200
    assert answer.json == {
        "schema_version": 1,
        "targets": {"added": ["c"], "removed": ["b"], "changed": []},
        "probes": NOTHING | {"changed": ["p"]},
        "experiments": NOTHING,
        "tokens": NOTHING,
        "others": ["guard"],
    }
    assert book.entries == [("reload", "accepted")]


def test_a_file_that_does_not_fit_is_one_400_with_every_mistake() -> None:
    def refusing() -> Settings:
        raise ConfigError(
            "not reloaded, the old configuration stays in force", problems=("one", "two"), hint="mend it"
        )

    client, book = application(refusing)
    answer = post(client)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    problem = json.loads(answer.data)
    assert problem["problems"] == ["one", "two"]
    assert "the old configuration stays" in problem["detail"]
    assert book.entries == [("reload", "accepted"), ("reload", "ConfigError")]


@pytest.mark.parametrize("token", ["", "wrong"])
def test_it_needs_the_token(token: str) -> None:
    def never() -> Settings:
        raise AssertionError

    assert post(application(never)[0], token).status_code == 401


def test_without_a_file_there_is_nothing_to_reload() -> None:
    answer = post(application(None)[0])
    assert answer.status_code == 409
