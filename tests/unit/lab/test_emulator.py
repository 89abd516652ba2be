"""What is said when the emulator is not installed, or dies."""

import threading
from pathlib import Path

import pytest

from daemon.lab import emulator, lab
from daemon.lab.emulator import Emulator, EmulatorSettings, free_port
from daemon.lab.errors import LabError
from daemon.lab.processes import ProcessTable

DYING = """
import sys
for number in range(1000):
    print("line", number, flush=True)
sys.exit("the port is taken by somebody")
"""


def died(directory: Path, program: str) -> str:
    """Start an emulator of another kind under the same name, and return the error."""
    (directory / "ministack.py").write_text(program)
    settings = EmulatorSettings(
        directory=directory / "emulator",
        port=free_port(),
        engine_socket=directory / "s",
        region="r",
        environment={"PYTHONPATH": str(directory)},
    )
    made = Emulator(settings, ProcessTable(directory / "processes"))
    try:
        with pytest.raises(LabError) as told:
            made.start(threading.Event())
    finally:
        made.stop(5.0)
    return str(told.value)


def test_an_emulator_that_dies_has_its_last_words_in_the_error(tmp_path: Path) -> None:
    """The directory with its log is removed before anybody could read it there."""
    text = died(tmp_path, DYING)
    assert "the AWS emulator ended with code 1" in text
    assert "\n  the port is taken by somebody" in text
    assert len(text.splitlines()) <= 8
    assert str(tmp_path) not in text


def test_an_emulator_that_dies_in_silence(tmp_path: Path) -> None:
    assert died(tmp_path, "raise SystemExit(3)").endswith("ended with code 3. It said nothing.")


def test_an_emulator_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "START_TIMEOUT_S", 0.0)
    text = died(tmp_path, "import signal; print('loading', flush=True); signal.pause()")
    assert "did not answer within 0 s" in text
    assert text.endswith(("Its last words:\n  loading", "It said nothing."))  # it may not have come so far


def test_without_the_extra_the_command_is_told_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator, "PACKAGES", ("json", "no_such_package"))
    directory = tmp_path / "lab"
    told = r"chaosd\[lab\] is not installed \(missing: no_such_package\).*pip install '.\[lab\]'"
    with pytest.raises(LabError, match=told):
        lab.up(directory)
    with pytest.raises(LabError, match=told), lab.run_foreground(directory):
        pass
    assert not directory.exists()
