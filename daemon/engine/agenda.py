"""What happens when a scheduled experiment is due: it becomes a request, with the seed of its occurrence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daemon.core.errors import ChaosdError
from daemon.core.plan import Occurrences, Request
from daemon.core.settings import ExperimentSetting, Settings
from daemon.engine.control import Control
from daemon.engine.scheduler import Scheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is told: of a skipped occurrence and why, of the time one was planned for, of one that broke."""

    skipped: Callable[[str, str], None]
    lagged: Callable[[float], None]
    failed: Callable[[str, str], None]


class Agenda:
    """The schedule of one daemon.

    ``seed`` is used where the settings name none; ``proposed`` counts the occurrences of earlier lives.
    """

    def __init__(
        self, settings: Settings, control: Control, told: Told, *, seed: int, proposed: Mapping[str, int]
    ) -> None:
        self._control, self._told, self._own_seed = control, told, seed
        self._occurrences = Occurrences(self._seed(settings), dict(proposed))
        self.scheduler = Scheduler(
            _by_name(settings),
            seed=self._seed(settings),
            fire=self._fire,
            skipped=told.skipped,
            lagged=told.lagged,
        )

    def adopt(self, settings: Settings) -> None:
        """Take another configuration's experiments; those that stay keep their next start."""
        self._occurrences.seed = self._seed(settings)
        self.scheduler.adopt(_by_name(settings), seed=self._occurrences.seed)

    def _seed(self, settings: Settings) -> int:
        return self._own_seed if settings.seed is None else settings.seed

    def _fire(self, experiment: ExperimentSetting) -> None:
        request = Request(
            fault=experiment.fault,
            target=experiment.target,
            parameters=experiment.parameters,
            duration_s=experiment.duration_s,
            origin="schedule",
            by="schedule",
            seed=self._occurrences.next_seed(experiment.name),
            experiment=experiment.name,
            recover_s=experiment.timeout_s,
            workload=experiment.workload,
            when=experiment.when,
        )
        try:
            self._control.run(request)
        except ChaosdError as error:
            self._told.failed(experiment.name, error.message)


def _by_name(settings: Settings) -> dict[str, ExperimentSetting]:
    return {experiment.name: experiment for experiment in settings.experiments}
