"""Look at every piece of evidence once more, with plain git and the AWS SDK: is what chaosd says really so?

Nothing of chaosd's is used. What only time has shown (a slow message, an answer that was read, messages that chaosd
has swept from the queue since) cannot be looked at again and is left out, by name. The worker goes on: what it has
published since must be in the clone as it was said, and need not be unpublished still.
"""

import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from daemon.lab.model import LabInfo
from daemon.lab.provision import Clients

Said = Mapping[str, Any]
MARKERS = ("<<<<<<< ", "=======", ">>>>>>> ")
#: Of the past, or of what chaosd has taken from a queue.
NOT_AGAIN = frozenset({"slow-message", "slow-switch", "dishonest", "left"})


def doubts(document: Mapping[str, Any], info: LabInfo, aws: Clients) -> tuple[str, ...]:
    """Return what is said in the document of a scenario run and does not prove true."""
    found = []
    for scenario in document.get("scenarios", ()):
        for violation in scenario["violations"]:
            said = violation["evidence"]
            if said["what"] not in NOT_AGAIN and not _look(said, info, aws):
                found.append(f"{violation['invariant']}: {said}")
    return tuple(found)


def _look(said: Said, info: LabInfo, aws: Clients) -> bool:
    look = LOOKS.get(said["what"])
    if look is not None:
        return look(said, info, aws)
    return _in_clone(said)


def _git(repository: str | Path, *words: str) -> str:
    command = ("git", "-C", str(repository), *words)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout


def _carrying(repository: str | Path, token: str, *revisions: str) -> list[str]:
    """Return the commits whose message names the token, and the lines of the revisions' files that do."""
    commits = _git(repository, "log", "--format=%H", "--fixed-strings", f"--grep={token}", *revisions).split()
    tips = _git(repository, "rev-parse", *revisions).split()
    lines = [row for tip in tips for row in _git(repository, "grep", "-F", token, tip).splitlines()]
    return max(commits, lines, key=len)


def _on_no_branch(said: Said, info: LabInfo, _: Clients) -> bool:
    return not _carrying(info.remote, said["token"], "--branches")


def _more_than_once(said: Said, info: LabInfo, _: Clients) -> bool:
    return len(_carrying(info.remote, said["token"], said["branch"])) > 1


def _on_that_branch(said: Said, info: LabInfo, _: Clients) -> bool:
    return bool(_carrying(info.remote, said["token"], said["branch"]))


def _in_that_commit(said: Said, _: LabInfo, __: Clients) -> bool:
    return said["token"] in _shown(said)


def _on_that_local_branch(said: Said, _: LabInfo, __: Clients) -> bool:
    clone, branch = shlex.split(said["see"])[2], f"refs/heads/{said['branch']}"
    return bool(_git(clone, "log", "--format=%H", "--walk-reflogs", branch, "--").split().count(said["commit"]))


def _marked(said: Said, info: LabInfo, _: Clients) -> bool:
    text = _git(info.remote, "show", f"{said['commit']}:{said['path']}").splitlines()
    return text[int(said["line"]) - 1].startswith(MARKERS)


def _not_on_site(said: Said, info: LabInfo, aws: Clients) -> bool:
    try:
        shown = aws.s3.get_object(Bucket=info.bucket, Key=info.key)
    except ClientError:
        return True
    with shown["Body"] as stream:
        return said["token"].encode() not in stream.read()


def _site_of_unpushed(said: Said, info: LabInfo, _: Clients) -> bool:
    return not _git(info.remote, "branch", "--contains", said["commit"]).strip()


def _dead(_: Said, info: LabInfo, aws: Clients) -> bool:
    return bool(_count(info.dead_letter_queue_url, aws))


def _count(url: str, aws: Clients) -> int:
    found = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return sum(int(value) for name, value in found.items() if re.match("ApproximateNumberOfMessages", name))


def _in_clone(said: Said) -> bool:
    """A condition of a clone: the path named is there, or the command named has something to say."""
    clone, path = shlex.split(said["see"])[2], said.get("path")
    return bool(path and (Path(clone) / path).exists()) or bool(_shown(said))


def _shown(said: Said) -> str:
    done = subprocess.run(shlex.split(said["see"]), capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


LOOKS: Mapping[str, Callable[[Said, LabInfo, Clients], bool]] = {
    "lost": _on_no_branch,
    "twice": _more_than_once,
    "wrong-branch": _on_that_branch,
    "foreign-commit": _on_that_branch,
    "kept-back": _in_that_commit,
    "ahead": _on_that_local_branch,
    "conflict-markers": _marked,
    "not-deployed": _not_on_site,
    "stale-deployment": _not_on_site,
    "unpublished-deployment": _site_of_unpushed,
    "dead-letter": _dead,
}
