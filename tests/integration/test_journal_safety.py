"""What keeps an undo on record: copies, the reserve, checksums, identity; and the care of the file."""

import dataclasses
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from daemon.core import events
from daemon.core.errors import BusyError, ForeignStateError, JournalDamagedError, JournalError, JournalFullError
from daemon.core.model import Phase
from daemon.core.verdict import judge
from daemon.ports import keep as keep_port
from daemon.ports import upkeep
from daemon.ports.journal import Journal
from daemon.ports.keep import Keep
from daemon.ports.migrations import MIGRATIONS
from daemon.ports.settling import settle
from daemon.ports.state import StateDirectory
from tests.integration.test_journal import ALL, AT, PLAN, SEEN

NOW_S = 1_750_000_000.0
PROPOSED, PLANNED, INJECTED, REVERTED, JUDGED = ALL[0], ALL[3], ALL[4], ALL[7], ALL[8]
LOOK = events.Observed(phase=Phase.BEFORE, observation=SEEN)


def proposed(injection: str) -> events.Proposed:
    return events.Proposed(plan=dataclasses.replace(PLAN, injection=injection))


def opened(directory: Path, now_s: float = NOW_S) -> Journal:
    return Journal(directory / "journal.sqlite", clock_s=lambda: now_s, keep=Keep(directory))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = opened(tmp_path)
    settle(made)
    yield made
    made.close()


def active(journal: Journal, injection: str = "i1") -> None:
    journal.append(injection, proposed(injection))
    journal.append(injection, PLANNED)
    journal.append(injection, INJECTED)


# --- copies ------------------------------------------------------------------------------------------------


def test_a_copy_is_there_from_the_intent_until_the_undo_is_on_record(journal: Journal, tmp_path: Path) -> None:
    keep = Keep(tmp_path)
    active(journal)
    assert keep.names() == ("i1",)
    assert journal.kept("i1") == events.fold([proposed("i1"), PLANNED])
    journal.append("i1", ALL[6])
    assert keep.names() == ("i1",), "a failed revert keeps it"
    journal.append("i1", REVERTED)
    assert keep.names() == ()
    assert journal.kept("i1") is None


def test_a_copy_with_a_flipped_bit_is_none(journal: Journal, tmp_path: Path) -> None:
    active(journal)
    path = tmp_path / "undo/i1.json"
    body = bytearray(path.read_bytes())
    body[-5] ^= 1
    path.write_bytes(body)
    assert journal.kept("i1") is None


def test_an_intent_whose_copy_cannot_be_written_is_no_intent(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    journal.append("i1", proposed("i1"))
    monkeypatch.setattr(keep_port.os, "fsync", full)
    with pytest.raises(JournalFullError, match="nothing is injected without it"):
        journal.append("i1", PLANNED)
    assert journal.outstanding() == ()
    assert list((tmp_path / "undo").iterdir()) == []


@pytest.mark.parametrize("way", ["moved", "replaced", "behind a link"])
def test_in_a_directory_that_is_another_by_now_there_is_no_intent(tmp_path: Path, way: str) -> None:
    directory, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    directory.mkdir(mode=0o700)
    journal = opened(directory)
    settle(journal)
    journal.append("i1", proposed("i1"))
    directory.rename(elsewhere)
    if way == "replaced":
        directory.mkdir(mode=0o700)
    elif way == "behind a link":
        (tmp_path / "other").mkdir()
        directory.symlink_to("other")
    assert journal.keep is not None
    assert not journal.keep.roomy
    with pytest.raises(JournalError, match="moved, removed or replaced"):
        journal.append("i1", PLANNED)
    assert journal.outstanding() == ()
    if directory.is_dir():
        assert not (directory / "undo").exists()
    journal.close()


def test_a_journal_that_lost_an_intent_is_damaged(tmp_path: Path) -> None:
    first = opened(tmp_path)
    settle(first)
    first.append("i1", proposed("i1"))
    shutil.copy(tmp_path / "journal.sqlite", tmp_path / "old")
    first.append("i1", PLANNED)
    first.close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        db.execute("DELETE FROM event WHERE kind = 'planned'")
    db.close()
    (tmp_path / "identity").unlink()
    second = opened(tmp_path)
    with pytest.raises(JournalDamagedError, match="lost the intent of i1"):
        settle(second)
    second.close()


def test_a_copy_whose_undo_is_on_record_is_tidied_away(journal: Journal, tmp_path: Path) -> None:
    active(journal)
    left = (tmp_path / "undo/i1.json").read_bytes()
    journal.append("i1", REVERTED)
    (tmp_path / "undo/i1.json").write_bytes(left)  # as after a crash between the two
    (tmp_path / "undo/i2.new").write_bytes(left)
    settle(journal)
    assert list((tmp_path / "undo").iterdir()) == []


def test_what_an_older_version_left_gets_its_copy(tmp_path: Path) -> None:
    old = Journal(tmp_path / "journal.sqlite", clock_s=lambda: NOW_S)
    active(old)
    old.close()
    new = opened(tmp_path)
    settle(new)
    assert Keep(tmp_path).names() == ("i1",)
    new.close()


# --- reserve -----------------------------------------------------------------------------------------------


def test_the_reserve_takes_real_space_and_is_asked_for_before_every_intent(
    journal: Journal, tmp_path: Path
) -> None:
    reserve = tmp_path / "reserve"
    assert reserve.stat().st_size == keep_port.RESERVE_BYTES
    assert reserve.stat().st_blocks * 512 >= keep_port.RESERVE_BYTES
    reserve.unlink()
    active(journal)
    assert reserve.stat().st_size == keep_port.RESERVE_BYTES


def test_without_room_for_the_reserve_there_is_no_intent(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    journal.append("i1", proposed("i1"))
    assert Keep(journal.path.parent).spend()
    monkeypatch.setattr(keep_port, "_allocate", full)
    with pytest.raises(JournalFullError, match="no room"):
        journal.append("i1", PLANNED)
    assert journal.outstanding() == ()
    assert not (journal.path.parent / "reserve").exists()


# --- checksums ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["injection", "kind", "at_s", "body"])
def test_a_changed_record_is_damage_and_never_another_history(tmp_path: Path, column: str) -> None:
    journal = opened(tmp_path)
    active(journal)
    values = {"injection": "'i2'", "kind": "'aborted'", "at_s": "1.5", "body": "replace(body, 'oops', 'fine')"}
    with sqlite3.connect(journal.path) as db:
        db.execute(f"UPDATE event SET {column} = {values[column]} WHERE kind = 'injected'")  # noqa: S608
    db.close()
    with pytest.raises(JournalDamagedError, match=r"record 3 of injection 'i[12]' is damaged"):
        journal.injection("i2" if column == "injection" else "i1")
    assert any("record 3" in line for line in upkeep.look(journal.path).findings)
    journal.close()


def test_records_of_a_version_without_checksums_are_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(f"{MIGRATIONS[0]};PRAGMA user_version=1")
        row = ("i1", "proposed", 1.0, msgspec.json.encode(PROPOSED))
        db.execute("INSERT INTO event (injection, kind, at_s, body) VALUES (?, ?, ?, ?)", row)
    db.close()
    for readonly in (True, False):
        journal = Journal(path, clock_s=lambda: 0.0, readonly=readonly)
        assert [i.plan.injection for i in journal.recent()] == ["i1"]
        journal.close()


# --- whose it is -------------------------------------------------------------------------------------------


def test_a_copied_state_directory_is_foreign_until_it_is_adopted(tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    first = opened(original)
    settle(first)
    active(first)
    first.close()
    shutil.copytree(original, copy)
    second = opened(copy)
    with pytest.raises(ForeignStateError, match="journal adopt"):
        settle(second)
    second.adopt()
    settle(second)
    second.close()
    moved = original.rename(tmp_path / "moved")
    third = opened(moved)
    settle(third)  # another name is not another place
    third.close()


@pytest.mark.parametrize("loss", ["older", "empty", "gone", "another"])
def test_a_journal_that_lost_its_end_is_damaged(tmp_path: Path, loss: str) -> None:
    path = tmp_path / "journal.sqlite"
    first = opened(tmp_path)
    settle(first)
    active(first)
    first.close()
    older = path.read_bytes()
    again = opened(tmp_path)
    again.append("i1", REVERTED, JUDGED)
    settle(again)
    again.close()
    if loss == "older":
        path.write_bytes(older)
    elif loss == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    if loss == "another":
        other = Journal(path, clock_s=lambda: NOW_S)
        other.append("i9", PROPOSED, *[LOOK] * 50)
        other.close()
    last = opened(tmp_path)
    with pytest.raises(JournalDamagedError, match="cut, emptied, or put back"):
        settle(last)
    last.close()


# --- two engines -------------------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from daemon.ports.state import StateDirectory
with StateDirectory(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


@pytest.mark.parametrize("way", ["lock file removed", "symlink"])
def test_two_engines_are_impossible_whatever_the_path_and_the_lock_file(tmp_path: Path, way: str) -> None:
    state = tmp_path / "state"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    path = state
    if way == "symlink":
        path = tmp_path / "link"
        path.symlink_to(state)
    else:
        (state / "lock").unlink()
    with pytest.raises(BusyError, match="another chaosd"), StateDirectory(path):
        pass
    holder.communicate("\n", timeout=30)
    with StateDirectory(path):
        pass


# --- a clock set back --------------------------------------------------------------------------------------


def test_setting_the_clock_back_frees_no_budget_and_keeps_the_order(tmp_path: Path) -> None:
    now_s = [NOW_S]
    journal = Journal(tmp_path / "journal.sqlite", clock_s=lambda: now_s[0])
    active(journal, "i1")
    now_s[0] -= 3600
    active(journal, "i2")
    since = datetime.fromtimestamp(now_s[0] - 60, UTC)
    assert journal.started(since=since) == (now_s[0], now_s[0]), "what is ahead of the clock counts as now"
    assert [i.plan.injection for i in journal.recent()] == ["i1", "i2"]
    assert [i.plan.injection for i in journal.recent(most=1)] == ["i2"]
    assert [i.plan.injection for i in journal.outstanding()] == ["i2", "i1"], "newest first, by what was done"
    journal.close()


# --- care --------------------------------------------------------------------------------------------------


def past(directory: Path, looks: int = 50) -> Journal:
    """Four injections: judged long ago, judged now, outstanding, not judged."""
    journal = opened(directory, now_s=1000.0)
    for name in ("old", "left"):
        journal.append(name, proposed(name), *[LOOK] * looks, PLANNED, INJECTED)
    journal.append("old", REVERTED, JUDGED)
    journal.append("left", ALL[6], JUDGED)
    journal.append("open", proposed("open"), *[LOOK] * looks)
    journal.close()
    journal = opened(directory)
    journal.append("young", proposed("young"), *[LOOK] * looks, PLANNED, REVERTED, JUDGED)
    return journal


def test_compacting_removes_old_looks_and_nothing_else(tmp_path: Path) -> None:
    journal = past(tmp_path)
    before = {i.plan.injection: i for i in journal.recent()}
    assert upkeep.compact(journal.path, judged_before_s=NOW_S - 10, at=AT) == (1, 50)
    after = {i.plan.injection: i for i in journal.recent()}
    assert {n for n, i in after.items() if i.compacted} == {"old"}
    assert {n: dataclasses.replace(i, compacted=None) for n, i in after.items()} == before
    assert [i.plan.injection for i in journal.outstanding()] == ["left"]
    old = journal.injection("old")
    assert old is not None
    assert judge(old) == old.judgement, "it cannot be judged again, so its verdict stands"
    assert upkeep.compact(journal.path, judged_before_s=NOW_S - 10, at=AT) == (0, 0)
    assert upkeep.look(journal.path).sound
    journal.close()


COMPACT = """
import sys
from pathlib import Path
from daemon.core.model import Instant
from daemon.ports import upkeep
print("now", flush=True)
upkeep.compact(Path(sys.argv[1]), judged_before_s=1_749_999_990.0, at=Instant(1.0, 1.0))
"""


def test_killed_while_compacting_it_is_the_old_journal_or_the_new(tmp_path: Path) -> None:
    dice, ends = random.Random(1), set[int]()
    past(tmp_path, looks=4000).close()
    for number in range(6):
        copy = tmp_path / str(number)
        copy.mkdir()
        shutil.copy(tmp_path / "journal.sqlite", copy)
        path = copy / "journal.sqlite"
        process = subprocess.Popen([sys.executable, "-c", COMPACT, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        with suppress(subprocess.TimeoutExpired):
            process.wait(dice.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        found = upkeep.look(path)
        assert found.findings == []
        ends.add(sum(row[2] == "observed" for row in found.rows.values()))
        assert found.outstanding() == ("left",)
    assert ends <= {16_000, 12_000}, "neither the old nor the new"


def test_a_backup_is_whole_private_and_taken_beside_a_writer(journal: Journal, tmp_path: Path) -> None:
    active(journal)
    numbers = iter(range(1000))

    def meanwhile() -> None:
        journal.append("i1", *[LOOK] * (next(numbers) % 5 + 1))

    target = tmp_path / "backup.sqlite"
    upkeep.backup(journal.path, target, progress=meanwhile)
    assert target.stat().st_mode & 0o777 == 0o600
    assert upkeep.look(target).findings == []
    assert upkeep.look(target).outstanding() == ("i1",)


def test_salvage_keeps_what_is_readable_and_names_what_is_not(tmp_path: Path) -> None:
    journal = past(tmp_path)
    active(journal, "i1")
    journal.close()
    content = bytearray((tmp_path / "journal.sqlite").read_bytes())
    content[8 * 4096 : 9 * 4096] = bytes(4096)
    (tmp_path / "journal.sqlite").write_bytes(content)
    (tmp_path / "undo/lost.json").write_bytes(b"garbage")
    target = tmp_path / "saved.sqlite"
    saved = upkeep.salvage(tmp_path / "journal.sqlite", target, Keep(tmp_path), clock_s=lambda: NOW_S)
    assert saved.findings
    assert [line.split(":")[0] for line in saved.unaccounted] == ["lost"]
    again = Journal(target, clock_s=lambda: NOW_S)
    assert "i1" in [i.plan.injection for i in again.outstanding()]
    again.close()
    assert upkeep.look(target).sound


def test_every_lost_beginning_is_made_up_for_by_the_copy(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    active(journal)
    journal.close()
    (tmp_path / "journal.sqlite").write_bytes(b"not a journal at all" * 400)
    saved, damaged = upkeep.replace(tmp_path / "journal.sqlite", Keep(tmp_path), at="then", clock_s=lambda: NOW_S)
    assert (saved.records, saved.unaccounted) == (0, ())
    assert damaged.read_bytes().startswith(b"not a journal")
    again = opened(tmp_path)
    settle(again)
    assert [i.plan.injection for i in again.outstanding()] == ["i1"]
    again.close()
