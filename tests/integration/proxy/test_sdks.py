"""boto3 and a Node worker with the AWS SDK v3 behind the real proxy: what each made of each fault.

The expected cells are the table in docs/aws-faults.md (``tests/unit/faults/test_aws_document.py``).
"""

import threading
from collections.abc import Iterator
from random import Random

import pytest

from daemon.core.model import Order, Outcome
from daemon.core.target import Routes, Target
from faults.aws.cuts import AwsTruncate
from faults.aws.waits import AwsHang
from tests.fakes import Switch
from tests.integration.proxy.sdk_cases import PLAYS, SDKS, Case, measure
from tests.integration.proxy.sdk_table import CASES
from tests.integration.proxy.sdks import BUCKET, Bench, Seen, bench

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("sdks")) as found:
        yield found


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_sdk_sees_what_the_table_says(behind: Bench, case: Case, sdk: str) -> None:
    measured = measure(behind, case, sdk)
    expected = case.sees[SDKS.index(sdk)]
    assert str(measured.cell) == str(expected)
    assert measured.reversion.outcome is Outcome.RESTORED
    assert measured.reversion.proof["hit"], measured.reversion.detail
    if PLAYS[case.call].calls == 1 and not case.settings.get("each_try"):
        # The proxy saw the tries the SDK says it made, and took all of them for one call.
        assert (measured.reversion.proof["hit"], measured.reversion.proof["tries"]) == (1, expected.tries)


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("call", PLAYS)
def test_without_a_fault_nobody_notices_the_proxy(behind: Bench, call: str, sdk: str) -> None:
    play = PLAYS[call]
    queue = behind.queue(*play.before)
    seen, _ = play.run(behind, queue, behind.askers[sdk])
    assert (seen.error, seen.tries) == ("", 1)


def test_the_node_worker_does_its_whole_turn_behind_the_proxy(behind: Bench) -> None:
    queue, answers = behind.queue("hello"), behind.queue()
    wanted = {"queue": behind.behind(queue), "answers": behind.behind(answers), "bucket": BUCKET}
    seen = behind.patient_node.ask("", "Work", wanted)
    assert (seen.error, seen.tries) == ("", 4)
    assert (behind.held(queue), behind.held(answers)) == (0, 1)
    page = behind.s3.get_object(Bucket=BUCKET, Key="index.html")["Body"].read()
    assert page == b"<p>hello</p>"


def test_a_node_worker_without_a_limit_hangs_until_the_fault_ends_and_then_goes_on(
    behind: Bench,
) -> None:
    queue = behind.queue()
    order = Order(
        injection=f"i-{queue}", target=Target(name="w", proxy=Routes(aws=True)), dice=Random(1), lasts_s=60.0
    )
    undo = AwsHang(service="sqs", resource=queue).prepare(order, behind.world)
    AwsHang.inject(undo, behind.world, Switch())
    seen: list[Seen] = []
    wanted = {"QueueUrl": behind.behind(queue), "MessageBody": "m"}
    call = threading.Thread(target=lambda: seen.append(behind.patient_node.ask("sqs", "SendMessage", wanted)))
    call.start()
    call.join(3.0)
    assert call.is_alive(), "it gave up by itself"
    AwsHang.revert(undo, behind.world)
    call.join(PATIENCE_S)
    assert [(one.error, one.tries) for one in seen] == [("", 2)]
    assert behind.held(queue) == 1


def test_half_an_object_is_never_taken_for_a_whole_one(behind: Bench) -> None:
    """The share is of the body's bytes: the reader must get an error, whatever the share."""
    for number, share in enumerate((0.0, 0.99)):
        key = behind.queue()
        behind.s3.put_object(Bucket=BUCKET, Key=key, Body=b"y" * 10_000)
        target = Target(name="w", proxy=Routes(aws=True))
        order = Order(injection=f"i-{key}", target=target, dice=Random(number), lasts_s=60.0)
        undo = AwsTruncate(service="s3", resource=f"{BUCKET}/{key}", share=share).prepare(order, behind.world)
        AwsTruncate.inject(undo, behind.world, Switch())
        try:
            seen = [ask("s3", "GetObject", {"Bucket": BUCKET, "Key": key}) for ask in behind.askers.values()]
        finally:
            AwsTruncate.revert(undo, behind.world)
        assert all(one.error for one in seen), share
