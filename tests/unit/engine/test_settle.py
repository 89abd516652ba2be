"""What could not be undone is a person's to answer for: with a name, a reason, and only then."""

from pathlib import Path

import pytest

from daemon.core.errors import RefusedError, TargetAbsentError, UsageError
from daemon.core.events import State, Verdict
from daemon.engine.reverter import Recovered
from daemon.faces import shapes
from tests.engine_kit import Kit, request


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def test_a_settled_injection_lets_its_target_be_hit_again_and_its_verdict_stays(kit: Kit) -> None:
    failed = kit.control.run(request(broken="revert"))
    assert failed.state is State.REVERT_FAILED
    refused = kit.control.run(request()).refused
    assert refused is not None
    assert refused.rule == "unresolved-undo"
    name = failed.plan.injection
    kit.lamp.light = "good"  # type: ignore[union-attr]
    settled = kit.control.settle(name, by="ada", because="put the lamp on by hand")
    assert settled.state is State.SETTLED
    assert not settled.outstanding
    assert kit.journal.outstanding() == ()
    found = kit.store.injection(name)
    assert found is not None
    assert found.judgement is not None
    assert found.judgement.verdict is Verdict.UNDO_FAILED
    assert found.judgement.reasons[-1] == "settled by ada: put the lamp on by hand"
    document = shapes.injection(found)
    assert document["undo"]["settled"]["by"] == "ada"
    assert document["undo"]["proved"] is False
    again = kit.control.run(request())
    assert again.judgement is not None
    assert again.judgement.verdict is Verdict.NOT_RECOVERED
    assert kit.control.recover() == Recovered(), "nothing is tried again once it is settled"


def test_only_a_failed_undo_can_be_settled(kit: Kit) -> None:
    whole = kit.control.run(request())
    with pytest.raises(RefusedError, match="only a failed undo"):
        kit.control.settle(whole.plan.injection, by="ada", because="why not")
    with pytest.raises(TargetAbsentError):
        kit.control.settle("nobody", by="ada", because="why not")
    failed = kit.control.run(request(broken="revert"))
    with pytest.raises(UsageError, match="a reason is needed"):
        kit.control.settle(failed.plan.injection, by="ada", because="  ")
