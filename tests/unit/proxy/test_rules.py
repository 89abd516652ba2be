"""The rule book: what is in force, who is hit, and what is told of it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.core.errors import RefusedError
from daemon.core.proxying import LATE, Hits, Match, Rule
from daemon.core.settings import Aws
from daemon.ports.rulefiles import RuleFiles
from daemon.ports.world import LocalWorld
from daemon.proxy.rules import RuleBook
from tests.fakes import FakeClock


class Desk:
    """A directory of rules, a clock to turn, and the book that reads them."""

    def __init__(self, directory: Path) -> None:
        self.clock, self.told = FakeClock(), []
        self.files = RuleFiles(directory / "proxy" / "rules")
        self.book = self.another()

    def another(self) -> RuleBook:
        return RuleBook(self.files.directory, self.clock, tell=self.told.append)

    def rule(self, injection: str = "one", **more: object) -> Rule:
        wall_s = self.clock.instant().wall_s
        made = Rule(injection=injection, fault="aws-reset", lane="aws", effect="reset", seed=7, until_s=wall_s + 60)
        return replace(made, **more)

    def struck(self, calls: int, **more: object) -> int:
        return sum(self.book.hit("aws", call=f"call-{n}", **more) is not None for n in range(calls))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_without_rules_nothing_is_hit(desk: Desk) -> None:
    assert desk.book.hit("aws", call="a") is None
    assert desk.book.rules() == {}


def test_a_rule_is_in_force_from_its_file_on_and_no_longer(desk: Desk) -> None:
    desk.files.write(desk.rule())
    assert desk.book.in_force("one")
    assert desk.book.hit("aws", call="a") is not None
    assert desk.files.remove("one")
    assert desk.book.hit("aws", call="b") is None
    assert not desk.book.in_force("one")
    assert desk.book.hits("one") == Hits(matched=1, calls=1, tries=1)


@pytest.mark.parametrize("effect", sorted(LATE))
def test_what_strikes_late_is_hit_only_once_it_has(desk: Desk, effect: str) -> None:
    desk.files.write(desk.rule(effect=effect, most=2))
    first, again, second = (desk.book.hit("aws", call=name) for name in ("a", "a", "b"))
    assert first is not None
    assert again is not None
    assert second is not None
    assert desk.book.hit("aws", call="c") is None, "two are drawn, and may strike still"
    assert desk.book.hits("one") == Hits(matched=3, calls=0, tries=0)
    assert desk.book.land(first)
    assert desk.book.land(again)
    assert desk.book.hits("one") == Hits(matched=3, calls=1, tries=2)
    assert desk.files.remove("one")
    assert not desk.book.land(second), "its rule was taken out meanwhile"
    assert desk.book.hits("one") == Hits(matched=3, calls=1, tries=2)
    assert desk.book.struck == {"aws-reset": 2}


def test_changes_in_one_tick_of_the_clock_are_all_seen(desk: Desk) -> None:
    for n in range(20):
        desk.files.write(desk.rule(f"r{n}"))
        assert desk.book.in_force(f"r{n}")
        desk.files.remove(f"r{n}")
        assert not desk.book.in_force(f"r{n}")


def test_the_tries_of_one_call_share_its_fate_and_are_counted(desk: Desk) -> None:
    desk.files.write(desk.rule(percent=50))
    fates = {n: [desk.book.hit("aws", call=f"call-{n}") is not None for _ in range(3)] for n in range(400)}
    assert all(len(set(fate)) == 1 for fate in fates.values())
    hit = sum(fate[0] for fate in fates.values())
    assert 150 < hit < 250
    assert desk.book.hits("one") == Hits(matched=400, calls=hit, tries=3 * hit)


def test_the_same_seed_hits_the_same_calls_with_the_same_dice(desk: Desk) -> None:
    desk.files.write(desk.rule(percent=30))
    other = desk.another()
    for n in range(100):
        one, two = desk.book.hit("aws", call=f"c{n}"), other.hit("aws", call=f"c{n}")
        assert (one is None) == (two is None)
        assert one is None or one.dice().random() == two.dice().random()


def test_each_try_on_its_own(desk: Desk) -> None:
    desk.files.write(desk.rule(percent=50, each_try=True))
    fates = [desk.book.hit("aws", call="the same") is not None for _ in range(400)]
    assert 150 < sum(fates) < 250
    assert desk.book.hits("one") == Hits(matched=400, calls=sum(fates), tries=sum(fates))


def test_a_call_without_a_name_is_its_own(desk: Desk) -> None:
    desk.files.write(desk.rule(percent=50))
    assert 20 < sum(desk.book.hit("aws") is not None for _ in range(100)) < 80


def test_at_most_so_many_calls_with_all_their_tries(desk: Desk) -> None:
    desk.files.write(desk.rule(most=2))
    assert desk.struck(10) == 2
    assert desk.book.hit("aws", call="call-0") is not None
    assert desk.book.hits("one") == Hits(matched=10, calls=2, tries=3)


def test_only_calls_that_match_in_the_rules_lane(desk: Desk) -> None:
    match = Match(service="sqs", operations=("Send*", "DeleteMessage"), resource="jobs-*")
    desk.files.write(desk.rule(match=match))
    call = {"service": "sqs", "operation": "SendMessageBatch", "resource": "jobs-eu"}
    assert desk.struck(1, **call) == 1
    for other in ({"service": "s3"}, {"operation": "ReceiveMessage"}, {"resource": "letters"}):
        assert desk.book.hit("aws", call="x", **{**call, **other}) is None
    assert desk.book.hit("origin", call="x", **call) is None
    assert desk.book.hit("aws", call="x", applies=lambda rule: rule.effect != "reset", **call) is None
    assert desk.book.hits("one") == Hits(matched=1, calls=1, tries=1)


def test_the_oldest_rule_strikes_first(desk: Desk) -> None:
    desk.files.write(desk.rule("20260102-b"))
    desk.files.write(desk.rule("20260101-a", most=1))
    assert [s and s.rule.injection for s in (desk.book.hit("aws") for _ in range(2))] == [
        "20260101-a",
        "20260102-b",
    ]


def test_a_rule_ends_by_itself_and_takes_its_file_along(desk: Desk) -> None:
    desk.files.write(desk.rule(most=1))
    assert desk.struck(1) == 1
    desk.clock.advance(60)
    assert not desk.book.in_force("one")
    assert desk.files.read("one") is None
    assert desk.book.hits("one") == Hits(matched=1, calls=1, tries=1)


def test_a_rule_that_came_too_late_never_strikes(desk: Desk) -> None:
    desk.files.write(desk.rule(until_s=desk.clock.instant().wall_s - 1))
    assert desk.book.hit("aws") is None
    assert list(desk.files.names()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"injection": "bad"}', b"\xff", b"x" * (2 << 20)])
def test_a_broken_file_is_told_of_once_and_stops_nothing(desk: Desk, content: bytes) -> None:
    desk.files.write(desk.rule())
    (desk.files.directory / "bad.json").write_bytes(content)
    assert desk.struck(20) == 20
    assert len(desk.told) == 1
    assert "the rule of bad is not in force" in desk.told[0]
    assert list(desk.book.broken) == ["bad"]
    desk.files.remove("bad")
    desk.book.look()
    assert desk.book.broken == {}


def test_a_rule_under_another_name_is_broken(desk: Desk) -> None:
    desk.files.write(desk.rule())
    (desk.files.directory / "one.json").rename(desk.files.directory / "two.json")
    assert desk.book.hit("aws") is None
    assert desk.book.broken == {"two": "it is the rule of one"}


def test_a_file_half_written_is_no_rule(desk: Desk) -> None:
    desk.files.write(desk.rule())
    (desk.files.directory / "one.json").rename(desk.files.directory / ".one.json.new")
    assert desk.book.rules() == {}
    assert desk.files.remove("one")
    assert list(desk.files.directory.iterdir()) == []


def test_putting_the_same_rule_again_keeps_its_count_and_another_begins_anew(desk: Desk) -> None:
    desk.files.write(desk.rule(most=1))
    desk.files.write(desk.rule(most=1))
    assert desk.struck(2) == 1
    desk.files.write(desk.rule(most=1))
    assert desk.struck(2) == 1  # the same call's second try
    desk.files.write(desk.rule(most=3))
    assert desk.struck(9) == 3


def test_a_mark_of_ours_is_no_way_out_of_the_directory(desk: Desk) -> None:
    for name in ("../one", ".one", "", "a/b"):
        with pytest.raises(RefusedError, match="no injection's name"):
            desk.files.remove(name)


def test_the_files_are_for_us_alone(desk: Desk) -> None:
    desk.files.write(desk.rule())
    assert (desk.files.directory / "one.json").stat().st_mode & 0o777 == 0o600
    assert desk.files.directory.stat().st_mode & 0o777 == 0o700
    assert desk.files.directory.parent.stat().st_mode & 0o777 == 0o700


def test_a_room_within_the_state_directory_has_the_same_proxy(tmp_path: Path) -> None:
    world = LocalWorld(aws=Aws(), private=tmp_path / "private")
    rule = Desk(tmp_path).rule()
    RuleFiles(tmp_path / "proxy" / "rules").write(rule)
    assert world.within(tmp_path / "private" / "room-0").proxy.rule("one") == rule


def test_what_was_struck_is_counted_by_fault_and_outlives_the_rule(desk: Desk) -> None:
    desk.files.write(desk.rule())
    assert desk.struck(3) == 3
    desk.files.remove("one")
    desk.book.look()
    assert desk.book.struck == {"aws-reset": 3}


def test_the_wait_for_a_rules_end_ends(desk: Desk) -> None:
    desk.files.write(desk.rule())

    async def wait() -> None:
        over = asyncio.ensure_future(desk.book.over("one"))
        await asyncio.sleep(0)
        assert not over.done()
        desk.clock.advance(60)
        await asyncio.wait_for(over, 20)

    asyncio.run(wait())
