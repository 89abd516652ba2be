"""What is delivered twice, or can never be handled, against a worker that is correct and one that is not."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab.conftest import Bench, laboratory

pytestmark = pytest.mark.timeout(600)
BUILD_S = 0.1
# More than two workers take at once, so that some wait in the queue: what nobody has left there cannot be received.
BUSY = ("--scenario-set", "messages=14", "--scenario-set", "gap=100ms", "--strike", "0s")
# The first delivery is done when the second comes: two at once, even a careless worker may tell apart.
LATER = ("--mode", "later", "--set", "after=6s", "--set", "messages=2", *BUSY, "--for", "25s")


@pytest.fixture(scope="module")
def correct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with laboratory(tmp_path_factory.mktemp("lab"), build_s=BUILD_S) as bench:
        yield bench


def unwatched(bench: Bench) -> Path:
    """Return a configuration without a steady state: what is steady again would end the fault early."""
    found = bench.directory / "unwatched.yaml"
    found.write_text(bench.config.read_text().replace("{editor: [tasks, backlog, repository]}", "{}"))
    return found


def played(bench: Bench, fault: str, *more: str) -> dict[str, Any]:
    words = ("--scenario", "basic", "--scenario-set", "messages=6", "--for", "6s", *more)  # a later --for counts
    _, told = bench.answer("inject", fault, "--target", "editor", *words, timeout_s=280)
    assert told["injection"]["state"] in ("reverted", "superseded"), told
    assert told["undo"]["proved"], told
    return told


def broken(told: dict[str, Any]) -> set[str]:
    return {one["invariant"] for one in told["violations"]}


def done_twice(told: dict[str, Any]) -> set[str]:
    assert told["undo"]["proof"]["planned"] >= 1
    assert told["undo"]["proof"]["removed"] == {}, "every copy was taken by a worker"
    return broken(told) & {"exactly-once", "no-lost-instruction", "right-branch"}


def test_a_second_delivery_is_done_twice_by_a_worker_that_does_not_look(tmp_path: Path) -> None:
    with laboratory(tmp_path, defect="not-idempotent", build_s=BUILD_S) as bench:
        told = played(replace(bench, config=unwatched(bench)), "sqs-duplicate", *LATER)
    assert done_twice(told) == {"exactly-once"}, told["violations"]


@pytest.mark.torture
def test_a_second_delivery_is_done_once_by_a_worker_that_looks(correct: Bench) -> None:
    told = played(replace(correct, config=unwatched(correct)), "sqs-duplicate", *LATER)
    assert done_twice(told) == set(), told["violations"]


@pytest.mark.torture
def test_poison_is_set_aside_and_the_work_behind_it_is_done(correct: Bench) -> None:
    told = played(correct, "sqs-poison", "--mode", "wrong-type", "--set", "messages=3")
    assert broken(told) == set(), told["violations"]


def test_held_work_is_late_and_not_lost(correct: Bench) -> None:
    told = played(correct, "sqs-hold", "--mode", "arriving", "--set", "gather=6s", *BUSY)
    assert told["undo"]["proof"]["given_back"] >= 1
    assert list((correct.directory / "state" / "private").glob("custody-*")) == []
    assert broken(told) == set(), told["violations"]


@pytest.mark.torture
@pytest.mark.parametrize("fault", ["ecs-scale", "ecs-redeploy"])
def test_what_a_scale_in_or_a_deployment_interrupts_is_done_all_the_same(correct: Bench, fault: str) -> None:
    told = played(correct, fault)
    assert broken(told) == set(), told["violations"]


def test_no_receipt_handle_is_in_the_journal_or_on_a_screen(correct: Bench) -> None:
    queue = correct.aws.sqs.create_queue(QueueName="edit-quiet", tags={"chaosd:allow": "true"})["QueueUrl"]
    correct.aws.sqs.send_message(QueueUrl=queue, MessageBody="a private matter")
    quiet = unwatched(correct)
    quiet.write_text(quiet.read_text().replace(correct.info.input_queue_url, queue))
    bench = replace(correct, config=quiet)
    process = bench.chaosd("inject", "sqs-hold", "--target", "editor", "--for", "2s", state="quiet")
    out, err = process.communicate(timeout=120)
    found = subprocess.run(
        ("grep", "-r", "-l", "-a", "-e", 'handle"', "-e", "a private matter", str(bench.directory / "quiet")),
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert json.loads(out)["injection"]["state"] == "reverted", err
    assert found.stdout == "", "while it is held the file has it, afterwards nothing"
    assert "private matter" not in out + err
