"""Whatever is asked, in whatever state: no rule is exceeded, and each refusal names its rule."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.calendar import Blackout, Window
from daemon.core.guard import RULES, Facts, Permit, Refusal, Unanswered, check
from daemon.core.model import Resource
from daemon.core.settings import Allow, GuardSetting

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
UNANSWERED = Unanswered("nobody answered")

tags = st.lists(st.sampled_from([{"ok": "yes"}, {"ok": "no"}]), min_size=1, max_size=2).map(tuple)
facts = st.builds(
    Facts,
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda d: d.replace(tzinfo=UTC)),  # noqa: DTZ001
    target=st.sampled_from(["a", "b"]),
    touches=st.sampled_from(Resource),
    halted=st.none() | st.text(max_size=5),
    active=st.lists(st.sampled_from(["a", "b"]), max_size=4).map(tuple),
    started_today=st.integers(0, 5),
    last_started_s_ago=st.none() | st.floats(0, 1000),
    unresolved=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    healthy_tasks=st.none() | st.just(UNANSWERED) | st.integers(0, 5),
    tags=st.none() | st.just(UNANSWERED) | tags,
    queues=st.lists(st.sampled_from(["http://h/1/edit-input", "http://h/1/other"]), max_size=2).map(tuple),
)
rules = st.builds(
    GuardSetting,
    max_active=st.integers(1, 3),
    max_active_per_target=st.integers(1, 2),
    max_per_day=st.none() | st.integers(0, 4),
    min_gap_s=st.floats(0, 500),
    min_healthy_tasks=st.integers(0, 3),
    require_tag=st.none() | st.just(("ok", "yes")),
    protect_tag=st.none() | st.just(("ok", "no")),
    allow=st.builds(Allow, queues=st.none() | st.just(("1:edit-*",))),
    windows=st.just(()) | st.just((Window.parse("mon-fri 09:00-17:00 UTC"),)),
    blackouts=st.just(()) | st.just((Blackout.parse("2026-06-01/2026-06-30"),)),
)


@given(facts, rules)
def test_a_permit_means_that_no_rule_is_exceeded(given_facts: Facts, given_rules: GuardSetting) -> None:
    if not isinstance(check(given_facts, given_rules), Permit):
        return
    assert given_facts.halted is None
    assert not given_facts.unresolved
    assert len(given_facts.active) + 1 <= given_rules.max_active
    assert given_facts.active.count(given_facts.target) + 1 <= given_rules.max_active_per_target
    assert given_rules.max_per_day is None or given_facts.started_today + 1 <= given_rules.max_per_day
    gap_s = given_facts.last_started_s_ago
    assert gap_s is None or gap_s >= given_rules.min_gap_s
    if given_rules.min_healthy_tasks and given_facts.healthy_tasks is not None:
        assert not isinstance(given_facts.healthy_tasks, Unanswered)
        assert given_facts.healthy_tasks - 1 >= given_rules.min_healthy_tasks
    tagged = given_facts.touches in {Resource.ECS, Resource.QUEUE} or given_facts.queues
    if (given_rules.require_tag or given_rules.protect_tag) and tagged:
        assert isinstance(given_facts.tags, tuple)
        assert {"ok": "no"} not in given_facts.tags
    if given_rules.windows:
        assert given_facts.now.weekday() < 5
        assert 9 <= given_facts.now.hour < 17
    if given_rules.blackouts:
        assert given_facts.now.month != 6
    if given_rules.allow.queues is not None:
        assert set(given_facts.queues) <= {"http://h/1/edit-input"}
        assert given_facts.queues or given_facts.touches is not Resource.QUEUE


@given(facts, rules)
def test_a_refusal_names_its_rule_and_that_rule_really_objects(
    given_facts: Facts, given_rules: GuardSetting
) -> None:
    answer = check(given_facts, given_rules)
    if isinstance(answer, Refusal):
        assert answer.reason.startswith("not injecting: ")
        assert RULES[answer.rule](given_facts, given_rules) is not None


@given(facts, rules)
def test_what_cannot_be_answered_is_a_refusal(given_facts: Facts, given_rules: GuardSetting) -> None:
    ruled = given_rules.require_tag is not None or given_rules.protect_tag is not None
    asked = ruled and (given_facts.touches in {Resource.ECS, Resource.QUEUE} or given_facts.queues)
    if asked and (given_facts.tags is None or isinstance(given_facts.tags, Unanswered)):
        assert isinstance(check(given_facts, given_rules), Refusal)


def test_a_gap_that_is_over_admits_again() -> None:
    known = Facts(
        now=NOON,
        target="a",
        touches=Resource.ECS,
        halted=None,
        active=(),
        started_today=0,
        last_started_s_ago=timedelta(minutes=10).total_seconds(),
        unresolved=(),
    )
    assert isinstance(check(known, GuardSetting(min_gap_s=600)), Permit)
    assert isinstance(check(known, GuardSetting(min_gap_s=601)), Refusal)
