"""The demo's schedule and its judgement of how it went."""

import os
from pathlib import Path
from typing import Any

import pytest

from daemon import wiring
from daemon.config import load
from daemon.core.addresses import Tcp
from daemon.core.errors import ChaosdError
from daemon.core.settings import Every
from daemon.faces.cli.demo import keepsake, leftovers, plan
from daemon.faces.cli.demo.session import Ended
from daemon.faces.cli.demo.view import View, final
from daemon.faces.report.collect import Period
from daemon.lab.model import LabInfo
from daemon.ports.state import StateDirectory
from tests.fakes import FakeClock

INFO = LabInfo(
    directory=Path("/lab"),
    tasks=2,
    defect=None,
    build_s=0.1,
    endpoint_url="http://127.0.0.1:4566",
    region="us-west-2",
    cluster="c",
    service="s",
    input_queue_url="http://127.0.0.1:4566/0/in",
    responses_queue_url="http://127.0.0.1:4566/0/out",
    dead_letter_queue_url="http://127.0.0.1:4566/0/dead",
    interrupt_queue_url="http://127.0.0.1:4566/0/interrupts",
    bucket="b",
    key="index.html",
    log_group="/ecs/edit",
    remote=Path("/lab/remote.git"),
    clones=Path("/lab/clones"),
)
FAMILIES = {"ecs-task-stop", "sqs-burst", "interrupt-message", "interrupt-signal", "git-corrupt", "git-lock"}


def test_the_configuration_is_valid_and_holds_every_family(tmp_path: Path) -> None:
    path = tmp_path / "chaosd.yaml"
    path.write_text(plan.config(INFO, port=1234))
    found = load(path, environment={}, overrides={}, faults=wiring.faults(), probes=wiring.probes())
    assert {e.fault for e in found.experiments} == FAMILIES
    assert found.api.listen == Tcp(port=1234)
    kinds = {p.probe for p in found.probes}
    assert kinds >= {"ecs-service", "sqs-backlog", "git-health", "s3-freshness", "pipeline-canary", "log-errors"}
    tasks = next(p for p in found.probes if p.name == "tasks")
    backlog = next(p for p in found.probes if p.name == "backlog")
    assert (tasks.parameters["min_age"], backlog.parameters["expect"]) == ("2s", "visible <= 10")


def test_one_act_is_accompanied_by_messages_and_nothing_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "chaosd.yaml"
    path.write_text(plan.config(INFO, port=1234))
    found = load(path, environment={}, overrides={}, faults=wiring.faults(), probes=wiring.probes())
    accompanied = [e.name for e in found.experiments if e.workload is not None]
    assert accompanied == [max(found.experiments, key=lambda e: e.first_after_s or 0.0).name]


def test_the_acts_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "chaosd.yaml"
    path.write_text(plan.config(INFO, port=1234))
    found = load(path, environment={}, overrides={}, faults=wiring.faults(), probes=wiring.probes())
    begins = [e.first_after_s for e in found.experiments]
    assert begins == sorted(begins, key=lambda s: s or 0.0)
    assert {e.trigger for e in found.experiments} == {Every(seconds=plan.round_s())}
    last = max(s or 0.0 for s in begins)
    assert last < plan.round_s() < 120


def document(name: str, verdict: str | None, *, injection: str = "1") -> dict[str, Any]:
    return {
        "injection": {
            "id": injection,
            "experiment": name,
            "fault": "git-lock",
            "mode": "index-lock",
            "state": "injected",
            "victim": {},
        },
        "verdict": verdict,
        "reasons": ["because"],
        "impact": {"seen": True, "after": [0.0, 0.25]},
        "recovery": {"after": [1.0, 1.25], "censored": False, "healed_by": "worker"},
    }


def test_an_act_that_was_refused_counts_only_when_it_ran_later() -> None:
    view, first = View(FakeClock()), plan.ACTS[0].name
    view.update({"observations": [], "next": []}, [document(first, "refused")])
    assert any(m.startswith(first) and "because" in m for m in view.missing())
    assert view.results() == []
    view.update(
        {"observations": [], "next": []}, [document(first, "refused"), document(first, "recovered", injection="2")]
    )
    assert [r["injection"]["id"] for r in view.results()] == ["2"]
    assert not view.busy
    view.update({"observations": [], "next": []}, [document(first, None)])
    assert view.busy


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (Ended(results=[document("a", "recovered"), document("b", "no-impact")]), 0),
        (Ended(results=[document("a", "not-recovered")]), 1),
        (Ended(results=[document("a", "inconclusive")]), 1),
        (Ended(results=[document("a", "recovered")], missing=["b"]), 1),
        (Ended(results=[document("a", "recovered")], left=["lock x"]), 1),
        (Ended(results=[document("a", "recovered")], interrupted=2), 130),
    ],
)
def test_the_exit_code_is_0_only_when_all_is_well(ended: Ended, code: int) -> None:
    assert ended.exit_code == code


def test_what_is_left_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    final(Ended(results=[document("a", "not-recovered")], missing=["b"], left=["lock x"]))
    shown = capsys.readouterr().out
    assert "1.00-1.25 s" in shown
    assert "git-lock: because" in shown
    assert "never ran: b" in shown
    assert "left behind: lock x" in shown
    assert "nothing is left" not in shown


def test_a_directory_that_remains_is_found(tmp_path: Path) -> None:
    assert leftovers.after(tmp_path, [None], others=frozenset()) == [f"directory {tmp_path}"]
    assert leftovers.after(tmp_path / f"absent-{os.getpid()}", [None], others=frozenset()) == []


def test_the_report_goes_where_it_is_asked_for_else_beside_the_state(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    assert keepsake.place(None, environment) == tmp_path / ".local/state/chaosd/demo-report.html"
    assert keepsake.place(str(tmp_path / "r.html"), environment) == tmp_path / "r.html"


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    config, blocked = tmp_path / "chaosd.yaml", tmp_path / "file"
    config.write_text(plan.config(INFO, port=1234))
    blocked.touch()
    state, period = StateDirectory(tmp_path / "state"), Period(0.0, 1.0)
    keepsake.write(tmp_path / "new" / "r.html", state=state, config=config, period=period)
    assert (tmp_path / "new" / "r.html").read_text().startswith("<!doctype html>")
    with pytest.raises(ChaosdError, match="no report"):
        keepsake.write(blocked / "r.html", state=state, config=config, period=period)


def test_where_the_report_is_is_said_last(capsys: pytest.CaptureFixture[str]) -> None:
    final(Ended(results=[document("a", "recovered")], report="/somewhere/r.html"))
    assert capsys.readouterr().out.splitlines()[-1] == "report: /somewhere/r.html"
