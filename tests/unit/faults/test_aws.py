"""The faults of AWS calls: the rule each makes, what is refused, and what a revert tells. The proxy is a fake."""

import json
import random
from dataclasses import asdict, replace
from typing import Any

import pytest

from daemon.core.errors import ConfigError, TargetAbsentError, UndoFailedError, UnreachableError
from daemon.core.model import Order, Outcome, Undo
from daemon.core.parameters import build
from daemon.core.proxying import SERVICES, Hits, ProxyFacts, Rule
from daemon.core.target import Routes, Target
from faults import CATALOGUE
from faults.aws.family import MARGIN_S
from tests.fakes import FakeWorld, Switch

NAMES = [name for name in CATALOGUE if name.startswith("aws-")]
LASTS_S = 30.0


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld("/nowhere")


def prepared(name: str, world: Any, **parameters: Any) -> Undo:
    fault: Any = build(CATALOGUE[name], parameters, where=name)
    target = Target(name="editor", proxy=Routes(aws=True))
    order = Order(injection="i-1", target=target, dice=random.Random(3), lasts_s=LASTS_S)
    undo: Undo = fault.prepare(order, world)
    return Undo(**json.loads(json.dumps(asdict(undo))))


def put(name: str, world: Any, **parameters: Any) -> Rule:
    CATALOGUE[name].inject(prepared(name, world, **parameters), world, Switch())
    rule: Rule = world.proxy.on_disk["i-1"]
    return rule


@pytest.mark.parametrize(
    ("name", "given", "effect", "operations", "expected"),
    [
        ("aws-reset", {}, "reset", (), {}),
        ("aws-hang", {}, "hang", (), {}),
        ("aws-lost-reply", {"operation": "SendMessage,Delete*"}, "lost-reply", ("SendMessage", "Delete*"), {}),
        ("aws-truncate", {"share": 0.25}, "truncate", (), {"share": 0.25}),
        (
            "aws-latency",
            {"mode": "pareto", "mean": "200ms", "longest": "5s", "where": "reply"},
            "latency",
            (),
            {"distribution": "pareto", "mean_s": 0.2, "spread_s": 0.5, "most_s": 5.0, "where": "reply"},
        ),
        (
            "aws-partial-batch",
            {"operation": "Send*"},
            "partial-batch",
            ("SendMessageBatch",),
            {
                "share": 0.5,
                "code": "InternalError",
                "message": "An internal error kept the entry back.",
                "sender_fault": False,
            },
        ),
        (
            "aws-duplicate-delivery",
            {"copies": 2},
            "duplicate-delivery",
            ("ReceiveMessage",),
            {"copies": 2, "after_calls": 1},
        ),
        (
            "aws-visibility-expired",
            {"visibility": "2s"},
            "visibility-expired",
            ("ReceiveMessage", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"),
            {"visibility_s": 2},
        ),
    ],
)
def test_each_fault_is_one_rule_with_what_its_effect_needs(
    name: str, given: dict[str, Any], effect: str, operations: tuple[str, ...], expected: Any, world: FakeWorld
) -> None:
    rule = put(name, world, **given)
    assert (rule.effect, rule.lane, rule.fault) == (effect, "aws", name)
    assert rule.match.operations == operations
    assert rule.parameters == expected


def test_the_rest_of_the_rule_are_the_parameters_all_have(world: FakeWorld) -> None:
    given = {"service": "s3", "resource": "site/*", "percent": 25, "most": 3, "each_try": True}
    rule = put("aws-reset", world, **given)
    assert (rule.match.service, rule.match.resource) == ("s3", "site/*")
    assert (rule.percent, rule.most, rule.each_try) == (25.0, 3, True)
    assert rule.until_s == world.clock.instant().wall_s + LASTS_S + MARGIN_S
    assert rule.seed == random.Random(3).getrandbits(32)


def test_every_service_is_throttled_with_its_own_code(world: FakeWorld) -> None:
    answers = put("aws-throttle", world).parameters["answers"]
    assert answers.keys() == SERVICES.keys()
    assert answers["sqs"][:2] == [403, "RequestThrottled"], "400 would not be tried again by boto3"
    assert answers["s3"][:2] == [503, "SlowDown"]
    assert {answers[s][0] for s in ("ecs", "logs", "states", "dynamodb", "sts")} == {400}


@pytest.mark.parametrize("name", ["aws-throttle", "aws-error", "aws-expired-credentials"])
def test_an_answer_is_status_code_and_words(name: str, world: FakeWorld) -> None:
    for mode in CATALOGUE[name].modes:
        rule = put(name, world, mode=mode.name)
        assert rule.effect == "error"
        for service, (status, code, message) in rule.parameters["answers"].items():
            assert service in {"*", *SERVICES}
            assert 400 <= status < 600
            assert code.isalpha()
            assert bool(message) is not rule.parameters["empty"]


def test_any_error_can_be_named(world: FakeWorld) -> None:
    given = {"mode": "named", "code": "TransactionConflictException", "status": 409, "message": "busy"}
    assert put("aws-error", world, **given).parameters == {
        "answers": {"*": [409, "TransactionConflictException", "busy"]},
        "empty": False,
    }


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("aws-partial-batch", {"service": "s3"}, "not one of sqs, dynamodb"),
        ("aws-partial-batch", {"service": "dynamodb", "mode": "sender"}, "UnprocessedItems"),
        ("aws-partial-batch", {"operation": "SendMessage"}, "is none that aws-partial-batch strikes"),
        ("aws-duplicate-delivery", {"service": "dynamodb"}, "service"),
        ("aws-visibility-expired", {"service": "s3"}, "service"),
        ("aws-visibility-expired", {"visibility": "1500ms"}, "whole seconds"),
        ("aws-throttle", {"mode": "key-service", "service": "s3"}, "no answer of s3"),
        ("aws-error", {"mode": "receipt-invalid", "service": "ecs"}, "no answer of ecs"),
        ("aws-error", {"code": "Busy"}, "it is for mode named"),
        ("aws-latency", {"mean": "5s", "longest": "1s"}, "less than the mean"),
        ("aws-latency", {"mode": "uniform", "mean": "1s", "spread": "2s"}, "more than the mean"),
        ("aws-reset", {"service": "kinesis"}, "service"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything(name: str, given: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(CATALOGUE[name], given, where=name)


def test_no_proxy_no_fault(world: FakeWorld) -> None:
    world.proxy.runs = False
    with pytest.raises(TargetAbsentError, match="no proxy runs"):
        prepared("aws-reset", world)
    world.proxy.runs = True
    world.proxy.lanes = {"origin": "127.0.0.1:9419"}
    with pytest.raises(TargetAbsentError, match="editor forwards no AWS calls"):
        prepared("aws-reset", world)


def test_the_dry_run_says_whose_calls_and_what_becomes_of_them(world: FakeWorld) -> None:
    given = {"service": "sqs", "operation": "SendMessage", "resource": "jobs", "percent": 50, "most": 2}
    told = " / ".join(prepared("aws-throttle", world, **given).actions)
    assert "look out for SQS SendMessage calls of jobs" in told
    assert "answer with 403 RequestThrottled instead of asking AWS: 50 %" in told
    assert "at most 2 of them" in told


# --- what a revert tells ---------------------------------------------------------------------------------


def test_a_revert_tells_what_was_hit(world: FakeWorld) -> None:
    undo = prepared("aws-reset", world, service="sqs")
    CATALOGUE["aws-reset"].inject(undo, world, Switch())
    found = CATALOGUE["aws-reset"].revert(undo, world)
    assert (found.outcome, found.doubt) == (Outcome.RESTORED, "")
    assert found.detail == "hit 2 of 3 SQS calls, in 5 tries"
    assert {name: found.proof[name] for name in ("matched", "hit", "tries")} == {"matched": 3, "hit": 2, "tries": 5}


@pytest.mark.parametrize(
    ("hits", "said"), [(Hits(), "no call came"), (Hits(matched=4), "none of 4 AWS calls was hit")]
)
def test_a_rule_that_hit_nothing_says_so(
    hits: Hits, said: str, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo = prepared("aws-reset", world)
    CATALOGUE["aws-reset"].inject(undo, world, Switch())
    monkeypatch.setattr(world.proxy, "drop", lambda _: hits)
    assert said in CATALOGUE["aws-reset"].revert(undo, world).detail


def test_tries_that_throw_dice_of_their_own_are_told_as_tries(world: FakeWorld) -> None:
    undo = prepared("aws-reset", world, each_try=True)
    CATALOGUE["aws-reset"].inject(undo, world, Switch())
    assert CATALOGUE["aws-reset"].revert(undo, world).detail == "hit 2 of 3 tries of AWS calls"


def test_a_proxy_that_was_started_anew_leaves_a_doubt_about_its_counts(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo = prepared("aws-reset", world)
    CATALOGUE["aws-reset"].inject(undo, world, Switch())
    monkeypatch.setattr(world.proxy, "facts", lambda: ProxyFacts(pid=2, lanes={}, rules={}, began_s=9.0))
    found = CATALOGUE["aws-reset"].revert(undo, world)
    assert (found.outcome, found.proof["hit"]) == (Outcome.RESTORED, 2)
    assert "started anew" in found.doubt


def test_a_rule_whose_file_cannot_be_read_is_taken_out_all_the_same(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo = prepared("aws-reset", world)
    CATALOGUE["aws-reset"].inject(undo, world, Switch())

    def broken(_: str) -> None:
        raise UnreachableError("its file cannot be used")

    monkeypatch.setattr(world.proxy, "rule", broken)
    assert CATALOGUE["aws-reset"].revert(undo, world).outcome is Outcome.RESTORED
    assert not world.proxy.on_disk


def test_a_proxy_that_died_leaves_a_doubt_and_no_rule(world: FakeWorld) -> None:
    undo = prepared("aws-reset", world)
    CATALOGUE["aws-reset"].inject(undo, world, Switch())
    world.proxy.runs = False
    found = CATALOGUE["aws-reset"].revert(undo, world)
    assert found.outcome is Outcome.RESTORED
    assert "no proxy runs" in found.detail
    assert "what it hit" in found.doubt
    assert not world.proxy.on_disk


def test_a_rule_whose_time_was_over_is_told_as_such(world: FakeWorld) -> None:
    undo = prepared("aws-reset", world)
    CATALOGUE["aws-reset"].inject(undo, world, Switch())
    world.clock.advance(LASTS_S + MARGIN_S)
    world.proxy.on_disk.clear()  # as the proxy does by itself
    found = CATALOGUE["aws-reset"].revert(undo, world)
    assert found.outcome is Outcome.RESTORED
    assert "its time was over" in found.detail
    assert found.doubt


def test_a_rule_that_was_never_there_had_no_effect_that_anybody_can_tell(world: FakeWorld) -> None:
    found = CATALOGUE["aws-reset"].revert(prepared("aws-reset", world), world)
    assert found.outcome is Outcome.UNTOUCHED
    assert found.doubt


def test_a_proxy_that_does_not_let_go_is_an_undo_that_failed(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo = prepared("aws-reset", world)
    CATALOGUE["aws-reset"].inject(undo, world, Switch())

    def keep(_: str) -> None:
        raise UnreachableError("the proxy does not answer")

    monkeypatch.setattr(world.proxy, "drop", keep)
    with pytest.raises(UndoFailedError, match="does not answer") as raised:
        CATALOGUE["aws-reset"].revert(undo, world)
    assert "chaosd recover" in raised.value.hint


@pytest.mark.parametrize("name", NAMES)
def test_inject_touches_no_rule_of_others(name: str, world: FakeWorld) -> None:
    rule = put("aws-hang", world)
    world.proxy.put(replace(rule, injection="i-other"))
    undo = prepared(name, world)
    CATALOGUE[name].inject(undo, world, Switch())
    CATALOGUE[name].revert(undo, world)
    assert list(world.proxy.on_disk) == ["i-other"]
