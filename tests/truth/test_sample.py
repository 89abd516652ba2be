"""A short sample of ``make truth``: two defects are named, the correct worker is left alone in the same cells."""

import pytest

from tests.truth.__main__ import main

DEFECTS = {
    "not-idempotent": "duplicate-delivery",
    "thread-read-only-on-session-change": "one-session-three-threads",
}


@pytest.mark.timeout(400)
def test_two_defects_are_named_and_the_correct_worker_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    wish = [word for defect, cell in DEFECTS.items() for word in ("--only", defect, "--cell", cell)]
    code = main(["--seeds", "1", "--tries", "1", *wish])
    said = capsys.readouterr().out
    assert "2 of 2 defects named, " in said
    assert " 0 of them wrong; 2 runs of the correct worker, 0 false alarms" in said
    assert code == 0, said
