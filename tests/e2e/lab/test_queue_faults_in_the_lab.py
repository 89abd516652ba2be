"""What is delivered twice, or can never be handled, against a worker that is correct and one that is not."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from daemon.lab import lab
from daemon.lab.provision import clients
from tests.e2e.lab.conftest import Bench

pytestmark = pytest.mark.timeout(600)
Laboratory = Callable[[str | None], AbstractContextManager[Bench]]


@pytest.fixture
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """Give labs with a worker that has a defect, or none."""

    @contextmanager
    def up(defect: str | None) -> Iterator[Bench]:
        directory = tmp_path_factory.mktemp("lab")
        info = lab.up(directory / "lab", tasks=2, defect=defect, build_s=0.1)
        config = directory / "chaosd.yaml"
        config.write_text(info.config_yaml() + "sampling: {stable_for: 1s}\n")
        try:
            yield Bench(info=info, aws=clients(info.endpoint_url), directory=directory, config=config)
        finally:
            lab.down(info.directory)

    return up


def played(bench: Bench, fault: str, *more: str) -> dict[str, Any]:
    words = ("--scenario", "basic", "--scenario-set", "messages=6", "--for", "6s", *more)  # a later --for counts
    _, told = bench.answer("inject", fault, "--target", "editor", *words, timeout_s=280)
    assert told["injection"]["state"] in ("reverted", "superseded"), told
    assert told["undo"]["proved"], told
    return told


def broken(told: dict[str, Any]) -> set[str]:
    return {one["invariant"] for one in told["violations"]}


@pytest.mark.parametrize(("defect", "named"), [(None, set[str]()), ("not-idempotent", {"exactly-once"})])
def test_a_second_delivery_is_done_once_by_a_worker_that_looks_and_twice_by_one_that_does_not(
    laboratory: Laboratory, defect: str | None, named: set[str]
) -> None:
    with laboratory(defect) as bench:
        # The first delivery is done when the second comes: two at once, even a careless worker may tell apart.
        later = ("--mode", "later", "--set", "after=6s", "--set", "messages=2", "--strike", "0s")
        told = played(bench, "sqs-duplicate", *later, "--for", "25s")
    assert told["undo"]["proof"]["planned"] >= 1
    assert told["undo"]["proof"]["removed"] == {}, "every copy was taken by a worker"
    assert broken(told) & {"exactly-once", "no-lost-instruction", "right-branch"} == named, told["violations"]


def test_poison_is_set_aside_and_the_work_behind_it_is_done(laboratory: Laboratory) -> None:
    with laboratory(None) as bench:
        told = played(bench, "sqs-poison", "--mode", "wrong-type", "--set", "messages=3")
    assert broken(told) == set(), told["violations"]


def test_held_work_is_late_and_not_lost(laboratory: Laboratory) -> None:
    with laboratory(None) as bench:
        # More than two workers take at once, so that some wait in the queue.
        busy = ("--scenario-set", "messages=14", "--scenario-set", "gap=100ms", "--strike", "0s")
        told = played(bench, "sqs-hold", "--mode", "arriving", "--set", "gather=6s", *busy)
        assert told["undo"]["proof"]["given_back"] >= 1
        kept = list((bench.directory / "state" / "private").glob("custody-*"))
    assert broken(told) == set(), told["violations"]
    assert kept == []


@pytest.mark.torture
def test_what_a_scale_in_and_a_deployment_interrupt_is_done_all_the_same(laboratory: Laboratory) -> None:
    with laboratory(None) as bench:
        for fault in ("ecs-scale", "ecs-redeploy"):
            told = played(bench, fault)
            assert broken(told) == set(), told["violations"]


def test_no_receipt_handle_is_in_the_journal_or_on_a_screen(laboratory: Laboratory) -> None:
    with laboratory(None) as bench:
        queue = bench.aws.sqs.create_queue(QueueName="edit-quiet", tags={"chaosd:allow": "true"})["QueueUrl"]
        bench.aws.sqs.send_message(QueueUrl=queue, MessageBody="a private matter")
        text = bench.config.read_text().replace(bench.info.input_queue_url, queue)
        bench.config.write_text(text.replace("{editor: [tasks, backlog, repository]}", "{}"))
        process = bench.chaosd("inject", "sqs-hold", "--target", "editor", "--for", "2s")
        out, err = process.communicate(timeout=120)
        state = bench.directory / "state"
        found = subprocess.run(
            ("grep", "-r", "-l", "-a", "-e", 'handle"', "-e", "a private matter", str(state)),
            capture_output=True, text=True, check=False, env=dict(os.environ),
        )  # fmt: skip
    assert json.loads(out)["injection"]["state"] == "reverted", err
    assert found.stdout == "", "while it is held the file has it, afterwards nothing"
    assert "private matter" not in out + err
