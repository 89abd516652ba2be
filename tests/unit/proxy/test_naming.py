"""What a call is, from the request alone."""

import json

import pytest
from botocore.session import Session

from daemon.proxy import naming
from daemon.proxy.naming import Named, Scope, UnsignedError

TARGETS = {"sqs": "AmazonSQS", "ecs": "AmazonEC2ContainerServiceV20141113", "logs": "Logs_20140328"}


def named(service: str, operation: str, **body: object) -> Named:
    headers = {"X-Amz-Target": f"{TARGETS.get(service, 'X')}.{operation}"}
    return naming.name(service, "POST", "/", headers, json.dumps(body).encode())


def s3(method: str, target: str, **headers: str) -> tuple[str, str]:
    found = naming.name("s3", method, target, {k.replace("_", "-"): v for k, v in headers.items()}, None)
    return found.operation, found.resource


def test_a_signature_says_for_whom_it_is() -> None:
    text = "AWS4-HMAC-SHA256 Credential=AK/ID/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
    assert naming.scope(text) == Scope("sqs", "eu-west-1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Basic dXNlcjpwYXNz",
        "AWS AKID:signature",
        "AWS4-ECDSA-P256-SHA256 Credential=A/20260101/s3/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1.evil.example#/sqs/aws4_request, Signature=0",
        "AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/sqs",
    ],
)
def test_one_that_does_not_is_told(text: str) -> None:
    with pytest.raises(UnsignedError, match="no AWS Signature Version 4"):
        naming.scope(text)


@pytest.mark.parametrize(
    ("service", "operation", "body", "resource"),
    [
        ("sqs", "SendMessage", {"QueueUrl": "http://h/1/jobs"}, "jobs"),
        ("sqs", "GetQueueUrl", {"QueueName": "jobs.fifo"}, "jobs.fifo"),
        ("sqs", "ListQueues", {}, ""),
        ("ecs", "ListTasks", {"cluster": "arn:aws:ecs:r:1:cluster/edit"}, "edit"),
        ("ecs", "ListTasks", {}, "default"),
        ("logs", "PutLogEvents", {"logGroupName": "/ecs/edit"}, "/ecs/edit"),
        ("logs", "StartLiveTail", {"logGroupIdentifier": "arn:aws:logs:r:1:log-group:/ecs/edit:*"}, "/ecs/edit"),
        ("dynamodb", "PutItem", {"TableName": "arn:aws:dynamodb:r:1:table/t"}, "t"),
        ("dynamodb", "BatchWriteItem", {"RequestItems": {"t": []}}, "t"),
        ("states", "StartExecution", {"stateMachineArn": "arn:aws:states:r:1:stateMachine:m"}, "m"),
        ("states", "DescribeExecution", {"executionArn": "arn:aws:states:r:1:execution:m:e"}, "m"),
        ("sqs", "SendMessage", {"QueueUrl": 7}, ""),
    ],
)
def test_operation_and_resource(service: str, operation: str, body: dict[str, object], resource: str) -> None:
    found = named(service, operation, **body)
    assert (found.operation, found.resource, found.form) == (operation, resource, False)


@pytest.mark.parametrize("operation", ["", "x" * 65, "Drop Table", "<script>", "1"])
def test_what_is_no_operations_name_is_not_counted_as_one(operation: str) -> None:
    assert named("sqs", operation).operation == "other"


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b'{"QueueUrl": "\xff"}'])
def test_a_body_that_is_no_object_names_nothing(body: bytes) -> None:
    found = naming.name("sqs", "POST", "/", {"X-Amz-Target": "AmazonSQS.SendMessage"}, body)
    assert (found.operation, found.resource) == ("SendMessage", "")


def test_the_older_protocol() -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    found = naming.name("sqs", "POST", "/1/jobs", headers, b"Action=SendMessage&MessageBody=x")
    assert found == Named(operation="SendMessage", resource="jobs", form=True)


@pytest.mark.parametrize(
    ("method", "target", "operation", "resource"),
    [
        ("GET", "/", "ListBuckets", ""),
        ("GET", "/b", "ListObjects", "b"),
        ("GET", "/b?list-type=2&prefix=x", "ListObjectsV2", "b"),
        ("GET", "/b/?uploads", "ListMultipartUploads", "b"),
        ("GET", "/b?location", "GetBucketLocation", "b"),
        ("HEAD", "/b", "HeadBucket", "b"),
        ("PUT", "/b", "CreateBucket", "b"),
        ("DELETE", "/b", "DeleteBucket", "b"),
        ("POST", "/b?delete", "DeleteObjects", "b"),
        ("GET", "/b/a%20b/c", "GetObject", "b/a b/c"),
        ("HEAD", "/b/k", "HeadObject", "b/k"),
        ("PUT", "/b/k?x-id=PutObject", "PutObject", "b/k"),
        ("DELETE", "/b/k?versionId=1", "DeleteObject", "b/k"),
        ("GET", "/b/k?tagging", "GetObjectTagging", "b/k"),
        ("PUT", "/b/k?acl", "PutObjectAcl", "b/k"),
        ("PUT", "/b/k?legal-hold", "PutObjectLegalHold", "b/k"),
        ("POST", "/b/k?uploads", "CreateMultipartUpload", "b/k"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart", "b/k"),
        ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload", "b/k"),
        ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload", "b/k"),
        ("GET", "/b/k?uploadId=u", "ListParts", "b/k"),
    ],
)
def test_what_s3_is_asked_is_told_from_method_path_and_query(
    method: str, target: str, operation: str, resource: str
) -> None:
    assert s3(method, target) == (operation, resource)
    assert operation in Session().get_service_model("s3").operation_names


def test_copies_are_told_by_a_header() -> None:
    assert s3("PUT", "/b/k", X_Amz_Copy_Source="b/other")[0] == "CopyObject"
    assert s3("PUT", "/b/k?partNumber=1&uploadId=u", X_Amz_Copy_Source="b/other")[0] == "UploadPartCopy"
    assert s3("PATCH", "/b/k")[0] == "other"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("part", ["lifecycle", "lifecycle=", "notification", "publicAccessBlock", "of-tomorrow"])
def test_a_part_of_a_bucket_is_never_taken_for_the_bucket(method: str, part: str) -> None:
    assert s3(method, f"/b?{part}") == ("other", "b")
