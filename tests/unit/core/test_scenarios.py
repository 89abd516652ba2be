"""What scenarios send, and when: a pure function of seed and parameters."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import ConfigError
from daemon.core.ledger import Effect, Kind
from daemon.core.messages import RUN_ATTRIBUTE, tokens
from daemon.core.model import Instant
from daemon.core.parameters import build
from daemon.core.scenario import Mail, Parameters, Post, mails
from daemon.core.target import Queue, Repository
from daemon.core.workloads import SCENARIOS

POST = Post(
    run="run-1",
    scenario="any",
    queue=Queue(url="u"),
    repository=Repository(worktree=("/r",)),
    at=Instant(10.0, 1_750_000_000.0),
)


def sent(name: str, seed: int = 1, **given: object) -> tuple[Mail, ...]:
    parameters = build(Parameters, SCENARIOS[name].parameters(given), where=name)
    return mails(SCENARIOS[name].plan(parameters, Random(seed)), parameters, POST)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_says_what_it_expects_and_repeats_with_its_seed(name: str) -> None:
    assert SCENARIOS[name].expects
    assert SCENARIOS[name].name == name
    assert sent(name) == sent(name)
    times = [m.at_s for m in sent(name)]
    assert times == sorted(times)
    assert all(m.message.attributes[RUN_ATTRIBUTE] == "run-1" for m in sent(name))


@given(st.sampled_from(sorted(SCENARIOS)), st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 5))
def test_good_messages_carry_their_token_early_and_name_their_branch(
    name: str, seed: int, messages: int, sessions: int
) -> None:
    for mail in sent(name, seed, messages=messages, sessions=sessions):
        if mail.sent.effect is Effect.ONCE:
            body = json.loads(mail.message.body)
            assert tokens(body["instruction"]) == (mail.sent.token,)
            assert body["instruction"].startswith(f"[{mail.sent.token}]")
            assert mail.sent.branch == f"thread-{body['chatThreadId']}"


def threads(found: tuple[Mail, ...]) -> list[str]:
    return [m.sent.thread.rpartition("-")[2] for m in found]


def test_switching_goes_there_and_back() -> None:
    assert threads(sent("switching")) == ["1", "2", "1"]
    assert threads(sent("rapid-switching")) == ["1", "2"] * 4


def test_an_interruption_is_urgent_and_of_another_session() -> None:
    first, second = sent("interrupt")
    assert (first.urgent, second.urgent) == (False, True)
    assert second.at_s - first.at_s == 2.0
    assert first.sent.session != second.sent.session


def test_a_second_delivery_is_the_same_message() -> None:
    first, again, *_ = sent("duplicate-delivery")
    assert again.sent.kind is Kind.DUPLICATE
    assert again.message.body == first.message.body
    assert again.at_s > first.at_s


def test_poison_lies_between_good_messages_and_is_mostly_no_message_at_all() -> None:
    first, *bad, _, _ = sent("poison")
    assert first.sent.effect is Effect.ONCE
    assert {m.sent.kind for m in bad} == {Kind.MALFORMED, Kind.OVERSIZE}
    assert all(m.sent.branch is None for m in bad if m.sent.kind is Kind.MALFORMED)
    assert "null" in [m.message.body for m in bad]


def test_sizes_files_users_and_gaps_can_be_set() -> None:
    (one,) = sent("large-file", messages=1, size=5000)
    assert len(json.loads(one.message.body)["instruction"]) > 5000
    common = sent("concurrent-users", overlap="common", messages=6)
    assert len({m.sent.session for m in common}) == 1
    assert len({m.sent.thread for m in common}) == 3
    assert [m.at_s for m in sent("basic", gap="250ms")] == [0.0, 0.25, 0.5]
    users = {json.loads(m.message.body)["userId"] for m in sent("basic", users=2)}
    assert users == {"test-user-1", "test-user-2"}


def test_another_seed_gives_other_times() -> None:
    assert [m.at_s for m in sent("soak", 1)] != [m.at_s for m in sent("soak", 2)]
    assert sent("soak")[-1].at_s > 1500


def test_a_parameter_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match="mesages: unknown parameter; did you mean 'messages'"):
        sent("basic", mesages=3)
