"""S3 through boto3."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from daemon.core.cloud import StoredObject
from daemon.ports.aws.translate import calling

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Without s3:ListBucket a missing key is answered 403, and would look like a missing permission.
ACTION = "s3:GetObject (and s3:ListBucket on the bucket)"
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


class S3Port:
    """Implements ``seams.S3``. A missing object is None, a missing bucket raises TargetAbsentError."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def head(self, bucket: str, key: str) -> StoredObject | None:
        with calling(ACTION, f"s3://{bucket}/{key} was not looked at"):
            try:
                answer = self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if _code(error) not in _ABSENT:
                    raise
                # HEAD has no error body: a missing key and a missing bucket look the same.
                self._client.head_bucket(Bucket=bucket)
                return None
        return StoredObject(
            etag=answer["ETag"],
            modified_s=answer["LastModified"].timestamp(),
            size=answer["ContentLength"],
            metadata={name.lower(): value for name, value in answer.get("Metadata", {}).items()},
        )

    def get(self, bucket: str, key: str) -> bytes | None:
        with calling(ACTION, f"s3://{bucket}/{key} was not read"):
            try:
                return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
            except ClientError as error:
                if _code(error) not in _ABSENT:
                    raise
                return None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
