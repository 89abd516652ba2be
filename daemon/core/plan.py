"""From a request or a due experiment to a plan: who, what, with which seed, for how long. Pure."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from daemon.core.errors import UsageError
from daemon.core.events import Plan
from daemon.core.model import Instant, Json
from daemon.core.moments import Moment
from daemon.core.parameters import duration
from daemon.core.settings import Sampling, WorkloadSetting
from daemon.core.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asked for, by command line, API or schedule. ``seed`` None lets chaosd choose one."""

    fault: str
    target: str
    parameters: Mapping[str, Json]
    duration_s: float
    origin: str
    by: str
    seed: int | None = None
    experiment: str | None = None
    recover_s: float | None = None
    workload: WorkloadSetting | None = None
    when: Moment | None = None


def aimed(named: str | None, targets: Collection[str]) -> str:
    """Return the target that is meant: the one that was named, else the only one.

    Raises UsageError when none was named and there is not exactly one. Whether the named one exists is not asked.
    """
    if named is not None:
        return named
    if len(targets) == 1:
        return next(iter(targets))
    if not targets:
        raise UsageError(
            "not injecting: no target is configured", hint="add one under `targets:`, or give --repository PATH"
        )
    raise UsageError(
        f"not injecting: which target? {len(targets)} are configured",
        hint=f"give --target NAME, or --repository PATH; targets: {', '.join(sorted(targets))}",
    )


def workload(asked: Json) -> WorkloadSetting | None:
    """Return the workload of a request: a scenario's name, or a mapping of ``scenario``, ``set`` and ``strike``.

    Raises ValueError for anything else; whether such a scenario exists is the engine's to say.
    """
    if asked is None:
        return None
    given = {"scenario": asked} if isinstance(asked, str) else asked
    if not isinstance(given, Mapping) or not given.keys() <= {"scenario", "set", "strike"}:
        raise ValueError("workload: expected a scenario's name, or scenario, set and strike")
    name, parameters, strike = given.get("scenario"), given.get("set") or {}, given.get("strike")
    if not isinstance(name, str) or not isinstance(parameters, Mapping):
        raise ValueError("workload: expected a scenario's name, and set as a mapping")  # noqa: TRY004  one kind
    return WorkloadSetting(
        scenario=name, parameters=dict(parameters), strike_s=None if strike is None else duration(strike)
    )


def make(  # noqa: PLR0913  each is one fact from outside
    request: Request,
    *,
    injection: str,
    seed: int,
    at: Instant,
    target: Target,
    steady: tuple[str, ...],
    sampling: Sampling,
) -> Plan:
    """Return the plan for a request; ``seed`` is used where the request names none."""
    return Plan(
        injection=injection,
        experiment=request.experiment,
        fault=request.fault,
        mode=str(request.parameters.get("mode", "")),
        target=request.target,
        seed=request.seed if request.seed is not None else seed,
        parameters=dict(request.parameters),
        duration_s=request.duration_s,
        recover_s=request.recover_s if request.recover_s is not None else target.limits.recover_s,
        stable_s=sampling.stable_for_s,
        steady=steady,
        planned_at=at,
        origin=request.origin,
        by=request.by,
        workload=request.workload,
        when=request.when,
    )


def derived(seed: int, purpose: str) -> int:
    """Return the seed for one more purpose of the same injection, independent of its other choices."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:4], "big")


def occurrence_seed(seed: int, experiment: str, occurrence: int) -> int:
    """Return the seed of an experiment's n-th occurrence: the same schedule seed repeats the same choices."""
    digest = hashlib.sha256(f"{seed}/{experiment}/{occurrence}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


@dataclass(slots=True)
class Occurrences:
    """Counts the occurrences of each experiment, so that their seeds differ and repeat."""

    seed: int
    counts: dict[str, int] = field(default_factory=dict)

    def next_seed(self, experiment: str) -> int:
        number = self.counts.get(experiment, 0)
        self.counts[experiment] = number + 1
        return occurrence_seed(self.seed, experiment, number)
