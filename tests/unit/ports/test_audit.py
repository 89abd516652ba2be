"""The audit log: what is in it after turning over, a cut line, several processes, and a disk that is full."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.core.access import Caller
from daemon.core.errors import ChaosdError, RefusedError
from daemon.faces.serving.auditing import STRANGERS_BURST, STRANGERS_EVERY_S, Auditor
from daemon.ports.audit import NAME, OLDER, AuditLog
from tests.fakes import FakeClock

OPS = Caller(kind="token", name="ops", address="10.0.0.1")
STRANGER = Caller(kind="anonymous", name="", address="10.0.0.2")


def test_it_turns_over_and_keeps_the_older_half(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, most=100)
    for number in range(20):
        log.append({"n": number, "pad": "x" * 20})
    numbers = [entry["n"] for entry in log.entries()]
    assert numbers == list(range(numbers[0], 20))
    assert 2 <= len(numbers) < 8
    assert all((tmp_path / name).stat().st_mode & 0o777 == 0o600 for name in (NAME, OLDER))


def test_a_line_that_was_cut_off_costs_only_itself(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.append({"n": 1})
    with (tmp_path / NAME).open("a") as file:
        file.write('{"n": 2, "wh\n\xff\n[]\n')
    log.append({"n": 3})
    assert [entry["n"] for entry in log.entries()] == [1, 3]


def test_an_entry_is_one_line_whatever_is_in_it(tmp_path: Path) -> None:
    AuditLog(tmp_path).append({"what": 'a\nb\u2028c"\udcff'})
    assert len((tmp_path / NAME).read_bytes().splitlines()) == 1


def test_processes_side_by_side_lose_nothing(tmp_path: Path) -> None:
    words = (
        "import sys; from pathlib import Path; from daemon.ports.audit import AuditLog\n"
        "for n in range(50): AuditLog(Path(sys.argv[1]), most=4000).append({'n': n, 'p': 'x' * 20})"
    )
    running = [subprocess.Popen([sys.executable, "-c", words, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    for line in (*(tmp_path / OLDER).read_text().splitlines(), *(tmp_path / NAME).read_text().splitlines()):
        json.loads(line)
    lengths = [len((tmp_path / name).read_bytes()) for name in (OLDER, NAME)]
    assert max(lengths) <= 4000


def test_it_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ChaosdError, match="cannot be written"):
        AuditLog(tmp_path).append({})
    assert (tmp_path / "elsewhere").read_bytes() == b""


@pytest.mark.parametrize(
    ("verb", "goes_on"), [("halt", True), ("revert", True), ("recover", True), ("inject", False), ("resume", False)]
)
def test_what_stops_works_unrecorded_and_what_begins_does_not(tmp_path: Path, verb: str, goes_on: bool) -> None:
    said: list[str] = []
    auditor = Auditor(AuditLog(tmp_path / "gone"), FakeClock(), lambda event, **_: said.append(event))
    if goes_on:
        auditor.accepted(OPS, verb, "x")
    else:
        with pytest.raises(ChaosdError, match="not recorded"):
            auditor.accepted(OPS, verb, "x")
    assert said == ["audit.failed"]


def test_strangers_are_limited_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    clock, said = FakeClock(), list[Any]()
    auditor = Auditor(AuditLog(tmp_path), clock, lambda *words, **more: said.append((words, more)))
    refusal = RefusedError("refused", rule="token")
    for _ in range(STRANGERS_BURST + 5):
        auditor.ended(STRANGER, "halt", "", refusal)
    assert len(said) == STRANGERS_BURST
    auditor.ended(OPS, "inject", "", refusal)
    assert len(said) == STRANGERS_BURST + 1  # who has a token is never left out
    clock.advance(STRANGERS_EVERY_S)
    auditor.ended(STRANGER, "halt", "", refusal)
    assert list(AuditLog(tmp_path).entries())[-1]["unrecorded_before"] == 5
