"""The file and git ports on the real system."""

import os
import select
import signal
import tracemalloc
from contextlib import suppress
from glob import escape
from pathlib import Path

import pytest

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError, UnreachableError
from daemon.core.seams import FileStat
from daemon.ports.files import LocalFiles
from daemon.ports.git import LocalGit
from tests.integration.git.shed import git

LIKE = FileStat(
    kind="file",
    size=0,
    mode=0o444,
    mtime_ns=1_600_000_000_123_456_789,
    uid=os.geteuid(),
    gid=os.getegid(),
    inode=1,
    links=1,
)
files = LocalFiles()


def temporary(path: Path) -> str:
    return f"{path}.tmp"


# --- files -----------------------------------------------------------------------------------------------


def test_put_replaces_with_mode_and_time_and_leaves_other_links_alone(tmp_path: Path) -> None:
    path, sibling = tmp_path / "f", tmp_path / "g"
    path.write_text("old")
    os.link(path, sibling)
    Path(temporary(path)).write_text("left by a crash")
    Path(temporary(path)).chmod(0o444)
    files.put(str(path), b"new", LIKE, temporary=temporary(path))
    stat = files.lstat(str(path))
    assert stat is not None
    assert (stat.mode, stat.mtime_ns, stat.size, stat.links) == (LIKE.mode, LIKE.mtime_ns, 3, 1)
    assert sibling.read_text() == "old"
    assert files.names(str(tmp_path)) == ("f", "g")


@pytest.mark.parametrize("size", [0, 1, 100, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_file_is_read_to_its_end_whatever_its_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(range(256)) * (size // 256 + 1))
    os.truncate(path, size)
    content = path.read_bytes()
    assert files.read(str(path)) == content
    assert files.read(str(path), offset=50) == content[50:]
    assert files.read(str(path), offset=50, limit=70) == content[50:120]


def test_what_the_size_does_not_tell_is_read_all_the_same() -> None:
    # As of a file that grows meanwhile: these are of size 0 until they are read.
    assert files.read("/proc/self/status").startswith(b"Name:")
    assert len(files.read("/proc/self/smaps")) > 10_000


def test_a_small_file_is_read_with_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 100)
    files.read(str(path))
    tracemalloc.start()
    try:
        files.read(str(path))
        assert tracemalloc.get_traced_memory()[1] < 16 << 10
    finally:
        tracemalloc.stop()


def test_create_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert files.create(str(path), b"mine", LIKE, temporary=temporary(path))
    assert not files.create(str(path), b"other", LIKE, temporary=temporary(path))
    assert path.read_bytes() == b"mine"
    assert files.names(str(tmp_path)) == ("lock",)


def test_remove_gives_the_directory_its_time_back(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    assert files.remove(str(path), directory_mtime_ns=LIKE.mtime_ns)
    assert tmp_path.stat().st_mtime_ns == LIKE.mtime_ns
    assert not files.remove(str(path))


def test_directories_are_made_alike_and_removed_only_when_empty(tmp_path: Path) -> None:
    path = tmp_path / "d"
    assert files.make_directory(str(path), LIKE)
    assert not files.make_directory(str(path), LIKE)
    stat = files.lstat(str(path))
    assert stat is not None
    assert (stat.kind, stat.mode, stat.mtime_ns) == ("directory", LIKE.mode, LIKE.mtime_ns)
    (tmp_path / "d2").mkdir()
    (tmp_path / "d2" / "x").touch()
    assert not files.remove_directory(str(tmp_path / "d2"))
    assert not files.remove_directory(str(tmp_path / "d3"))
    assert files.remove_directory(str(path), directory_mtime_ns=7)
    assert tmp_path.stat().st_mtime_ns == 7


def test_reading_takes_a_range_and_follows_no_link(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    assert files.read(str(path), offset=2, limit=3) == b"234"
    assert files.read(str(path), offset=20) == b""
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "absent", "."):
        with pytest.raises(TargetAbsentError, match="not read"):
            files.read(str(tmp_path / name))
    kinds = {name: stat.kind for name in ("f", "link", "fifo", ".") if (stat := files.lstat(str(tmp_path / name)))}
    assert kinds == {"f": "file", "link": "symlink", "fifo": "other", ".": "directory"}


def test_absence_is_an_answer_not_an_error(tmp_path: Path) -> None:
    assert files.lstat(str(tmp_path / "a" / "b")) is None
    assert files.names(str(tmp_path / "a")) == ()
    assert files.glob(str(tmp_path / "*")) == ()
    assert files.resolve(str(tmp_path / "x" / ".." / "y")) == str(tmp_path.resolve() / "y")


def test_a_pattern_matches_unless_something_has_that_very_name(tmp_path: Path) -> None:
    for name in ("w1", "w2"):
        (tmp_path / name).mkdir()
    assert files.glob(str(tmp_path / "w*")) == (str(tmp_path / "w1"), str(tmp_path / "w2"))
    assert files.glob(str(tmp_path / "w[1]")) == (str(tmp_path / "w1"),)
    (tmp_path / "w[1]").mkdir()
    assert files.glob(str(tmp_path / "w[1]")) == (str(tmp_path / "w[1]"),)  # what is called so is what is meant
    assert files.glob(escape(str(tmp_path / "w[1]"))) == (str(tmp_path / "w[1]"),)


def test_a_change_that_fails_leaves_no_temporary_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(ChaosdError, match="not changed"):
        files.put(str(tmp_path / "d"), b"x", LIKE, temporary=str(tmp_path / "t"))
    with pytest.raises(TargetAbsentError, match="not changed"):
        files.put(str(tmp_path / "no" / "f"), b"x", LIKE, temporary=str(tmp_path / "no" / "t"))
    files.remove(str(tmp_path / "t"))
    assert files.names(str(tmp_path)) == ("d",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be refused as somebody else here")
def test_what_is_not_permitted_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises((RefusedError, TargetAbsentError)):
            files.put(str(tmp_path / "f"), b"x", LIKE, temporary=str(tmp_path / "t"))
    finally:
        os.seteuid(0)
    assert files.names(str(tmp_path)) == ()


# --- git -------------------------------------------------------------------------------------------------


def test_git_answers_with_code_and_both_streams(clone: Path) -> None:
    done = LocalGit().run(str(clone), "rev-parse", "HEAD")
    assert (done.code, done.out.strip(), done.err) == (0, git(clone, "rev-parse", "HEAD"), "")
    assert LocalGit().run(str(clone), "rev-parse", "--verify", "nonsense").code == 128
    assert LocalGit().run(str(clone), "hash-object", "--stdin", stdin="hello\n").out.startswith("ce013625")


def test_git_never_works_on_a_repository_further_up(clone: Path) -> None:
    inner = clone / "inner"
    inner.mkdir()
    done = LocalGit().run(str(inner), "rev-parse", "--git-dir")
    assert done.code == 128
    assert "not a git repository" in done.err


def test_inherited_variables_do_not_point_git_elsewhere(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent")
    assert LocalGit().run(str(clone), "status").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_a_clone_of_another_user_can_be_looked_at(clone: Path) -> None:
    for path in (clone, *clone.rglob("*")):
        os.chown(path, 12345, 12345)
    assert LocalGit().run(str(clone), "status").code == 0


def test_a_status_of_a_clone_with_old_times_writes_no_index(clone: Path) -> None:
    (clone / "README.md").touch()
    before = (clone / ".git/index").stat().st_mtime_ns
    assert LocalGit().run(str(clone), "status").code == 0
    assert (clone / ".git/index").stat().st_mtime_ns == before


def test_the_program_a_clone_names_as_its_monitor_is_not_started(clone: Path) -> None:
    program = clone.parent / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {clone.parent}/started\n")
    program.chmod(0o755)
    git(clone, "config", "core.fsmonitor", str(program))
    assert LocalGit().run(str(clone), "status").code == 0
    assert not (clone.parent / "started").exists()


def test_a_command_that_hangs_is_ended_with_its_children(clone: Path) -> None:
    pid_file = clone.parent / "pid"
    alias = f"alias.hang=!echo $$ > {pid_file}; trap '' TERM; while :; do sleep 60 & wait; done"
    with pytest.raises(UnreachableError, match="did not end within"):
        LocalGit().run(str(clone), "-c", alias, "hang", timeout_s=0.3)
    with suppress(ProcessLookupError):  # gone, or dead and waiting for a parent that reaps it
        assert select.select([os.pidfd_open(int(pid_file.read_text()))], [], [], 5)[0]


def test_the_end_by_a_signal_is_a_negative_code(clone: Path) -> None:
    done = LocalGit().run(str(clone), "-c", "alias.die=!kill -SEGV $PPID", "die")
    assert done.code == -signal.SIGSEGV


def test_output_that_is_no_text_is_kept(clone: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (clone / name).write_text("x")
    done = LocalGit().run(str(clone), "-c", "core.quotePath=false", "status", "--porcelain", "-z")
    assert name in done.out


def test_no_directory_and_no_git_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TargetAbsentError, match="no directory"):
        LocalGit().run(str(tmp_path / "absent"), "status")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetAbsentError, match="git cannot be started"):
        LocalGit().run(str(tmp_path), "status")
