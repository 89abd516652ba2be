"""Who waits for a verdict holds a thread of the server: never more than there are for that."""

import json
import threading
from types import SimpleNamespace
from typing import Any

from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from daemon.core.events import Injection, State
from daemon.faces.serving.bodies import WaitQuery
from daemon.faces.serving.reading import WAITS_MAX, Reading
from tests.unit.faces.test_metrics import PLAN

LONG_S = 30.0


class Flag(threading.Event):
    """Tells how many wait for it, and for how long each wanted to."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = threading.Semaphore(0)

    def wait(self, timeout: float | None = None) -> bool:
        self.inside.release()
        return super().wait(timeout)


def reading(done: Flag) -> Reading:
    begun, ended = Injection(plan=PLAN), Injection(plan=PLAN, state=State.REVERTED)
    run = SimpleNamespace(done=done, outcome=lambda: ended)
    desk: Any = SimpleNamespace(runs={"i": run}, journal=SimpleNamespace(injection=lambda _: begun))
    return Reading(desk)


def ask(them: Reading, wait: float = LONG_S) -> str:
    """Return the state that is answered."""
    request = Request(EnvironBuilder(path="/x").get_environ())
    answer = them.injection(WaitQuery(wait=wait), request=request, name="i")
    return str(json.loads(answer.get_data())["injection"]["state"])


def test_one_waiter_too_many_is_answered_at_once_with_what_is_known() -> None:
    done = Flag()
    them, answers = reading(done), list[str]()
    threads = [threading.Thread(target=lambda: answers.append(ask(them))) for _ in range(WAITS_MAX)]
    for thread in threads:
        thread.start()
    assert all(done.inside.acquire(timeout=LONG_S) for _ in threads)
    assert ask(them) == "proposed"
    assert not done.inside.acquire(blocking=False), "it waited"
    done.set()
    for thread in threads:
        thread.join(LONG_S)
    assert "reverted" in answers
    assert len(answers) == WAITS_MAX


def test_a_place_is_given_back() -> None:
    done = Flag()
    them = reading(done)
    for _ in range(WAITS_MAX + 1):
        assert ask(them, 0.001) == "proposed"
        assert done.inside.acquire(blocking=False), "it did not wait"
