"""Two injections on one lever: told from their victims, whatever the faults are; what merges may overlap."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import guard, overlap

SERVICE = {"cluster": "c", "service": "s"}
ARNS = {"cluster": "arn:aws:ecs:eu-west-1:1:cluster/c", "service": "arn:aws:ecs:eu-west-1:1:service/c/s"}
THROTTLED = {"pids": [7], "command": "worker", "device": "8:0"}
FILLED = {"path": "/srv", "device": 77, "kind": "ext4"}
TAKEN = {"queue": "http://h/1/q", "messages": 3, "visible": 9}
RULE = {"proxy": "127.0.0.1:1", "service": "sqs", "operation": "*"}

SAME = {
    "one service, scaled and replaced": ({**SERVICE, "desired": 4, "count": 2}, {**SERVICE, "tasks": ["t"]}),
    "one service, by name and by ARN": (SERVICE, ARNS),
    "one instance under two services": (
        {**SERVICE, "instances": ["i-1", "i-2"]},
        {"cluster": "c", "service": "other", "instances": ("i-2",)},
    ),
    "a process among others": ({"pids": [7, 8], "command": "a"}, {"pids": (8, 9), "command": "b"}),
    "a process and the group it is in": ({"pids": [7], "command": "a", "members": [8, 9]}, {"pids": [9]}),
    "two groups with a process in common": ({"pids": [7], "members": [9]}, {"pids": [8], "members": (9,)}),
    "one throttled disk of one process": (THROTTLED, THROTTLED),
    "two directories of one disk": (FILLED, {**FILLED, "path": "/srv/other"}),
    "one file that two processes read": ({"pids": [7], "file": "/f"}, {"pids": [8], "file": "/f"}),
    "messages taken from one queue": (TAKEN, {**TAKEN, "groups": 1, "visible": 0}),
}
OTHER = {
    "two services": (SERVICE, {**SERVICE, "service": "t"}),
    "two clusters": (SERVICE, {**SERVICE, "cluster": "d"}),
    "two processes": ({"pids": [7]}, {"pids": [77]}),
    "a throttle and the same process": (THROTTLED, {"pids": [7], "command": "worker"}),
    "a throttle on another disk": (THROTTLED, {**THROTTLED, "device": "8:16"}),
    "a full disk and a throttle": (FILLED, {**THROTTLED, "device": "77"}),
    "two disks": (FILLED, {**FILLED, "device": 78}),
    "two files": ({"pids": [7], "file": "/f"}, {"pids": [8], "file": "/g"}),
    "one clone": ({"repository": "/r", "path": ".git/HEAD", "file": "f"},) * 2,
    "messages sent to one queue": ({"queue": "http://h/1/q", "messages": 3},) * 2,
    "messages sent to a queue that others are taken from": ({"queue": "http://h/1/q", "messages": 3}, TAKEN),
    "two queues": (TAKEN, {**TAKEN, "queue": "http://h/1/r"}),
    "rules of the fault proxy": (RULE, RULE),
    "what names nothing": ({}, {}),
}


@pytest.mark.parametrize("case", SAME)
def test_one_lever_is_held_by_one_injection(case: str) -> None:
    one, other = SAME[case]
    assert overlap.first(one, {"inj-0": {}, "inj-1": other}) == "inj-1"
    assert overlap.first(other, {"inj-1": one}) == "inj-1"


@pytest.mark.parametrize("case", OTHER)
def test_two_levers_and_what_merges_may_overlap(case: str) -> None:
    one, other = OTHER[case]
    assert overlap.first(one, {"inj-1": other}) is None
    assert overlap.first(other, {"inj-1": one}) is None


victims = st.fixed_dictionaries(
    {},
    optional={
        "cluster": st.just("c"),
        "service": st.sampled_from("ab"),
        "instances": st.lists(st.sampled_from(["i", "j"])),
        "pids": st.lists(st.integers(1, 4), max_size=3),
        "members": st.lists(st.integers(1, 4), max_size=2),
        "device": st.sampled_from(["8:0", 8]),
        "file": st.sampled_from("fg"),
        "repository": st.just("/r"),
    },
)


@given(victims, victims)
def test_it_does_not_matter_which_one_is_first_and_none_is_beside_itself(one: Any, other: Any) -> None:
    assert (overlap.first(one, {"x": other}) is None) == (overlap.first(other, {"x": one}) is None)
    assert (overlap.first(one, {"x": one}) is None) == (not list(overlap.levers(one)))


def test_every_reason_of_a_refusal_has_one_name() -> None:
    names = list(guard.names())
    assert len(names) == len(set(names))
    assert "overlap" in names  # also an occurrence that is skipped, and what excludes each other at the ECS agent
