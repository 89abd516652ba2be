"""What Prometheus sees."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.core.course import Course, Played, Purpose, Swept
from daemon.core.errors import JournalError
from daemon.core.events import Checked, Injected, Judged, Judgement, Proposed, Reverted, Verdict
from daemon.core.evidence import Standing
from daemon.core.invariants import INVARIANTS, Result
from daemon.core.kpi import Kpi
from daemon.core.model import Finding, Instant, Observation, Outcome, Reading, Reversion, Status, Undo
from daemon.core.settings import Every, ExperimentSetting, ProbeSetting, Sampling, Settings, WorkloadSetting
from daemon.core.target import Deployment, Queue, Repository, Target
from daemon.faces.metrics import Metrics
from tests.engine_kit import Darken, Kit, request
from tests.integration.test_journal import PLAN as JOURNALLED
from tests.integration.test_journal_runs import OPENED
from tests.ledgers import good

PLAN = replace(JOURNALLED, target="editor")

SETTINGS = Settings(
    sampling=Sampling(probe_every_s=0.25),
    targets={"editor": Target(name="editor")},
    probes=(
        ProbeSetting(name="look", probe="test-look", target="editor"),
        ProbeSetting(name="backlog", probe="sqs-backlog", target="editor"),
        ProbeSetting(name="canary", probe="pipeline-canary", target="editor"),
    ),
    steady_state={"editor": ("look",)},
    experiments=(
        ExperimentSetting(name="dark", fault=Darken.name, target="editor", trigger=Every(seconds=1), timeout_s=9),
    ),
)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(SETTINGS, version="1.2.3")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"chaosd_{name}", labels)


def look(probe: str, status: Status, **measures: float) -> Observation:
    reading = Reading(status=status, measures=measures, findings=(Finding("f"),))
    return Observation(
        probe=probe, target="editor", asked=Instant(1, 1), answered=Instant(1.5, 1.5), reading=reading
    )


def test_known_label_sets_start_at_zero(metrics: Metrics) -> None:
    at = {"fault": Darken.name, "target": "editor"}
    assert value(metrics, "experiments_finished_total", experiment="dark", verdict="recovered") == 0
    assert value(metrics, "fault_active", **at) == 0
    assert value(metrics, "recovery_seconds_count", **at) == 0
    assert value(metrics, "refusals_total", reason="halted") == 0
    assert value(metrics, "refusals_total", reason="misfire") == 0
    assert value(metrics, "build_info", version="1.2.3") == 1


def run(tmp_path: Path, metrics: Metrics, **kwargs: object) -> None:
    kit = Kit(tmp_path)
    kit.reverter._recorder._listeners = (metrics,)
    if kwargs.pop("heals", False):
        kit.world.clock.at(2, lambda: kit.lamp.put("good"))
    kit.control.run(request(**kwargs))  # type: ignore[arg-type]


def test_a_recovery_by_the_worker_is_one_observation_of_its_midpoint(tmp_path: Path, metrics: Metrics) -> None:
    run(tmp_path, metrics, heals=True, duration_s=30)
    at = {"fault": Darken.name, "target": "editor"}
    assert value(metrics, "recovery_seconds_count", **at) == 1
    assert 1.5 <= (value(metrics, "recovery_seconds_sum", **at) or 0) <= 2.5
    assert value(metrics, "detection_seconds_count", **at) == 1
    assert value(metrics, "injections_total", **at) == 1
    assert value(metrics, "fault_active", **at) == 0
    assert value(metrics, "experiments_finished_total", experiment="manual", verdict="recovered") == 1


def test_what_only_our_revert_healed_is_no_recovery(tmp_path: Path, metrics: Metrics) -> None:
    run(tmp_path, metrics, duration_s=2)
    assert value(metrics, "recovery_seconds_count", fault=Darken.name, target="editor") == 0
    assert value(metrics, "experiments_finished_total", experiment="manual", verdict="not-recovered") == 1


def test_a_failed_undo_stays_active_and_is_counted(tmp_path: Path, metrics: Metrics) -> None:
    run(tmp_path, metrics, broken="revert")
    assert value(metrics, "undo_failures_total", fault=Darken.name) == 3
    assert value(metrics, "fault_active", fault=Darken.name, target="editor") == 1


def test_what_was_settled_is_in_force_no_more_and_forgotten(tmp_path: Path, metrics: Metrics) -> None:
    kit = Kit(tmp_path)
    kit.reverter._recorder._listeners = (metrics,)
    left = kit.control.run(request(broken="revert")).plan.injection
    assert list(metrics._plans) == [left]
    kit.control.settle(left, by="alice", because="put right by hand")
    assert value(metrics, "fault_active", fault=Darken.name, target="editor") == 0
    assert metrics._plans == {}


def test_unknown_is_no_success_and_no_steady_state(metrics: Metrics) -> None:
    metrics.looked(look("look", Status.OK, size=3))
    assert value(metrics, "steady_state", target="editor") == 1
    assert value(metrics, "probe_value", probe="look", target="editor", measure="size") == 3
    metrics.looked(look("look", Status.UNKNOWN))  # as the prober makes it: a port that is silent measures nothing
    assert value(metrics, "steady_state", target="editor") == 0
    assert value(metrics, "probe_success", probe="look", target="editor") == 0
    assert math.isnan(value(metrics, "probe_value", probe="look", target="editor", measure="size") or 0)


def test_a_queue_nobody_can_count_and_a_canary_nobody_saw_keep_no_old_figure(metrics: Metrics) -> None:
    metrics.looked(look("backlog", Status.OK, visible=4))
    metrics.looked(look("canary", Status.OK, total_seconds=0.7))
    metrics.looked(look("backlog", Status.UNKNOWN))
    metrics.looked(look("canary", Status.UNKNOWN))
    assert math.isnan(value(metrics, "queue_messages", target="editor", state="visible") or 0)
    assert math.isnan(value(metrics, "message_seconds", target="editor") or 0)


def test_a_fault_left_by_an_earlier_life_is_active_until_it_is_undone(tmp_path: Path, metrics: Metrics) -> None:
    kit = Kit(tmp_path)
    kit.control.run(request(broken="revert"))
    metrics.resume(kit.journal.outstanding())
    at = {"fault": Darken.name, "target": "editor"}
    assert value(metrics, "fault_active", **at) == 1
    kit.reverter._recorder._listeners = (metrics,)
    kit.control.retry_failed()
    assert value(metrics, "undo_failures_total", fault=Darken.name) == 3
    assert value(metrics, "fault_active", **at) == 1
    kit.lamp.put("better")  # type: ignore[union-attr]
    kit.reverter._faults = {Darken.name: Mended}  # type: ignore[dict-item]
    kit.control.retry_failed()
    assert value(metrics, "fault_active", **at) == 0


class Mended(Darken):
    """The same fault, whose revert reaches the lamp again and finds another one."""

    @classmethod
    def revert(cls, undo: Undo, world: object) -> Reversion:
        return Reversion(outcome=Outcome.SUPERSEDED, detail=f"{undo.mode} {world is None}")


def test_queue_and_canary_have_series_of_their_own(metrics: Metrics) -> None:
    metrics.looked(look("backlog", Status.OK, visible=4, in_flight=1))
    metrics.looked(look("canary", Status.OK, total_seconds=0.7))
    assert value(metrics, "queue_messages", target="editor", state="visible") == 4
    assert value(metrics, "message_seconds", target="editor") == 0.7
    assert value(metrics, "messages_sent_total", scenario="pipeline-canary", target="editor") == 1


def test_openmetrics_is_served_when_asked_for_and_no_created_series(metrics: Metrics) -> None:
    text, plain = metrics.render("")
    opened, openmetrics = metrics.render("application/openmetrics-text; version=1.0.0")
    assert plain.startswith("text/plain")
    assert openmetrics.startswith("application/openmetrics-text")
    assert opened.endswith(b"# EOF\n")
    assert b"_created" not in text + opened


def test_what_is_asked_at_scrape_time(metrics: Metrics) -> None:
    metrics.watch(halted=lambda: True, pending=lambda: 2, writable=lambda: True, next_times=lambda: {"dark": 99.0})
    assert value(metrics, "halted") == 1
    assert value(metrics, "journal_writable") == 1
    assert value(metrics, "pending_undo") == 2
    assert value(metrics, "next_experiment_timestamp_seconds", experiment="dark") == 99


def test_a_journal_that_does_not_answer_is_unknown_at_scrape_time_and_not_none(metrics: Metrics) -> None:
    def silent() -> int:
        raise JournalError("a page is gone")

    metrics.watch(halted=lambda: bool(silent()), pending=silent, writable=lambda: False, next_times=dict)
    page = metrics.render("text/plain")[0].decode()
    assert "chaosd_pending_undo NaN" in page
    assert "chaosd_halted NaN" in page
    assert "chaosd_journal_writable 0.0" in page


# --- scenarios -------------------------------------------------------------------------------------------


def workload_settings() -> Settings:
    target = Target(name="editor", queue=Queue(url="http://q"), repository=Repository(worktree=("/c",)))
    common = {"target": "editor", "trigger": Every(seconds=1), "timeout_s": 9.0}
    return replace(
        SETTINGS,
        targets={"editor": target},
        experiments=(
            ExperimentSetting(name="a", fault=Darken.name, workload=WorkloadSetting(scenario="basic"), **common),
            ExperimentSetting(name="b", fault="sqs-burst", **common),
        ),
    )


def played(*violated: str, slowest: float | None = 2.5) -> Played:
    results = tuple(Result(invariant=name, standing=Standing.VIOLATED) for name in violated)
    course = Course(
        scenario="basic",
        target="editor",
        seed=1,
        began=Instant(1, 1),
        ended=Instant(2, 2),
        ledger=good(3),
        results=results,
        kpis=(
            Kpi(name="message, slowest", value=slowest, unit="s", goal="", met=None),
            Kpi(name="branch switch", value=None, unit="s", goal="", met=None),
        ),
    )
    return Played(at=Instant(2, 2), course=course)


def test_what_scenarios_send_and_break_starts_at_zero() -> None:
    metrics = Metrics(workload_settings(), version="1")
    assert value(metrics, "messages_sent_total", scenario="basic", target="editor") == 0
    assert value(metrics, "messages_sent_total", scenario="sqs-burst", target="editor") == 0
    for name in INVARIANTS:
        assert value(metrics, "invariant_violations_total", invariant=name, target="editor") == 0


@pytest.mark.parametrize(
    ("purpose", "counted"), [(Purpose.ALONE, 1), (Purpose.BASELINE, 1), (Purpose.EXPERIMENT, 0)]
)
def test_a_run_counts_its_messages_and_the_broken_invariants_that_no_baseline_explains(
    purpose: Purpose, counted: int
) -> None:
    metrics = Metrics(workload_settings(), version="1")
    metrics.ran("r", replace(OPENED, purpose=purpose))
    metrics.ran("r", played("exactly-once"))
    assert value(metrics, "messages_sent_total", scenario="basic", target="editor") == 3
    assert value(metrics, "invariant_violations_total", invariant="exactly-once", target="editor") == counted
    assert value(metrics, "message_seconds", target="editor") == 2.5
    assert math.isnan(value(metrics, "branch_switch_seconds", target="editor") or 0.0)


def test_under_a_fault_each_broken_invariant_counts_once() -> None:
    metrics = Metrics(workload_settings(), version="1")
    metrics("i", Proposed(plan=PLAN))
    lost = {"invariant": "no-lost-instruction", "evidence": {}}
    metrics("i", Checked(at=Instant(1, 1), run="r", baseline="b", violations=(lost, lost)))
    metrics(
        "i", Judged(at=Instant(1, 1), judgement=Judgement(verdict=Verdict.VIOLATED, reasons=(), violations=(lost,)))
    )
    assert value(metrics, "invariant_violations_total", invariant="no-lost-instruction", target="editor") == 1


@pytest.mark.parametrize(("error", "sent"), [(None, 100), ("broke", 40)])
def test_a_burst_counts_what_it_sent_or_when_that_is_not_known_what_was_found_again(
    error: str | None, sent: int
) -> None:
    metrics = Metrics(workload_settings(), version="1")
    metrics("i", Proposed(plan=replace(PLAN, fault="sqs-burst")))
    at = Instant(1, 1)
    metrics("i", Injected(started=at, finished=at, error=error))
    proof = {"planned": 100, "removed": {"input": 30, "dead-letter": 10}}
    metrics("i", Reverted(started=at, finished=at, reversion=Reversion(outcome=Outcome.RESTORED, proof=proof)))
    assert value(metrics, "messages_sent_total", scenario="sqs-burst", target="editor") == sent


def test_another_configuration_ends_the_series_of_what_it_does_not_name(metrics: Metrics, tmp_path: Path) -> None:
    metrics.watch(
        halted=lambda: False,
        pending=lambda: 0,
        writable=lambda: True,
        next_times=lambda: {"dark": 5.0, "darker": 7.0},
    )
    instant = Kit(tmp_path).world.clock.instant()
    reading = Reading(status=Status.OK, measures={"lux": 3.0})
    for probe in ("look", "canary"):
        metrics.looked(Observation(probe=probe, target="editor", asked=instant, answered=instant, reading=reading))
    stays, on = SETTINGS.probes[0], {"probe": "look", "target": "editor"}
    (old,) = SETTINGS.experiments
    metrics.adopt(replace(SETTINGS, probes=(stays,), experiments=(replace(old, name="darker"),)))
    assert value(metrics, "probe_success", **on) == 1
    assert value(metrics, "steady_state", target="editor") == 1
    assert value(metrics, "probe_success", probe="canary", target="editor") is None
    assert value(metrics, "probe_value", probe="canary", target="editor", measure="lux") is None
    assert value(metrics, "probe_value", measure="lux", **on) == 3
    assert value(metrics, "next_experiment_timestamp_seconds", experiment="dark") is None
    assert value(metrics, "next_experiment_timestamp_seconds", experiment="darker") == 7
    assert value(metrics, "experiments_started_total", experiment="darker") == 0
    metrics.adopt(replace(SETTINGS, targets={}, probes=(), experiments=(), steady_state={}))
    assert value(metrics, "steady_state", target="editor") is None
    assert value(metrics, "message_seconds", target="editor") is None


def test_a_probe_that_is_another_keeps_no_evidence_of_what_it_was(metrics: Metrics, tmp_path: Path) -> None:
    instant, on = Kit(tmp_path).world.clock.instant(), {"probe": "look", "target": "editor"}
    reading = Reading(status=Status.OK, measures={"lux": 3.0})
    seen = Observation(probe="look", target="editor", asked=instant, answered=instant, reading=reading)
    metrics.looked(seen)
    first, *rest = SETTINGS.probes
    other = replace(SETTINGS, probes=(replace(first, parameters={"at": "noon"}), *rest))
    metrics.adopt(other)
    assert value(metrics, "probe_success", **on) is None
    assert value(metrics, "probe_value", measure="lux", **on) is None
    assert value(metrics, "steady_state", target="editor") == 0
    metrics.looked(seen)
    assert value(metrics, "steady_state", target="editor") == 1
    metrics.adopt(replace(other, steady_state={"editor": ("look", "backlog")}))
    assert value(metrics, "steady_state", target="editor") == 0, "nobody has seen the backlog"
    metrics.looked(replace(seen, probe="canary", reading=Reading(status=Status.OK, measures={"total_seconds": 4})))
    metrics.adopt(replace(other, targets={"editor": Target(name="editor", deployment=Deployment(bucket="other"))}))
    assert value(metrics, "probe_success", **on) is None, "it looks at another target under the same name"
    assert value(metrics, "message_seconds", target="editor") is None


def test_a_scenario_that_broke_is_forgotten_once_it_is_swept() -> None:
    metrics = Metrics(workload_settings(), version="1")
    metrics.ran("r", OPENED)
    metrics.ran("r", Swept(at=Instant(1, 1), reversion=Reversion(outcome=Outcome.SUPERSEDED)))
    assert metrics._purposes == {}
