"""The guardian's decisions, turned by hand: no process, no pipe, no waiting."""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from daemon.engine.guardian import ATTEMPTS, HUNG_S, NOT_RECORDED, Act, Book, Charge, Guardian, Post, decide


@dataclass
class Scene:
    """A daemon, its orders by the second, and reverters that end as they are told to."""

    orders: dict[float, list[str] | None]
    codes: list[int] = field(default_factory=list)
    now_s: float = 0.0
    is_stopped: bool = False
    dies_when_killed: bool = True
    spawned: list[tuple[float, str, tuple[str, ...]]] = field(default_factory=list)
    killed_at: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    let_go_at: list[float] = field(default_factory=list)
    acknowledged: int = 0
    no_room: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)

    def lines(self, within_s: float | None) -> list[str] | None:
        due = min((at for at in self.orders), default=None)
        until = self.now_s + within_s if within_s is not None else None
        if due is not None and (until is None or due <= until):
            self.now_s = max(self.now_s, due)
            return self.orders.pop(due)
        assert until is not None, "waits for ever"
        self.now_s = until
        return []

    def acknowledge(self) -> None:
        self.acknowledged += 1

    def stopped(self) -> bool:
        return self.is_stopped

    def kill(self) -> None:
        self.killed_at.append(self.now_s)
        if self.dies_when_killed:
            self.orders = {self.now_s: None}

    def pause(self, seconds: float) -> None:
        self.now_s += seconds

    def spawn(self, words: Sequence[str], environment: Mapping[str, str]) -> int:
        if self.no_room:
            self.no_room -= 1
            raise OSError(errno.EAGAIN, "no room for another process")
        self.environment = dict(environment)
        self.spawned.append((self.now_s, words[5], tuple(words[7:])))
        return len(self.spawned)

    def ended(self, pid: int) -> int | None:
        return self.codes[pid - 1] if pid <= len(self.codes) else 0

    def end(self, pid: int) -> None:
        self.codes[pid - 1 : pid] = [-9]

    def say(self, text: str) -> None:
        self.said.append(text)

    def let_readers_go(self) -> None:
        self.let_go_at.append(self.now_s)


def play(scene: Scene, *, lease_free: bool = True) -> int:
    post = Post(
        directory=Path("/state"), speaks_json=False, now_s=lambda: scene.now_s, lease_free=lambda *_: lease_free
    )
    return Guardian(post, scene).run()


def test_the_end_of_the_daemon_with_nothing_armed_is_the_end() -> None:
    scene = Scene({1.0: ["arm a 10 0", "struck a"], 2.0: ["disarm a"], 3.0: None})
    assert play(scene) == 0
    assert (scene.spawned, scene.said, scene.acknowledged) == ([], [], 1)


def test_the_end_of_the_daemon_reverts_what_is_armed_newest_first_and_at_once() -> None:
    scene = Scene({1.0: ["env A b", "arm a 10 0", "arm b 10 0"], 2.0: None})
    assert play(scene) == 0
    assert scene.spawned == [(2.0, "ended", ("b", "a"))]
    assert scene.environment == {"A": "b"}


def test_past_the_deadline_a_struck_fault_is_reverted_though_the_daemon_lives() -> None:
    scene = Scene({1.0: ["arm a 10 0", "struck a"], 50.0: None})
    assert play(scene) == 0
    ((at_s, why, injections),) = scene.spawned
    assert 10.5 <= at_s < 10.8
    assert (why, injections, scene.killed_at) == ("hung", ("a",), [])


def test_a_stopped_daemon_that_may_still_be_injecting_is_killed_first() -> None:
    scene = Scene({1.0: ["arm a 10 0"]}, is_stopped=True)
    assert play(scene) == 0
    assert len(scene.killed_at) == 1
    assert scene.spawned[0][1:] == ("ended", ("a",))
    assert scene.killed_at[0] <= scene.spawned[0][0]


def test_a_late_daemon_that_is_not_stopped_is_given_time() -> None:
    scene = Scene({1.0: ["arm a 10 30"], 60.0: ["struck a"], 61.0: ["disarm a"], 62.0: None})
    assert play(scene) == 0
    assert (scene.spawned, scene.killed_at) == ([], [])


@pytest.mark.parametrize(
    ("late_s", "struck", "stopped", "free", "act"),
    [
        (0.4, True, True, True, Act.NOTHING),
        (0.6, True, False, True, Act.REVERT),
        (0.6, True, True, True, Act.REVERT),
        (0.6, True, True, False, Act.KILL),
        (0.6, False, True, True, Act.KILL),
        (0.6, True, False, False, Act.NOTHING),
        (HUNG_S + 6, True, False, False, Act.NOTHING),
        (HUNG_S + 7, True, False, False, Act.KILL),
        (HUNG_S + 7, False, False, True, Act.KILL),
    ],
)
def test_what_is_done_when(late_s: float, struck: bool, stopped: bool, free: bool, act: Act) -> None:
    charge = Charge(injection="a", due_s=100, patience_s=7, struck=struck)
    assert decide(charge, now_s=100 + late_s, stopped=stopped, lease_free=free) is act


def test_a_reverter_that_fails_is_followed_by_others_with_growing_pauses_and_then_by_words() -> None:
    scene = Scene({1.0: ["arm a 10 0"], 2.0: None}, codes=[4] * 99)
    assert play(scene) == 4
    assert len(scene.spawned) == ATTEMPTS
    pauses = [round(b[0] - a[0], 3) for a, b in zip(scene.spawned, scene.spawned[1:], strict=False)]
    assert pauses == sorted(pauses)
    assert 15 * 60 < sum(pauses) < 20 * 60, "an outage of what a revert must ask may last for a while"
    assert "not taken back" in scene.said[-1]


def test_who_reads_what_a_dead_daemon_said_is_kept_waiting_for_one_attempt_only() -> None:
    scene = Scene({1.0: ["arm a 10 0"], 2.0: None}, codes=[4, 4, 0])
    assert play(scene) == 0
    ((let_go_s,), (_, second, _)) = scene.let_go_at, scene.spawned
    assert let_go_s < second[0]
    assert "goes on trying" in scene.said[-1]


def test_a_living_daemon_s_words_are_its_own_to_end() -> None:
    scene = Scene({1.0: ["arm a 10 0", "struck a"], 99.0: ["disarm a"], 100.0: None}, codes=[4, 4, 0])
    assert play(scene) == 0
    assert (len(scene.spawned), scene.let_go_at) == (3, [])


def test_what_a_living_daemon_failed_to_undo_is_its_own_to_try_again_until_it_ends() -> None:
    scene = Scene({1.0: ["arm a 10 0", "struck a"], 3.0: ["hold a"], 99.0: None})
    assert play(scene) == 0
    assert [s[:2] for s in scene.spawned] == [(99.0, "ended")]


def test_an_end_in_good_order_leaves_what_failed_to_the_next_start() -> None:
    scene = Scene({1.0: ["arm a 10 0", "hold a", "arm b 10 0"], 3.0: ["bye"], 3.1: None})
    assert play(scene) == 0
    assert [s[2] for s in scene.spawned] == [("b",)]


def test_a_stopped_daemon_that_keeps_the_journal_to_itself_is_killed_once_the_world_is_whole() -> None:
    scene = Scene({1.0: ["arm a 10 0", "struck a"]}, codes=[NOT_RECORDED, 0], is_stopped=True)
    assert play(scene) == 0
    assert [s[1] for s in scene.spawned] == ["hung", "ended"]
    assert len(scene.killed_at) == 1


def test_a_journal_nobody_can_use_costs_a_hanging_daemon_its_life_after_all_attempts() -> None:
    """While it lives it holds the state directory, and the copies beside the journal cannot be used."""
    scene = Scene({1.0: ["arm a 10 0", "struck a"]}, codes=[*([NOT_RECORDED] * ATTEMPTS), 0])
    assert play(scene) == 0
    assert [s[1] for s in scene.spawned] == ["hung"] * ATTEMPTS + ["ended"]
    assert len(scene.killed_at) == 1


def test_where_no_reverter_can_be_started_it_is_said_and_tried_again() -> None:
    scene = Scene({1.0: ["arm a 10 0"], 2.0: None}, no_room=2)
    assert play(scene) == 0
    assert len(scene.spawned) == 1
    assert scene.spawned[0][0] > 2.0
    assert len([line for line in scene.said if "no room" in line]) == 2


def test_an_order_that_makes_no_sense_is_passed_over() -> None:
    book = Book()
    for order in ("", "arm", "arm a", "struck x", "hold x", "disarm x", "nonsense a b c"):
        assert book.take(order) is False
    assert book.charges == {}
