"""Each effect, as a client on the wire sees it, and what the upstream was asked."""

import hashlib
import json
import socket
import time  # noqa: TID251 - how long a real call takes is what is measured
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from daemon.core.proxying import Hits
from tests.integration.proxy.conftest import ACCOUNT, REGION, Running
from tests.sigv4 import Reply, Seen, Upstream
from tests.waiting import wait_for

THROTTLED = {"sqs": [403, "RequestThrottled", "slow down"], "s3": [503, "SlowDown", "slow <down>"]}


def message(number: int, **more: str) -> dict[str, Any]:
    body = f"body {number}"
    made = {"MessageId": f"m{number}", "ReceiptHandle": f"r{number}", "Body": body}
    made["MD5OfBody"] = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    return made | more


@contextmanager
def wired(proxy: Running, service: str, target: str, body: str, path: str = "/") -> Iterator[socket.socket]:
    """Send one request by hand and hand out the connection."""
    at = urlsplit(proxy.url)
    with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        head += f"X-Amz-Target: X.{target}\r\n"
        head += f"Authorization: AWS4-HMAC-SHA256 Credential=d/20260101/{REGION}/{service}/aws4_request, "
        connection.sendall(f"{head}SignedHeaders=host, Signature=00\r\n\r\n{body}".encode())
        yield connection


# --- error -----------------------------------------------------------------------------------------------


def test_an_error_in_the_services_own_words(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("error", answers=THROTTLED)
    with pytest.raises(ClientError) as told:
        proxy.client("sqs").send_message(QueueUrl=proxy.queue(), MessageBody="x")
    assert told.value.response["Error"] == {
        "Code": "RequestThrottled",
        "Message": "slow down",
        "QueryErrorCode": "RequestThrottled",
        "Type": "Sender",
    }
    answered = told.value.response["ResponseMetadata"]
    assert (answered["HTTPStatusCode"], len(answered["RequestId"])) == (403, 36)
    with pytest.raises(ClientError) as told:
        proxy.client("s3").put_object(Bucket="b", Key="k", Body=b"x")
    assert told.value.response["Error"]["Code"] == "SlowDown"
    assert told.value.response["Error"]["Message"] == "slow <down>"
    assert upstream.seen == []
    assert proxy.drop() == Hits(matched=2, calls=2, tries=2)
    assert proxy.port.word()["struck"]["aws-error"] >= 2


def test_a_service_without_an_answer_is_spared(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("error", answers=THROTTLED)
    proxy.client("ecs").list_clusters()
    assert upstream.operations() == ["ListClusters"]
    assert proxy.drop() == Hits()


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("ecs", "list_clusters", "Odd"),
        ("logs", "describe_log_groups", "Odd"),
        ("dynamodb", "list_tables", "Odd"),
        ("stepfunctions", "list_state_machines", "Odd"),
        ("sts", "get_caller_identity", "Odd"),
        ("sqs", "list_queues", "Odd"),
        ("s3", "list_buckets", "Odd"),
    ],
)
def test_an_error_for_all(proxy: Running, service: str, call: str, code: str) -> None:
    proxy.rule("error", answers={"*": [500, code, "no reason"]})
    with pytest.raises(ClientError, match=rf"\({code}\).*no reason"):
        getattr(proxy.client(service), call)()


def test_the_old_code_of_sqs_goes_along(proxy: Running) -> None:
    proxy.rule("error", answers={"sqs": [400, "QueueDoesNotExist", "gone"]})
    sqs = proxy.client("sqs")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as told:
        sqs.get_queue_url(QueueName="x")
    assert told.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_an_error_without_a_body_and_one_on_head(proxy: Running) -> None:
    proxy.rule("error", answers={"*": [503, "X", "x"]}, empty=True)
    with pytest.raises(ClientError, match="503"):
        proxy.client("sqs").list_queues()
    proxy.drop()
    proxy.rule("error", answers={"*": [404, "X", "x"]})
    with pytest.raises(ClientError, match="404"):
        proxy.client("s3").head_object(Bucket="b", Key="k")


def test_an_error_in_the_old_protocol(proxy: Running) -> None:
    proxy.rule("error", answers={"sqs": [400, "QueueDoesNotExist", "gone & lost"]})
    at = urlsplit(proxy.url)
    body = "Action=GetQueueUrl&QueueName=x"
    with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
        head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        head += "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: AWS4-HMAC-SHA256 Credential="
        head += f"d/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host, Signature=00\r\n\r\n{body}"
        connection.sendall(head.encode())
        found = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"<Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>gone &amp; lost</Message>" in found


def test_only_what_matches_and_all_tries_of_a_call_together(proxy: Running, upstream: Upstream) -> None:
    rule = {"service": "sqs", "operations": ("Send*",), "resource": "jobs", "answers": {"sqs": [500, "X", "x"]}}
    proxy.rule("error", **rule)
    sqs = proxy.client("sqs", retries=3)
    with pytest.raises(ClientError, match="reached max retries"):
        sqs.send_message(QueueUrl=proxy.queue(), MessageBody="x")
    sqs.send_message(QueueUrl=proxy.queue("other"), MessageBody="x")
    sqs.receive_message(QueueUrl=proxy.queue())
    assert upstream.operations() == ["SendMessage", "ReceiveMessage"]
    assert proxy.drop() == Hits(matched=1, calls=1, tries=3)


# --- time ------------------------------------------------------------------------------------------------


def test_latency_waits_and_then_signs(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("latency", distribution="constant", mean_s=1.5)
    began_s = time.monotonic()
    proxy.client("sqs").list_queues()
    assert 1.5 <= time.monotonic() - began_s < 15
    stamp = upstream.seen[0].headers["x-amz-date"]
    made_s = time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - time.timezone
    assert abs(time.time() - made_s) < 1.5 + 10
    assert upstream.refused == []


def test_latency_of_the_reply(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("latency", distribution="constant", mean_s=60, where="reply")
    with wired(proxy, "sqs", "ListQueues", "{}") as connection:
        wait_for("the request upstream", lambda: upstream.operations() == ["ListQueues"])
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        proxy.drop()  # and lets go of what it held up
        connection.settimeout(20)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_hang_until_the_rule_is_gone(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("hang")
    with wired(proxy, "sqs", "ListQueues", "{}") as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        proxy.drop()
        connection.settimeout(20)
        assert connection.recv(1) == b""
    assert upstream.seen == []


def test_hang_until_the_rules_time_is_over(proxy: Running) -> None:
    rule = proxy.rule("hang", seconds=1.0)
    with wired(proxy, "sqs", "ListQueues", "{}") as connection:
        assert connection.recv(1) == b""
    assert proxy.port.rule(rule.injection) is None
    assert proxy.drop() == Hits(matched=1, calls=1, tries=1)


# --- the connection --------------------------------------------------------------------------------------


def test_reset_without_asking(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("reset")
    with wired(proxy, "sqs", "ListQueues", "{}") as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    with pytest.raises(ConnectionClosedError):
        proxy.client("sqs").list_queues()
    with pytest.raises(ConnectionClosedError):
        proxy.client("s3").put_object(Bucket="b", Key="k", Body=b"x" * 1_000_000)
    assert upstream.seen == []


def test_lost_reply_was_executed(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("lost-reply", most=1)
    upstream.answer = lambda _: Reply(body=b'{"MessageId": "m"}')
    sqs = proxy.client("sqs", retries=3)
    with pytest.raises(ConnectionClosedError):  # one call has one fate: all its tries are lost
        sqs.send_message(QueueUrl=proxy.queue(), MessageBody="three times")
    sqs.send_message(QueueUrl=proxy.queue(), MessageBody="once")
    assert [seen.json["MessageBody"] for seen in upstream.seen] == ["three times"] * 3 + ["once"]
    assert proxy.drop() == Hits(matched=2, calls=1, tries=3)


def test_lost_reply_of_one_try_is_a_duplicate(proxy: Running, upstream: Upstream) -> None:
    """What teams see: the SDK tries again what was done already, and reports success."""
    proxy.rule("lost-reply", most=1, each_try=True)
    proxy.client("sqs", retries=3).send_message(QueueUrl=proxy.queue(), MessageBody="twice")
    assert [seen.json["MessageBody"] for seen in upstream.seen] == ["twice", "twice"]


@pytest.mark.parametrize("effect", ["lost-reply", "truncate"])
def test_what_aws_answers_after_the_undo_is_passed_on(proxy: Running, upstream: Upstream, effect: str) -> None:
    """A long poll that was struck while the rule stood."""
    proxy.rule(effect)
    found: list[Hits | None] = []

    def late(_: Seen) -> Reply:
        found.append(proxy.drop())
        return Reply(body=b'{"Messages": [{"MessageId": "m", "Body": "b", "ReceiptHandle": "r"}]}')

    upstream.answer = late
    (message,) = proxy.client("sqs").receive_message(QueueUrl=proxy.queue())["Messages"]
    assert message["Body"] == "b"
    assert found == [Hits(matched=1, calls=0, tries=0)]


def test_truncate_leaves_alone_what_has_no_body_and_does_not_count_it(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("truncate")
    upstream.answer = lambda seen: Reply(status=204 if seen.method == "DELETE" else 200, body=b"")
    s3 = proxy.client("s3")
    s3.put_object(Bucket="b", Key="k", Body=b"x")
    s3.delete_object(Bucket="b", Key="k")
    assert proxy.drop() == Hits(matched=2, calls=0, tries=0)


def test_truncate_sends_a_share_and_closes(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("truncate", share=0.25)
    upstream.answer = lambda _: Reply(body=b"z" * 400_000)
    with wired(proxy, "s3", "", "", "/b/k") as connection:
        found = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = found.partition(b"\r\n\r\n")
    assert b"content-length: 400000" in head.lower()
    assert body == b"z" * 100_000
    assert len(upstream.seen) == 1


def test_truncate_where_the_length_is_unknown(proxy: Running, upstream: Upstream) -> None:
    """The share is that of the whole, in however many pieces it comes."""
    proxy.rule("truncate", share=0.75)
    pieces = b"".join(b"4\r\n%b\r\n" % piece for piece in (b"0123", b"4567"))
    upstream.answer = lambda _: Reply(body=pieces + b"0\r\n\r\n", headers={"Transfer-Encoding": "chunked"})
    with wired(proxy, "s3", "", "", "/b/k") as connection:
        found = b"".join(iter(lambda: connection.recv(65536), b""))
    assert found.partition(b"\r\n\r\n")[2] == b"6\r\n012345\r\n"


# --- SQS and DynamoDB ------------------------------------------------------------------------------------


def entries(seen: Seen) -> list[str]:
    return [entry["Id"] for entry in seen.json["Entries"]]


def test_partial_batch_of_sqs(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("partial-batch", share=0.4, code="InternalError", message="half", sender_fault=True)
    upstream.answer = lambda seen: Reply(
        body=json.dumps(
            {"Successful": [{"Id": i} for i in entries(seen)]} if "Entries" in seen.json else {}
        ).encode()
    )
    wanted = [{"Id": str(n), "MessageBody": "x"} for n in range(10)]
    answer = proxy.client("sqs").send_message_batch(QueueUrl=proxy.queue(), Entries=wanted)
    failed = answer["Failed"]
    assert len(failed) == 4
    assert {(f["Code"], f["Message"], f["SenderFault"]) for f in failed} == {("InternalError", "half", True)}
    assert entries(upstream.seen[0]) == [one["Id"] for one in answer["Successful"]]
    assert {*entries(upstream.seen[0]), *(f["Id"] for f in failed)} == {str(n) for n in range(10)}
    assert upstream.seen[0].json["QueueUrl"] == f"{upstream.url}/{ACCOUNT}/jobs"
    proxy.client("sqs").send_message(QueueUrl=proxy.queue(), MessageBody="no batch")
    assert proxy.drop() == Hits(matched=1, calls=1, tries=1)


def test_all_of_a_batch_fails_without_asking(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("partial-batch", share=1.0, code="X", message="", sender_fault=False)
    sqs, one = proxy.client("sqs"), [{"Id": "a", "ReceiptHandle": "r"}]
    answer = sqs.delete_message_batch(QueueUrl=proxy.queue(), Entries=one)
    assert (answer["Successful"], [f["Id"] for f in answer["Failed"]]) == ([], ["a"])
    assert upstream.seen == []


def test_partial_batch_of_dynamodb_with_a_good_check_sum(proxy: Running, upstream: Upstream) -> None:
    def answer(_: Seen) -> Reply:
        body = b'{"UnprocessedItems": {}}'
        return Reply(body=body, headers={"x-amz-crc32": str(zlib.crc32(body))})

    upstream.answer = answer
    proxy.rule("partial-batch", share=0.5)
    puts = [{"PutRequest": {"Item": {"id": {"S": str(n)}}}} for n in range(4)]
    found = proxy.client("dynamodb").batch_write_item(RequestItems={"one": puts[:3], "two": puts[3:]})
    left = found["UnprocessedItems"]
    sent = upstream.seen[0].json["RequestItems"]
    assert sum(map(len, left.values())) == sum(map(len, sent.values())) == 2
    assert all(p in left.get("one", []) + left.get("two", []) + [q for t in sent.values() for q in t] for p in puts)


def receiving(*batches: list[dict[str, Any]]) -> Any:
    waiting = list(batches)

    def answer(seen: Seen) -> Reply:
        given = waiting.pop(0) if waiting and seen.operation == "ReceiveMessage" else []
        return Reply(body=json.dumps({"Messages": given} if given else {}).encode())

    return answer


def test_a_message_is_delivered_again_although_it_was_deleted(proxy: Running, upstream: Upstream) -> None:
    upstream.answer = receiving([message(1, Attributes={"ApproximateReceiveCount": "1"})])  # type: ignore[arg-type]
    rule = proxy.rule("duplicate-delivery", copies=2, after_calls=1)
    sqs = proxy.client("sqs")
    (first,) = sqs.receive_message(QueueUrl=proxy.queue(), MessageSystemAttributeNames=["All"])["Messages"]
    sqs.delete_message(QueueUrl=proxy.queue(), ReceiptHandle=first["ReceiptHandle"])
    assert "Messages" not in sqs.receive_message(QueueUrl=proxy.queue("other"))
    again = [sqs.receive_message(QueueUrl=proxy.queue()).get("Messages", []) for _ in range(3)]
    assert [len(found) for found in again] == [1, 1, 0]
    for number, (found,) in enumerate(again[:2], 2):
        assert found["Attributes"]["ApproximateReceiveCount"] == str(number)
        assert {k: found[k] for k in ("MessageId", "Body", "ReceiptHandle", "MD5OfBody")} == {
            k: first[k] for k in ("MessageId", "Body", "ReceiptHandle", "MD5OfBody")
        }
    assert proxy.port.facts().rules[rule.injection].calls == 2


def test_a_delivery_again_comes_beside_new_messages(proxy: Running, upstream: Upstream) -> None:
    upstream.answer = receiving([message(1), message(2)], [message(3)], [message(4)])
    proxy.rule("duplicate-delivery", copies=1, after_calls=2, most=1)
    sqs = proxy.client("sqs")
    found = [
        [m["MessageId"] for m in sqs.receive_message(QueueUrl=proxy.queue(), MaxNumberOfMessages=10)["Messages"]]
        for _ in range(3)
    ]
    assert found == [["m1", "m2"], ["m3"], ["m4", "m1"]]
    asked = [seen.json for seen in upstream.seen]
    assert [(a["MaxNumberOfMessages"], a.get("WaitTimeSeconds")) for a in asked] == [(10, None), (10, None), (9, 0)]


def test_the_visibility_timeout_is_shortened(proxy: Running, upstream: Upstream) -> None:
    proxy.rule("visibility-expired", visibility_s=2)
    sqs, url = proxy.client("sqs"), proxy.queue()
    sqs.receive_message(QueueUrl=url)
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle="r", VisibilityTimeout=600)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle="r", VisibilityTimeout=0)
    batch = [{"Id": str(n), "ReceiptHandle": "r", "VisibilityTimeout": n} for n in (1, 30)]
    sqs.change_message_visibility_batch(QueueUrl=url, Entries=batch)
    sqs.delete_message(QueueUrl=url, ReceiptHandle="r")
    assert [seen.json.get("VisibilityTimeout") for seen in upstream.seen] == [2, 2, 2, 0, None, None]
    assert [e["VisibilityTimeout"] for e in upstream.seen[4].json["Entries"]] == [1, 2]
    assert proxy.drop() == Hits(matched=5, calls=5, tries=5)


# --- rules -----------------------------------------------------------------------------------------------


def test_an_effect_that_is_not_known_does_nothing(proxy: Running) -> None:
    proxy.rule("no-such-effect")
    proxy.client("sqs").list_queues()
    assert proxy.drop() == Hits()
