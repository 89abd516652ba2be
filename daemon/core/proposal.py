"""What is to happen, as the journal keeps it."""

from dataclasses import dataclass

from daemon.core.model import Instant, Json
from daemon.core.moments import Moment
from daemon.core.settings import WorkloadSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to happen: one fault on one target, with everything needed to repeat it.

    ``origin`` is ``schedule``, ``cli``, ``ci`` or ``api``; ``by`` says who asked. ``steady`` names the probes that
    must be ok; ``stable_s`` how long they must stay ok to count as recovered; ``recover_s`` how long that may take.
    ``workload`` is played meanwhile, its messages judged like the system's health. ``when`` is the event on which
    the fault strikes; None: as soon as all is well.
    """

    injection: str
    experiment: str | None
    fault: str
    mode: str
    target: str
    seed: int
    parameters: dict[str, Json]
    duration_s: float
    recover_s: float
    stable_s: float
    steady: tuple[str, ...]
    planned_at: Instant
    origin: str
    by: str
    workload: WorkloadSetting | None = None
    when: Moment | None = None
