"""The daemon's hold on its proxy: found, started, replaced, started again with growing pauses, ended."""

from typing import Any

import pytest

from daemon.core.errors import ChaosdError, TargetAbsentError, UnreachableError
from daemon.engine.proxykeeper import PAUSE_MOST_S, SILENT_S, THEIRS_S, Keeper
from tests.fakes import FakeClock


class Child:
    def __init__(self, pid: int) -> None:
        self.pid, self.code = pid, None

    def ended(self) -> int | None:
        return self.code


class Hands:
    """Proxies that are only remembered."""

    wanted = "as wanted"

    def __init__(self) -> None:
        self.running: dict[str, Any] | None = None
        self.silent = self.broken = False
        self.started: list[Child] = []
        self.ended: list[int] = []
        self.asked = 0

    def runs(self, pid: int, configuration: str = wanted, *, kept: bool = True) -> None:
        self.running = {"pid": pid, "configuration": configuration, "kept": kept, "lanes": {}, "calls": []}

    def word(self, *, timeout_s: float) -> dict[str, Any]:
        assert timeout_s > 0
        self.asked += 1
        if self.silent:
            raise UnreachableError("no answer")
        if self.running is None:
            raise TargetAbsentError("none")
        return self.running

    def start(self) -> Child:
        if self.broken:
            raise ChaosdError("the port is taken")
        self.started.append(Child(100 + len(self.started)))
        self.runs(self.started[-1].pid)
        return self.started[-1]

    def end(self, pid: int, *, within_s: float) -> bool:
        assert within_s > 0
        self.ended.append(pid)
        self.running, self.silent = None, False
        return True


class Desk:
    def __init__(self, *, starts: bool = True) -> None:
        self.hands, self.clock = Hands(), FakeClock()
        self.told: list[str] = []
        self.keeper = Keeper(self.hands, self.clock, lambda event, _: self.told.append(event), starts=starts)

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.keeper.look()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_none_is_there_so_one_is_started_and_ended_with_the_daemon(desk: Desk) -> None:
    desk.keeper.look()
    desk.pass_time(5)
    assert len(desk.hands.started) == 1
    desk.keeper.close()
    desk.keeper.close()
    assert desk.hands.ended == [100]
    assert desk.told == ["proxy.started", "proxy.stopped"]


def test_one_that_an_earlier_daemon_left_is_kept(desk: Desk) -> None:
    desk.hands.runs(7)
    desk.pass_time(3)
    desk.keeper.close()
    assert (desk.hands.started, desk.hands.ended, desk.told) == ([], [7], ["proxy.found", "proxy.stopped"])


def test_one_of_another_configuration_is_replaced(desk: Desk) -> None:
    desk.hands.runs(7, "otherwise")
    desk.pass_time(3)
    assert (desk.hands.ended, len(desk.hands.started)) == ([7], 1)
    assert desk.told == ["proxy.replaced", "proxy.started"]


@pytest.mark.parametrize(("configuration", "said"), [("as wanted", "proxy.found"), ("otherwise", "proxy.differs")])
def test_one_that_somebody_started_by_hand_is_used_and_never_ended(
    desk: Desk, configuration: str, said: str
) -> None:
    desk.hands.runs(7, configuration, kept=False)
    desk.pass_time(3)
    desk.keeper.close()
    assert (desk.hands.started, desk.hands.ended, desk.told) == ([], [], [said])


def test_whoever_started_one_has_time_to_start_it_again(desk: Desk) -> None:
    desk.hands.runs(7, kept=False)
    desk.keeper.look()
    desk.hands.running = None
    desk.pass_time(THEIRS_S - 1)
    desk.hands.runs(8, kept=False)
    desk.pass_time(3)
    assert (desk.hands.started, desk.told) == ([], ["proxy.found", "proxy.died", "proxy.found"])
    desk.hands.running = None
    desk.pass_time(THEIRS_S + 2)
    assert desk.told[3:] == ["proxy.died", "proxy.started"], "nobody did"


def test_where_somebody_else_starts_it_the_daemon_never_does() -> None:
    desk = Desk(starts=False)
    desk.pass_time(5)
    desk.hands.runs(7, kept=False)
    desk.pass_time(3)
    desk.hands.running = None
    desk.pass_time(THEIRS_S * 3)
    desk.hands.runs(8, "otherwise", kept=True)  # an earlier daemon had started it, before the file said so
    desk.pass_time(3)
    assert (desk.hands.started, desk.hands.ended) == ([], [8])
    awaited = "proxy.awaited"  # once each time, not every second
    assert desk.told == [awaited, "proxy.found", "proxy.died", awaited, "proxy.replaced", awaited]


def test_one_that_dies_is_started_again_and_less_often_when_it_dies_often(desk: Desk) -> None:
    desk.keeper.look()
    for _ in range(200):
        desk.hands.running = None
        desk.pass_time(1)
    assert 6 <= len(desk.hands.started) <= 12
    assert desk.told.count("proxy.died") == len(desk.hands.started) - (desk.hands.running is not None)
    desk.hands.runs(desk.hands.started[-1].pid)
    desk.pass_time(PAUSE_MOST_S * 2)
    before = len(desk.hands.started)
    desk.hands.running = None
    desk.pass_time(3)
    assert len(desk.hands.started) == before + 1  # it had held out, so it comes back soon


def test_one_that_does_not_come_up_is_tried_again(desk: Desk) -> None:
    desk.hands.broken = True
    desk.keeper.look()
    desk.pass_time(10)
    assert desk.told == ["proxy.failed"] * 4  # at 0, 1, 3 and 7 seconds
    desk.hands.broken = False
    desk.pass_time(10)
    assert desk.told[-1] == "proxy.started"


def test_one_that_hangs_is_replaced_after_a_while(desk: Desk) -> None:
    desk.keeper.look()
    desk.hands.silent = True
    desk.pass_time(SILENT_S - 1)
    assert desk.hands.ended == []
    desk.pass_time(3)
    assert desk.hands.ended == [100]
    assert len(desk.hands.started) == 2


def test_what_it_says_is_asked_once_a_second_at_most(desk: Desk) -> None:
    desk.hands.runs(7)
    assert [desk.keeper.word() for _ in range(5)] == [desk.hands.running] * 5
    assert desk.hands.asked == 1
    desk.hands.silent = True
    desk.clock.advance(1)
    assert desk.keeper.word() is None
