"""``/probe`` cannot take all the server's threads: so many looks are waited for, and no more."""

import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.exceptions import NotFound
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from daemon.core.calls import sends
from daemon.core.errors import UsageError
from daemon.core.settings import ProbeSetting
from daemon.core.target import Target
from daemon.faces.serving.bodies import ProbeQuery
from daemon.faces.serving.probing import LOOKS_MAX, Probing
from probes import CATALOGUE as PROBES
from tests.fakes import FakeClock

ASKED = ProbeQuery(target="t", module="p")


def probing(look: Any, kind: str = "git-health") -> Probing:
    settings = SimpleNamespace(
        targets={"t": Target(name="t")}, probes=(ProbeSetting(name="p", probe=kind, target="t"),)
    )
    desk: Any = SimpleNamespace(
        settings=lambda: settings, news=SimpleNamespace(clock=FakeClock()), look=look, probes=PROBES
    )
    return Probing(desk)


def ask(them: Probing) -> Response:
    return them.probe(ASKED, request=Request(EnvironBuilder(path="/probe").get_environ()))


def test_one_look_too_many_is_refused_and_told_when_to_come_again() -> None:
    inside, free = threading.Semaphore(0), threading.Event()

    def look(_: str, __: float) -> None:
        inside.release()
        free.wait(30)

    them = probing(look)
    threads = [threading.Thread(target=ask, args=(them,)) for _ in range(LOOKS_MAX)]
    for thread in threads:
        thread.start()
    assert all(inside.acquire(timeout=30) for _ in threads)
    full = ask(them)
    assert (full.status_code, full.mimetype, full.headers["Retry-After"]) == (503, "application/problem+json", "5")
    assert "8 looks are waited for already" in json.loads(full.get_data())["detail"]
    free.set()
    for thread in threads:
        thread.join(30)
    assert ask(them).status_code == 200


def test_a_probe_that_a_reload_takes_away_meanwhile_is_not_found_and_gives_its_place_back() -> None:
    def gone(name: str, _: float) -> None:
        raise KeyError(name)

    them = probing(gone)
    for _ in range(LOOKS_MAX + 1):
        with pytest.raises(NotFound, match="reloaded meanwhile"):
            ask(them)


def test_what_sends_a_message_is_not_asked_and_its_declared_calls_say_so() -> None:
    assert [name for name in sorted(PROBES) if sends(PROBES[name].calls)] == ["pipeline-canary"]
    with pytest.raises(UsageError, match="sends a message at every look"):
        ask(probing(lambda *_: None, "pipeline-canary"))
