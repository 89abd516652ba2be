"""What ``git fsck`` says: thorough and slow, for long intervals."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import NONE, Call
from daemon.core.gitclone import Clone
from daemon.core.gitobjects import printable
from daemon.core.model import Finding, Reading, Status
from daemon.core.parameters import parameter
from daemon.core.seams import Completed, World
from daemon.core.target import Target
from probes.git.clones import clones, repository_of

_FINDINGS_MAX = 50
# In this order: the first pattern that fits names the line. fsck has no codes for most of what it finds.
_NAMES: tuple[tuple[str, str], ...] = (
    (r"^(notice|dangling|unreachable|warning in|Checking|hint)\b", ""),
    (r"^missing |^broken link|in cache-tree$", "object-missing"),
    (
        r"invalid (sha1|oid) pointer|badRef|bad ref|broken reflog|invalid reflog|invalid HEAD|detached HEAD points",
        "ref-broken",
    ),
    (r"HEAD", "head-broken"),
    (r"\bindex\b(?! file)|index file", "index-broken"),
    (
        r"corrupt|mismatch|inflate|unable to (unpack|parse|read)|bad object|hash-path|garbage|sha1 file",
        "object-corrupt",
    ),
    (r"not a git repository", "head-broken"),
)


@dataclass(kw_only=True)
class GitFsck:
    """Runs a full ``git fsck``, which reads every object of the repository and writes nothing."""

    name: ClassVar[str] = "git-fsck"
    summary: ClassVar[str] = "full git fsck: slow, for long intervals"
    calls: ClassVar[tuple[Call, ...]] = NONE
    measures: ClassVar[Mapping[str, str]] = {
        "clones": "clones that were looked at",
        "findings": "lines in which fsck complains",
    }

    timeout: float = parameter(300.0, "longest time for one clone; beyond that the probe says unknown", unit="s")

    def observe(self, target: Target, world: World) -> Reading:
        found, findings = clones(world.files, repository_of(target))
        total = len(findings)
        for clone in found:
            answer = world.git.run(
                clone.root, "fsck", "--full", "--no-progress", "--no-dangling", timeout_s=self.timeout
            )
            said = _findings(clone, answer, many=len(found) > 1)
            total += len(said)
            findings += said[:_FINDINGS_MAX]
        return Reading(
            status=Status.FAILING if findings else Status.OK,
            measures={"clones": float(len(found)), "findings": float(total)},
            findings=tuple(findings),
        )


def _findings(clone: Clone, answer: Completed, *, many: bool) -> list[Finding]:
    prefix = f"{clone.root}: " if many else ""
    lines = dict.fromkeys(line for line in (answer.out + "\n" + answer.err).splitlines() if line[:1].strip())
    named = [(_name(line), line) for line in lines]
    findings = [Finding(name, printable(prefix + line)) for name, line in named if name]
    if answer.code != 0 and not findings:
        findings.append(Finding("fsck-failed", f"{prefix}git fsck ended with {answer.code}"))
    return findings


def _name(line: str) -> str:
    return next((name for pattern, name in _NAMES if re.search(pattern, line)), "fsck-failed")
