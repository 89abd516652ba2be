"""Disturbances by an outside party: chaosd neither makes nor reads them."""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from daemon.lab.model import LabInfo
from daemon.lab.provision import Clients

FIRST_PUSH_S = 6.0
POLL_S = 0.2
HANG_S = 45  # of one hanging connection: longer than a message may take


@contextmanager
def _hook(remote: Path, text: str) -> Iterator[None]:
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    fresh = hook.with_suffix(".new")
    fresh.write_text(f"#!/bin/sh\n{text}\n")
    fresh.chmod(0o755)
    fresh.replace(hook)
    try:
        yield
    finally:
        hook.unlink(missing_ok=True)


def _push_refused(info: LabInfo, _: Clients) -> contextlib.AbstractContextManager[None]:
    return _hook(info.remote, "echo 'closed for maintenance' >&2; exit 1")


def _remote_hangs(info: LabInfo, _: Clients) -> contextlib.AbstractContextManager[None]:
    return _hook(info.remote, f"exec sleep {HANG_S}")


@contextmanager
def _bucket_gone(info: LabInfo, aws: Clients) -> Iterator[None]:
    """Take the bucket away, and bring it back with what was in it."""
    page = _page(info, aws)
    if page:
        aws.s3.delete_object(Bucket=info.bucket, Key=info.key)
    aws.s3.delete_bucket(Bucket=info.bucket)
    try:
        yield
    finally:
        aws.s3.create_bucket(Bucket=info.bucket, CreateBucketConfiguration={"LocationConstraint": info.region})
        if page:
            # Unless the worker was quicker: its page is newer.
            with contextlib.suppress(ClientError):
                aws.s3.put_object(Bucket=info.bucket, Key=info.key, IfNoneMatch="*", **page)


def _page(info: LabInfo, aws: Clients) -> dict[str, Any]:
    try:
        found = aws.s3.get_object(Bucket=info.bucket, Key=info.key)
    except ClientError:
        return {}
    with found["Body"] as stream:
        return {"Body": stream.read(), "ContentType": found["ContentType"], "Metadata": found["Metadata"]}


DISTURBANCES: Mapping[str, Callable[[LabInfo, Clients], contextlib.AbstractContextManager[None]]] = {
    "push-refused": _push_refused,
    "remote-hangs": _remote_hangs,
    "bucket-gone": _bucket_gone,
}


def tips(info: LabInfo) -> str:
    """Return the remote's branches with their commits."""
    command = ("git", "-C", str(info.remote), "for-each-ref")
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def await_work(info: LabInfo, before: str, after_s: float, over: threading.Event) -> bool:
    """Wait until the remote is not as ``before`` any more, and then ``after_s``; False when ``over`` is set first.

    A worker that pushes late must not put it off for good.
    """
    for _ in range(round(FIRST_PUSH_S / POLL_S)):
        if tips(info) != before:
            break
        if over.wait(POLL_S):
            return False
    return not over.wait(after_s)


@contextmanager
def disturbed(name: str, after_s: float, hold_s: float, info: LabInfo, aws: Clients) -> Iterator[None]:
    """Disturb the lab ``after_s`` after the first push for ``hold_s`` seconds, or until the block ends."""
    over = threading.Event()
    before = tips(info)

    def hold() -> None:
        if not await_work(info, before, after_s, over):
            return
        with DISTURBANCES[name](info, aws):
            over.wait(hold_s)

    holder = threading.Thread(target=hold, name=f"outside-{name}")
    holder.start()
    try:
        yield
    finally:
        over.set()
        holder.join()
