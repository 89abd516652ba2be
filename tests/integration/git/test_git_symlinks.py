"""A directory swapped for a symbolic link between look and touch: nothing behind the link is ever changed."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.core.errors import ChaosdError, RefusedError, UndoFailedError
from daemon.ports.files import LocalFiles
from faults.git.corrupt import GitCorrupt
from faults.git.lock import GitLock
from tests.fakes import FakeWorld, Switch
from tests.integration.git.shed import order_of, picture
from tests.integration.git.test_git_ports import LIKE, temporary

files = LocalFiles()
FAULTS = [(GitLock, "index-lock"), (GitCorrupt, "head-garbage"), (GitCorrupt, "loose-object-missing")]
each_fault = pytest.mark.parametrize(("fault", "mode"), FAULTS, ids=[mode for _, mode in FAULTS])


@pytest.fixture
def outside(clone: Path, tmp_path: Path) -> Path:
    """A second clone, alike to the byte, so that whoever is led there finds everything in order."""
    path = tmp_path / "elsewhere" / "clone"
    shutil.copytree(clone, path, symlinks=True)
    return path


def replace_by_link(path: Path, outside: Path) -> Path:
    """Move a directory away and leave a link to another one in its place; return where it is now."""
    away = path.with_name(f"{path.name}-away")
    path.rename(away)
    path.symlink_to(outside)
    return away


# --- one change ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda f: files.put(f, b"x", LIKE, temporary=temporary(Path(f))),
        lambda f: files.create(f"{f}2", b"x", LIKE, temporary=temporary(Path(f))),
        files.remove,
        lambda f: files.make_directory(f"{f}2", LIKE),
        lambda f: files.remove_directory(str(Path(f).parent / "empty")),
        lambda f: files.set_mtime(f, 1),
        lambda f: files.read(f, straight=True),
    ],
    ids=["put", "create", "remove", "make_directory", "remove_directory", "set_mtime", "read"],
)
@pytest.mark.parametrize("depth", ["a", "a/b"])
def test_no_change_follows_a_link_on_the_way(change: Any, depth: str, tmp_path: Path) -> None:
    real = tmp_path / "real" / "b"
    real.mkdir(parents=True)
    (real / "file").write_text("theirs")
    (real / "empty").mkdir()
    (tmp_path / "a").mkdir() if depth == "a/b" else (tmp_path / "a").symlink_to(real.parent)
    if depth == "a/b":
        (tmp_path / "a" / "b").symlink_to(real)
    before = picture(tmp_path)
    with pytest.raises(RefusedError, match="symbolic link") as caught:
        change(str(tmp_path / "a" / "b" / "file"))
    assert caught.value.rule == "changed"
    assert picture(tmp_path) == before


@pytest.mark.parametrize("path", ["relative/f", "/srv/../etc/f", "/srv/./f", "//srv/f"])
def test_only_a_real_path_is_changed(path: str) -> None:
    with pytest.raises(RefusedError, match="no real path"):
        files.remove(path)


def test_a_temporary_elsewhere_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not beside"):
        files.put(str(tmp_path / "f"), b"x", LIKE, temporary="/elsewhere")


# --- a fault ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "mode", "swapped"),
    [(f, m, s) for f, m in FAULTS for s in (".", ".git")] + [(*FAULTS[-1], ".git/objects")],
)
def test_an_injection_into_what_became_a_link_touches_nothing(
    fault: Any, mode: str, swapped: str, clone: Path, outside: Path, world: FakeWorld
) -> None:
    undo = fault(mode=mode).prepare(order_of(clone), world)
    before = picture(outside)
    away = replace_by_link(clone / swapped, outside / swapped)
    own = picture(away)
    with pytest.raises(RefusedError):
        fault.inject(undo, world, Switch())
    assert picture(outside) == before
    assert picture(away) == own


@each_fault
@pytest.mark.parametrize("theirs", [True, False], ids=["another clone", "our own, moved"])
def test_a_revert_through_a_link_is_refused_and_succeeds_when_the_directory_is_back(
    fault: Any, mode: str, theirs: bool, clone: Path, outside: Path, world: FakeWorld
) -> None:
    healthy = picture(clone)
    undo = fault(mode=mode).prepare(order_of(clone), world)
    fault.inject(undo, world, Switch())
    away = clone.with_name("clone-away")
    clone.rename(away)
    clone.symlink_to(outside if theirs else away)
    before = picture(outside), picture(away)
    with pytest.raises(UndoFailedError, match="the world has changed"):
        fault.revert(undo, world)
    assert (picture(outside), picture(away)) == before
    clone.unlink()
    away.rename(clone)
    fault.revert(undo, world)
    assert picture(clone) == healthy


def test_an_undo_record_that_names_a_path_outside_is_refused(clone: Path, outside: Path, world: FakeWorld) -> None:
    undo = GitLock(mode="index-lock").prepare(order_of(clone), world)
    for forged in (f"{outside}/.git/index.lock", f"{clone}/.git/../../elsewhere/clone/.git/index.lock"):
        data: Any = {**undo.data, "edits": [{**undo.data["edits"][0], "path": forged}]}  # type: ignore[index,dict-item,call-overload]
        for verb in (lambda u: GitLock.inject(u, world, Switch()), lambda u: GitLock.revert(u, world)):
            with pytest.raises(RefusedError, match="outside of"):
                verb(replace(undo, data=data))


# --- at the same moment ----------------------------------------------------------------------------------


@contextmanager
def swapping(path: Path, outside: Path) -> Iterator[list[int]]:
    """Swap a directory and a link to another one, as fast as this machine can, until the context ends."""
    over, swaps = threading.Event(), [0]
    away = path.with_name(f"{path.name}-away")

    def swap() -> None:
        while not over.is_set():
            os.rename(path, away)  # noqa: PTH104  the plain calls: nothing between them
            os.symlink(outside, path)  # noqa: PTH211
            os.unlink(path)  # noqa: PTH108
            os.rename(away, path)  # noqa: PTH104
            swaps[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield swaps
    finally:
        over.set()
        thread.join()


def beset(fault: Any, swapped: str, clone: Path, outside: Path, world: FakeWorld, swaps_least: int) -> None:
    """Inject and revert under fire until there were that many swaps; in peace again, everything can be undone."""
    order = order_of(clone, allow=(str(clone),))
    before, healthy, undos = picture(outside), contents(clone), [fault.prepare(order, world)]
    with swapping(clone / swapped, outside / swapped) as swaps:
        while swaps[0] < swaps_least:
            with suppress(ChaosdError):  # looked at in peace, touched under fire
                fault.inject(undos[0], world, Switch())
            with suppress(ChaosdError):
                fault.revert(undos[0], world)
            with suppress(ChaosdError):  # and looked at under fire too
                undos.append(fault.prepare(replace(order, dice=Random(len(undos))), world))
                fault.inject(undos[-1], world, Switch())
            with suppress(ChaosdError):
                fault.revert(undos[-1], world)
    assert picture(outside) == before
    for undo in reversed(undos):  # at a moment without a directory, "gone" was a true answer
        fault.revert(undo, world)
    assert contents(clone) == healthy


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@each_fault
@pytest.mark.parametrize("swapped", [".", ".git"])
def test_swapping_under_our_hands_never_leads_us_out(
    fault: Any, mode: str, swapped: str, clone: Path, outside: Path, world: FakeWorld
) -> None:
    beset(fault(mode=mode), swapped, clone, outside, world, 2_000)


@pytest.mark.torture
@each_fault
@pytest.mark.parametrize("swapped", [".", ".git"])
def test_swapping_for_long_never_leads_us_out(
    fault: Any, mode: str, swapped: str, clone: Path, outside: Path, world: FakeWorld
) -> None:
    beset(fault(mode=mode), swapped, clone, outside, world, 50_000)
