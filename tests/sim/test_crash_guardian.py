"""The daemon dies at every step; the guardian, who knows only what it was told, must put the light on alone."""

from contextlib import suppress
from pathlib import Path

from daemon.engine.reverter import Recovered
from tests.engine_kit import Deadly, Kit, Lamp, request
from tests.fakes import Death


def moments_of_one_run(directory: Path) -> int:
    directory.mkdir()
    kit = Kit(directory)
    kit.control.run(request())
    return kit.deadly.moments


def run_until(directory: Path, dies_at: int) -> Kit:
    directory.mkdir(exist_ok=True)
    kit = Kit(directory, deadly=Deadly(dies_at=dies_at))
    with suppress(Death):
        kit.control.run(request())
    kit.store.close()
    return kit


def rescue(directory: Path, dead: Kit, *, dies_at: int = 0) -> Kit:
    """Do what the guardian's reverter does: from the ids it was told alone; it may die itself."""
    assert dead.lamp is not None
    deadly = Deadly(dies_at=dies_at)
    reverter = Kit(directory, deadly=deadly, lamp=Lamp(deadly.moment))
    assert reverter.lamp is not None
    reverter.lamp.light = dead.lamp.light
    with suppress(Death):
        for injection in dead.watchman.armed:
            reverter.reverter.rescue(injection, "chaosd ended", ended=True)
    reverter.watchman.armed = dead.watchman.armed
    reverter.store.close()
    return reverter


def test_wherever_the_daemon_dies_the_guardian_alone_leaves_the_lamp_on(tmp_path: Path) -> None:
    armed = 0
    for dies_at in range(1, moments_of_one_run(tmp_path / "count") + 1):
        dead = run_until(tmp_path / str(dies_at), dies_at)
        after = rescue(tmp_path / str(dies_at), dead)
        assert after.lamp is not None
        assert after.lamp.light == "good", f"still dark after dying at moment {dies_at}"
        armed += bool(dead.watchman.armed)
    assert armed > 10


def test_wherever_the_reverter_dies_too_the_next_one_leaves_the_lamp_on(tmp_path: Path) -> None:
    total = moments_of_one_run(tmp_path / "count")
    dark = next(
        n
        for n in range(1, total)
        if run_until(tmp_path / f"try-{n}", n).lamp.light != "good"  # type: ignore[union-attr]
    )
    for again_at in range(1, 12):
        directory = tmp_path / f"again-{again_at}"
        dead = run_until(directory, dark + 1)
        assert dead.lamp is not None
        assert dead.lamp.light != "good"
        half = rescue(directory, dead, dies_at=again_at)
        whole = rescue(directory, half)
        assert whole.lamp is not None
        assert whole.lamp.light == "good", f"still dark after the reverter died at its moment {again_at}"
        last = Kit(directory, lamp=whole.lamp)
        assert last.journal.outstanding() == ()
        assert last.control.recover() == Recovered()
        last.store.close()
