"""After a reload: what is under way sees with its own probes, and shows nothing of the new ones."""

from dataclasses import replace

from daemon.core.events import Aborted, Event, Observed
from daemon.core.model import Instant, Observation, Phase, Reading, Status
from daemon.core.settings import ProbeSetting, Sampling, Settings
from daemon.core.target import Deployment, Target
from daemon.reload import Present

AT = Instant(1.0, 1.0)
STAYS, CHANGES = (ProbeSetting(name=name, probe="http", target="t") for name in ("stays", "changes"))
NOW = Settings(sampling=Sampling(probe_every_s=1.0), targets={"t": Target(name="t")}, probes=(STAYS, CHANGES))
OTHER = replace(NOW, probes=(STAYS, replace(CHANGES, parameters={"path": "/other"})))


def look(probe: str) -> Observed:
    seen = Observation(probe=probe, target="t", asked=AT, answered=AT, reading=Reading(status=Status.OK))
    return Observed(phase=Phase.DURING, observation=seen)


class Listener:
    def __init__(self) -> None:
        self.told: list[tuple[str, Event]] = []

    def __call__(self, injection: str, event: Event) -> None:
        self.told.append((injection, event))


def test_old_evidence_of_a_probe_that_is_another_reaches_nobody() -> None:
    present, listener = Present(), Listener()
    tell = present.only(listener)
    tell("old", look("changes"))
    present.adopt(NOW, OTHER, frozenset({"old"}))
    tell("old", look("changes"))
    tell("old", look("stays"))
    tell("new", look("changes"))
    end = Aborted(at=AT, reason="halt")
    tell("old", end)
    told = [("old", look("changes")), ("old", look("stays")), ("new", look("changes")), ("old", end)]
    assert listener.told == told
    assert tell.__qualname__ == "Listener"


def test_it_stays_another_over_more_reloads_and_is_forgotten_when_it_has_ended() -> None:
    present, listener = Present(), Listener()
    tell = present.only(listener)
    present.adopt(NOW, OTHER, frozenset({"old"}))
    present.adopt(OTHER, OTHER, frozenset({"old", "new"}))
    tell("old", look("changes"))
    assert listener.told == []
    present.adopt(OTHER, OTHER, frozenset())
    assert present._former == {}


def test_a_target_that_means_something_else_makes_its_probes_others() -> None:
    present, listener = Present(), Listener()
    elsewhere = replace(NOW, targets={"t": Target(name="t", deployment=Deployment(bucket="other"))})
    present.adopt(NOW, elsewhere, frozenset({"old"}))
    present.only(listener)("old", look("stays"))
    assert listener.told == []
