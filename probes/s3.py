"""The deployed object: its presence and its age."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.calls import Call, On, calls
from daemon.core.cloud import StoredObject
from daemon.core.errors import TargetAbsentError
from daemon.core.model import Finding, Reading, Status
from daemon.core.parameters import parameter
from daemon.core.seams import World
from daemon.core.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Freshness:
    """Looks at the head of the deployment's object: failing when it is absent, or older than ``max_age``.

    The commit it was built from, when the worker writes it into the object's metadata, is told as a finding
    of a healthy reading too. S3's times have a grain of one second.
    """

    name: ClassVar[str] = "s3-freshness"
    summary: ClassVar[str] = "Presence and age of the deployed object"
    calls: ClassVar[tuple[Call, ...]] = calls(On.DEPLOYMENT, "s3.head")
    measures: ClassVar[Mapping[str, str]] = {
        "age_seconds": "time since the object was last written",
        "size_bytes": "its size",
    }

    max_age: float = parameter(0.0, "how old it may be; 0 is no limit", unit="s")
    commit_key: str = parameter("commit", "the metadata key (x-amz-meta-...) that holds the commit")

    def observe(self, target: Target, world: World) -> Reading:
        if target.deployment is None:
            raise TargetAbsentError(
                f"no object was looked at: the target {target.name} names no deployment",
                hint="set targets.<name>.deployment to {bucket: ..., key: ...}",
            )
        where = f"s3://{target.deployment.bucket}/{target.deployment.key}"
        head = world.s3.head(target.deployment.bucket, target.deployment.key)
        if head is None:
            return Reading(status=Status.FAILING, findings=(Finding("object-absent", where),))
        return self._read(head, where, world.clock.instant().wall_s)

    def _read(self, head: StoredObject, where: str, now_s: float) -> Reading:
        age_s = max(0.0, now_s - head.modified_s)
        findings = []
        stale = 0 < self.max_age < age_s
        if stale:
            findings.append(
                Finding("object-stale", f"{where} is {age_s:.0f} s old, allowed are {self.max_age:g} s")
            )
        if commit := head.metadata.get(self.commit_key.lower()):
            findings.append(Finding("deployed-commit", commit))
        return Reading(
            status=Status.FAILING if stale else Status.OK,
            measures={"age_seconds": age_s, "size_bytes": head.size},
            findings=tuple(findings),
        )
