"""aws-lost-reply in the lab: AWS has done it, the worker is not told. What follows stands in the ledger."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core.course import Course
from tests.e2e.lab.behind import behind_a_proxy, injected, played
from tests.e2e.lab.conftest import Bench

SIX = ("basic", "--set", "messages=6", "--set", "gap=300ms", "--set", "settle=14s", "--set", "most=45s")
TRIES = 3  # of the lab's worker, for each call


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with behind_a_proxy(tmp_path_factory.mktemp("behind")) as bench:
        yield bench


def answers(course: Course) -> list[int]:
    """Return how often each message was answered, most often first."""
    counted = Counter(answer.token for answer in course.ledger.answers)
    return sorted((counted[one.token] for one in course.ledger.accepted()), reverse=True)


@pytest.mark.timeout(240)
def test_an_answer_whose_reply_is_lost_is_there_once_a_try_and_once_for_the_redelivery(
    behind: Bench,
) -> None:
    aim = {"service": "sqs", "operation": "SendMessage", "resource": "edit-responses", "most": "2"}
    with injected(behind, "aws-lost-reply", **aim) as struck:
        code, scenario, course = played(behind, *SIX, state="answers")
    assert (struck.hits.calls, struck.hits.tries) == (2, 2 * TRIES)
    # Two messages were answered in every try and not deleted: they came again, were found done, and answered.
    assert answers(course) == [TRIES + 1] * 2 + [1] * 4
    assert (code, scenario["violations"], scenario["unknown"]) == (0, [], [])


@pytest.mark.torture
@pytest.mark.timeout(240)
def test_a_deletion_whose_reply_is_lost_is_done_and_nothing_comes_again(behind: Bench) -> None:
    aim = {"service": "sqs", "operation": "DeleteMessage", "resource": "edit-input", "most": "2"}
    with injected(behind, "aws-lost-reply", **aim) as struck:
        code, scenario, course = played(behind, *SIX, state="deletions")
    assert (struck.hits.calls, struck.hits.tries) == (2, 2 * TRIES)
    assert answers(course) == [1] * 6
    assert (code, scenario["violations"], scenario["unknown"]) == (0, [], [])
    assert behind.counts(behind.info.dead_letter_queue_url) == (0, 0)


@pytest.mark.torture
@pytest.mark.timeout(240)
def test_an_upload_whose_reply_is_lost_is_made_again_and_shows_the_same(behind: Bench) -> None:
    aim = {"service": "s3", "operation": "PutObject", "resource": "edit-site/*", "most": "2"}
    with injected(behind, "aws-lost-reply", **aim) as struck:
        code, scenario, course = played(behind, *SIX, state="uploads")
    assert struck.hits.calls == 2
    assert struck.hits.tries == 2 * TRIES
    assert answers(course) == [1] * 6
    assert (code, scenario["violations"], scenario["unknown"]) == (0, [], [])


@pytest.mark.timeout(240)
def test_a_worker_that_does_its_work_twice_is_named_for_just_the_messages_that_came_again(tmp_path: Path) -> None:
    aim = {"service": "sqs", "operation": "SendMessage", "resource": "edit-responses", "most": "2"}
    with (
        # One task: of two that do it twice at the same time, one drops what the other has pushed.
        behind_a_proxy(tmp_path, defect="not-idempotent", tasks=1) as bench,
        injected(bench, "aws-lost-reply", **aim) as struck,
    ):
        code, scenario, course = played(bench, *SIX, state="twice")
    assert struck.hits.calls == 2
    counted = Counter(answer.token for answer in course.ledger.answers)
    again = {token for token, count in counted.items() if count > 1}
    named = {v["evidence"]["token"] for v in scenario["violations"] if v["invariant"] == "exactly-once"}
    assert (code, len(again)) == (1, 2)
    assert named == again
