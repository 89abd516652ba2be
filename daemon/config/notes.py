"""What in a valid configuration is probably not meant: told by `config check` and by the daemon, never an error."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from daemon.core.levers import StopWhen
from daemon.core.model import Resource
from daemon.core.settings import ExperimentSetting, ProbeSetting, Settings

# The probe domains that see a disturbance of such a resource first (names begin with their domain).
_PERTURBED: Mapping[Resource, tuple[str, ...]] = {
    Resource.ECS: ("ecs", "process"),
    Resource.PROCESS: ("process", "ecs"),
    Resource.QUEUE: ("sqs",),
    Resource.REPOSITORY: ("git",),
    Resource.NETWORK: (),  # anything may see it
    Resource.AWS_API: (),
    Resource.DISK: (),
}


def notes(settings: Settings, faults: Mapping[str, type[Any]]) -> tuple[str, ...]:
    """Return one sentence for each thing that is probably not meant."""
    return (*_stopped_by_themselves(settings, faults), *_never(settings))


def _stopped_by_themselves(settings: Settings, faults: Mapping[str, type[Any]]) -> Iterator[str]:
    probes = {p.name: p for p in settings.probes}
    for i, condition in enumerate(settings.guard.stop_when):
        if not isinstance(condition, StopWhen):
            continue
        probe = probes[condition.probe]
        hit = [e.name for e in settings.experiments if _perturbs(e, probe, settings, faults)]
        if hit:
            yield (
                f"guard.stop_when[{i}]: probe {probe.name} is in the steady state of {probe.target}, and "
                f"{', '.join(hit)} perturbs just what it looks at: stop on something that must not break instead"
            )


def _perturbs(
    experiment: ExperimentSetting, probe: ProbeSetting, settings: Settings, faults: Mapping[str, type[Any]]
) -> bool:
    if experiment.target != probe.target or probe.name not in settings.steady_state.get(probe.target, ()):
        return False
    touches: Resource | None = getattr(faults.get(experiment.fault), "touches", None)
    return touches is not None and probe.probe.partition("-")[0] in _PERTURBED[touches]


def _never(settings: Settings) -> Iterator[str]:
    for experiment in settings.experiments:
        for pattern in settings.guard.protect:
            if fnmatchcase(experiment.target, pattern):
                yield f"experiment {experiment.name} can never run: guard.protect {pattern!r} is its target"
