"""Before the real emulator: what a worker does in its day, through the proxy."""

import hashlib
import os

import pytest

from tests.integration.proxy.conftest import Running, Start

MIB = 1 << 20


@pytest.fixture
def through(start: Start, endpoint: str) -> Running:
    return start(endpoint)


def test_a_workers_day(through: Running) -> None:
    sqs, s3 = through.client("sqs"), through.client("s3")
    url = sqs.create_queue(QueueName="proxied")["QueueUrl"]
    assert url.startswith(through.url)
    assert url in sqs.list_queues()["QueueUrls"]
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody="héllo \U0001f600",
        MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}},
    )
    (got,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=5)["Messages"]
    assert (got["Body"], got["MessageId"]) == ("héllo \U0001f600", sent["MessageId"])
    assert got["MD5OfBody"] == hashlib.md5(got["Body"].encode(), usedforsecurity=False).hexdigest()
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    batch = [{"Id": str(n), "MessageBody": f"{n}"} for n in range(10)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=batch)["Successful"]) == 10
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="no-such-queue")
    s3.create_bucket(Bucket="proxied", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    content = os.urandom(17 * MIB)
    s3.put_object(Bucket="proxied", Key="a b/c", Body=content)
    assert s3.get_object(Bucket="proxied", Key="a b/c")["Body"].read() == content
    assert s3.head_object(Bucket="proxied", Key="a b/c")["ContentLength"] == len(content)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="proxied")["Contents"]] == ["a b/c"]
    s3.delete_objects(Bucket="proxied", Delete={"Objects": [{"Key": "a b/c"}]})
    assert through.refused() == {}


def test_the_other_services(through: Running) -> None:
    logs, ecs, dynamodb = (through.client(name) for name in ("logs", "ecs", "dynamodb"))
    logs.create_log_group(logGroupName="/proxied")
    assert [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]] == ["/proxied"]
    ecs.create_cluster(clusterName="proxied")
    assert [c["clusterName"] for c in ecs.describe_clusters(clusters=["proxied"])["clusters"]] == ["proxied"]
    dynamodb.create_table(
        TableName="proxied",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    puts = [{"PutRequest": {"Item": {"id": {"S": str(n)}}}} for n in range(10)]
    through.rule("partial-batch", share=0.3)
    left = dynamodb.batch_write_item(RequestItems={"proxied": puts})["UnprocessedItems"]
    assert (len(left["proxied"]), dynamodb.scan(TableName="proxied")["Count"]) == (3, 7)
    through.drop()
    assert through.client("sts").get_caller_identity()["Account"]
    assert through.client("stepfunctions").list_state_machines()["stateMachines"] == []


def test_a_lost_reply_leaves_two_messages(through: Running) -> None:
    sqs = through.client("sqs", retries=3)
    url = sqs.create_queue(QueueName="lost")["QueueUrl"]
    through.rule("lost-reply", operations=("SendMessage",), resource="lost", each_try=True, most=1)
    sqs.send_message(QueueUrl=url, MessageBody="once, says the SDK")
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert told["Attributes"]["ApproximateNumberOfMessages"] == "2"
    hits = through.drop()
    assert hits is not None
    assert (hits.matched, hits.calls) == (2, 1)
