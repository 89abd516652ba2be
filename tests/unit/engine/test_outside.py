"""What others say: halt files, levers, stop conditions, budgets; and how long they must say so."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from daemon.core import prometheus
from daemon.core.errors import ChaosdError, TargetAbsentError, UnreachableError
from daemon.core.guard import Unanswered
from daemon.core.levers import Alarm, ErrorBudget, Parameter, SafetyLever, StopQuery, StopWhen
from daemon.core.model import Finding, Reading, Status
from daemon.core.settings import GuardSetting
from daemon.core.target import Target
from daemon.engine.outside import Outside, Question
from daemon.engine.prober import Lookout
from daemon.engine.sentinel import Sentinel, Vigil
from daemon.ports.clock import SystemClock
from daemon.ports.files import LocalFiles
from tests.fakes import FakeWorld

SERVER = "http://prometheus:9090"
UNKNOWN = Unanswered("no route")


class Levers:
    """Answers from tables; what is not in them is not there."""

    def __init__(self) -> None:
        self.alarms: dict[str, tuple[str, str]] = {}
        self.parameters: dict[str, str] = {}
        self.levers: dict[str, tuple[str, str]] = {}

    def alarm(self, name: str) -> tuple[str, str]:
        return self._of(self.alarms, name)

    def parameter(self, name: str) -> str:
        return self._of(self.parameters, name)

    def safety_lever(self, name: str) -> tuple[str, str]:
        return self._of(self.levers, name)

    def _of(self, table: dict[str, Any], name: str) -> Any:
        if name not in table:
            raise TargetAbsentError(f"{name} was not read: there is none")
        return table[name]


class Probe:
    """Says what it is told to say."""

    reading = Reading(status=Status.OK)

    def observe(self, _target: Target, _world: object) -> Reading:
        return self.reading


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made: Any = FakeWorld(str(tmp_path), files=LocalFiles())
    made.levers = Levers()
    return made


def outside(
    world: Any, rules: GuardSetting | None = None, *, files: Sequence[Path] = (), probe: Any = None
) -> Outside:
    look = Lookout(name="site", target=Target(name="t"), probe=probe or Probe(), every_s=10)
    halt_files = [str(path) for path in files]
    return Outside(rules or GuardSetting(), world=world, lookouts=[look], halt_files=halt_files, fast_s=0.25)


def answers(world: Any, query: str, result: Any, *, kind: str = "vector", status: str = "success") -> None:
    body = {"status": status, "data": {"resultType": kind, "result": result}}
    world.http.answers[prometheus.address(SERVER, query)] = (200, json.dumps(body).encode())


def series(*values: str) -> list[dict[str, Any]]:
    return [{"metric": {"n": str(n)}, "value": [1.0, value]} for n, value in enumerate(values)]


# --- the halt file ---------------------------------------------------------------------------------------


def test_a_halt_file_halts_and_its_text_is_the_reason(world: Any, tmp_path: Path) -> None:
    file = tmp_path / "HALT"
    others = outside(world, files=[tmp_path / "other", file])
    assert others.halted() is None
    file.write_text("  the auditors\nare here ")
    assert others.halted() == f"the auditors are here, in the halt file {file}"
    file.write_text("")
    assert others.halted() == f"no reason given, in the halt file {file}"
    file.unlink()
    assert others.halted() is None


def test_whatever_lies_under_that_name_halts(world: Any, tmp_path: Path) -> None:
    file = tmp_path / "HALT"
    file.mkdir()
    assert "no reason given" in str(outside(world, files=[file]).halted())
    file.rmdir()
    file.symlink_to("/nowhere")
    assert "no reason given" in str(outside(world, files=[file]).halted())


# --- levers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lever", "table", "said", "expected"),
    [
        (SafetyLever(fis="default"), "levers", ("disengaged", ""), None),
        (SafetyLever(fis="default"), "levers", ("engaged", "incident"), "engaged: incident"),
        (SafetyLever(fis="default"), "levers", ("engaging", "incident"), "engaging: incident"),
        (Parameter(parameter="default"), "parameters", "released", None),
        (Parameter(parameter="default"), "parameters", " Off\n", None),
        (Parameter(parameter="default"), "parameters", "incident 7", "incident 7"),
        (Parameter(parameter="default"), "parameters", "", "its value is empty"),
        (Alarm(alarm="default"), "alarms", ("OK", "fine"), None),
        (Alarm(alarm="default"), "alarms", ("ALARM", "too old"), "too old"),
        (Alarm(alarm="default"), "alarms", ("ALARM", ""), "ALARM"),
        (
            Alarm(alarm="default"),
            "alarms",
            ("INSUFFICIENT_DATA", "none"),
            Unanswered("its state is INSUFFICIENT_DATA: none"),
        ),
    ],
)
def test_a_lever_is_read_as_its_owner_means_it(
    world: Any, lever: Any, table: str, said: Any, expected: Any
) -> None:
    getattr(world.levers, table)["default"] = said
    assert outside(world, GuardSetting(levers=(lever,))).levers() == {str(lever): expected}


@pytest.mark.parametrize("lever", [SafetyLever(fis="x"), Parameter(parameter="x"), Alarm(alarm="x")])
def test_a_lever_that_is_not_there_is_unanswered(world: Any, lever: Any) -> None:
    found = outside(world, GuardSetting(levers=(lever,))).levers()
    assert found == {str(lever): Unanswered("x was not read: there is none")}


# --- stop conditions -------------------------------------------------------------------------------------


def stops(world: Any, condition: Any, probe: Any = None) -> Any:
    (found,) = outside(world, GuardSetting(stop_when=(condition,)), probe=probe).stops().values()
    return found


def test_a_stop_condition_on_a_probe_looks_itself(world: Any) -> None:
    probe, condition = Probe(), StopWhen(probe="site")
    assert stops(world, condition, probe) is None
    probe.reading = Reading(status=Status.FAILING, findings=(Finding("stale", "9 minutes old"),))
    assert stops(world, condition, probe) == "stale 9 minutes old"
    probe.reading = Reading(status=Status.UNKNOWN, findings=(Finding("unanswered", "no route"),))
    assert stops(world, condition, probe) == Unanswered("unanswered no route")
    assert stops(world, StopWhen(probe="site", status=Status.UNKNOWN), probe) == "unanswered no route"


@pytest.mark.parametrize(
    ("limit", "result", "expected"),
    [
        ({"above": 5}, series("5"), None),
        ({"above": 5}, series("1", "5.1"), "its value is 5.1"),
        ({"above": 5}, series("+Inf"), "its value is inf"),
        ({"above": 5}, [], Unanswered("'q' has no series")),
        ({"below": 2}, series("3", "1.5"), "its value is 1.5"),
        ({"below": 2}, series("2"), None),
        ({}, [], None),
        ({}, series("0"), "its value is 0"),
        ({"above": 5}, series("NaN"), Unanswered("not known: the answer to 'q' is NaN")),
    ],
)
def test_a_stop_condition_on_a_query_holds_beyond_its_limit(
    world: Any, limit: dict[str, float], result: Any, expected: Any
) -> None:
    answers(world, "q", result)
    assert stops(world, StopQuery(prometheus=SERVER, query="q", **limit)) == expected


def test_a_prometheus_that_does_not_answer_is_unanswered(world: Any) -> None:
    assert isinstance(stops(world, StopQuery(prometheus=SERVER, query="q", above=1)), Unanswered)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (502, b"<html>", UnreachableError),
        (200, b"[]", UnreachableError),
        (200, b'{"status": "success"}', UnreachableError),
        (200, b'{"status": "success", "data": {"resultType": "vector", "result": [{}]}}', UnreachableError),
        (200, b'{"status": "success", "warnings": ["partial"], "data": {}}', UnreachableError),
        (200, b'{"status": "success", "data": {"resultType": "matrix", "result": []}}', ChaosdError),
        (400, b'{"status": "error", "error": "parse error"}', ChaosdError),
        (503, b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}}', UnreachableError),
    ],
)
def test_whatever_is_no_complete_answer_is_none(status: int, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        prometheus.samples(status, body, "q")


def test_a_scalar_is_a_number_too() -> None:
    body = b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "2.5"]}}'
    assert prometheus.samples(200, body, "q") == (2.5,)


def test_a_query_is_quoted_in_the_address() -> None:
    assert prometheus.address("http://p/x/", 'a{b="c d"}') == "http://p/x/api/v1/query?query=a%7Bb%3D%22c+d%22%7D"


# --- the error budget ------------------------------------------------------------------------------------


def test_the_error_budget_asks_for_the_target_s_own_share(world: Any) -> None:
    budget = ErrorBudget(objective=0.99, prometheus=SERVER)
    looks = 'chaosd_steady_state{target="t"}[7d]'
    query = f"sum(sum_over_time({looks})) / sum(count_over_time({looks}))"
    answers(world, query, series("0.98"))
    assert outside(world, GuardSetting(error_budget=budget)).steady_share("t") == 0.98
    answers(world, query, series("0.98", "0.99"))
    assert isinstance(outside(world, GuardSetting(error_budget=budget)).steady_share("t"), Unanswered)
    answers(world, query, [])
    assert isinstance(outside(world, GuardSetting(error_budget=budget)).steady_share("t"), Unanswered)
    assert outside(world).steady_share("t") is None


def test_the_error_budget_s_question_may_be_another() -> None:
    about = ErrorBudget(objective=0.9, prometheus=SERVER, window="1h", probe="p")
    looks = 'chaosd_probe_success{probe="p",target="t"}[1h]'
    assert about.question("t") == f"sum(sum_over_time({looks})) / sum(count_over_time({looks}))"
    own = ErrorBudget(objective=0.9, prometheus=SERVER, query='good{t="$target"}[$window]')
    assert own.question("t") == 'good{t="t"}[7d]'


# --- how long --------------------------------------------------------------------------------------------


def vigil(*, for_s: float = 0.0, blind_s: float = 30.0) -> Vigil:
    return Vigil(Question(name="site", ask=lambda: None, every_s=1, for_s=for_s, blind_s=blind_s), began_s=0)


def test_a_reason_must_be_given_without_a_break_for_its_time() -> None:
    kept = vigil(for_s=5)
    heard = [kept.note(said, at_s) for at_s, said in ((0, "bad"), (4, "bad"), (4.5, None), (5, "bad"), (9, "bad"))]
    assert heard == [None] * 5
    assert kept.note("bad", 10) == "site: bad (for 5.0 s)"
    assert vigil().note("bad", 0) == "site: bad"


def test_an_unanswered_look_neither_confirms_nor_breaks() -> None:
    kept = vigil(for_s=5)
    assert kept.note("bad", 0) is None
    assert kept.note(UNKNOWN, 6) is None
    assert kept.note("bad", 7) == "site: bad (for 7.0 s)"


def test_who_is_not_answered_for_too_long_stops() -> None:
    kept = vigil(blind_s=10)
    assert kept.note(UNKNOWN, 9.9) is None
    assert kept.note(UNKNOWN, 10) == "site has not been answered for 10.0 s: no route"
    assert kept.note(None, 11) is None
    assert kept.note(UNKNOWN, 20) is None


@pytest.mark.parametrize("hangs", [False, True])
def test_a_question_that_breaks_or_hangs_is_not_answered(*, hangs: bool) -> None:
    let_go, told, reasons = threading.Event(), threading.Event(), []

    def ask() -> None:
        if not hangs:
            raise RecursionError
        let_go.wait(60)

    def stop(reason: str) -> None:
        reasons.append(reason)
        told.set()

    sentinel = Sentinel([Question(name="deaf", ask=ask, every_s=0.01, blind_s=0.2)], SystemClock())
    sentinel.begin(stop)
    heard = told.wait(10)
    sentinel.end()
    let_go.set()
    assert heard
    assert ("it is being asked still" if hangs else "RecursionError") in " ".join(reasons)


def test_the_sentinel_asks_only_while_something_runs() -> None:
    asked, told, reasons = threading.Event(), threading.Event(), []

    def ask() -> str:
        asked.set()
        return "bad"

    def stop(reason: str) -> None:
        reasons.append(reason)
        told.set()

    sentinel = Sentinel([Question(name="site", ask=ask, every_s=0.01)], SystemClock())
    assert not asked.is_set()
    sentinel.begin(stop)
    sentinel.begin(stop)
    assert told.wait(10)
    assert reasons[0] == "site: bad"
    sentinel.end()
    told.clear()
    assert told.wait(10), "one run is left, so the asking goes on"
    sentinel.end()
    for thread in threading.enumerate():
        if thread.name == "ask-site":
            thread.join(10)
            assert not thread.is_alive()
