"""A worker that is not ours: nothing of chaosd is imported here, and every habit is different.

Branches are called ``edits/<chatThreadId>`` and start at ``trunk``; each message becomes one JSON line in
``pages/<chatThreadId>/log.jsonl``; commit messages are numbered and do not repeat the instruction; answers say
``{"ref": ..., "result": "done"}``; the site is one text object whose metadata name the commit as ``git-sha``.

    python worker.py QUEUE RESPONSES REMOTE CLONE BUCKET [--careless]

``--careless`` throws every third message away and says that it is done. Ends at SIGTERM.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

import boto3

TRUNK = "trunk"


def git(clone: str, *arguments: str) -> str:
    who = ("-c", "user.name=foreign", "-c", "user.email=foreign@localhost")
    done = subprocess.run(
        ("git", "-C", clone, *who, *arguments), capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


def carry_out(job: dict[str, str], clone: str) -> tuple[str, str]:
    """Edit, commit and push; return the commit and the page. A message that comes again changes nothing."""
    branch, page = f"edits/{job['chatThreadId']}", Path(clone) / "pages" / job["chatThreadId"] / "log.jsonl"
    git(clone, "fetch", "--quiet", "origin")
    known = git(clone, "branch", "--remotes", "--list", f"origin/{branch}")
    git(clone, "switch", "--quiet", "--force-create", branch, f"origin/{branch if known else TRUNK}")
    text = page.read_text() if page.exists() else ""
    entry = json.dumps(
        {"ref": job["commandId"], "by": job["userId"], "text": job["instruction"]}, ensure_ascii=False
    )
    if entry not in text.splitlines():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"{text}{entry}\n")
        git(clone, "add", "pages")
        git(
            clone,
            "commit",
            "--quiet",
            "--message",
            f"Edit no. {text.count(chr(10)) + 1}\n\nRequested-by: {job['userId']}",
        )
        git(clone, "push", "--quiet", "origin", f"{branch}:{branch}")
    return git(clone, "rev-parse", "HEAD"), page.read_text()


def main(queue: str, responses: str, remote: str, clone: str, bucket: str, *flags: str) -> None:
    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    over: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        over.append(number)

    signal.signal(signal.SIGTERM, end)
    if not Path(clone).exists():
        subprocess.run(("git", "clone", "--quiet", remote, clone), check=True, timeout=30)
    handled = 0
    while not over:
        taken = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1, WaitTimeSeconds=1).get("Messages", ())
        for message in taken:
            handled += 1
            job = json.loads(message["Body"])
            if not ("--careless" in flags and handled % 3 == 0):
                commit, page = carry_out(job, clone)
                s3.put_object(Bucket=bucket, Key="live.txt", Body=page.encode(), Metadata={"git-sha": commit})
            answer = json.dumps({"ref": job["commandId"], "result": "done"})
            sqs.send_message(QueueUrl=responses, MessageBody=answer)
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


if __name__ == "__main__":
    main(*sys.argv[1:])
