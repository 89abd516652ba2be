"""Every active fault has a deadline on disk, and somebody who holds to it."""

from contextlib import suppress
from pathlib import Path

from daemon.core.errors import ChaosdError
from daemon.core.events import State, Verdict
from daemon.engine.watchman import Nobody
from daemon.ports.keep import Keep
from tests.engine_kit import Kit, request


def test_the_deadline_is_on_disk_before_anything_is_touched(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    began_s = kit.world.clock.instant().wall_s
    found = kit.control.run(request(duration_s=5))
    assert found.deadline is not None
    assert began_s + 5 <= found.deadline.wall_s <= began_s + 5 + 10
    assert kit.watchman.armed == ["inj-0"]
    assert [name for _, name in kit.watchman.heard if name != "Observed"][:2] == ["Proposed", "Planned"]


def test_without_a_guardian_nothing_is_injected(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    kit.watchman.absent = True
    run = kit.control.start(request())
    run.done.wait(10)
    assert run.error is not None
    assert "no guardian" in run.error.message
    found = kit.store.injection("inj-0")
    assert found is not None
    assert found.undo is None
    assert kit.lamp is not None
    assert kit.lamp.writes == 0


def test_a_guardian_lost_at_the_last_moment_keeps_the_fault_from_being_injected(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    kit.watchman.arm = Nobody().arm  # type: ignore[method-assign]
    found = kit.control.run(request())
    assert kit.lamp is not None
    assert kit.lamp.writes == 0
    assert found.state is State.REVERTED
    assert found.judgement is not None
    assert found.judgement.verdict is Verdict.INCONCLUSIVE
    assert "no guardian" in found.judgement.reasons[0]


def test_what_another_process_reverted_meanwhile_is_noticed_and_not_reverted_twice(tmp_path: Path) -> None:
    """The daemon was stopped in the middle; the guardian's reverter was there."""
    kit = Kit(tmp_path)

    def other() -> None:
        survivor = Kit(tmp_path, lamp=kit.lamp)
        survivor.reverter.rescue("inj-0", "chaosd hung past the deadline", ended=False)
        survivor.store.close()

    kit.world.clock.at(3, other)
    found = kit.control.run(request(duration_s=5))
    assert found.state is State.REVERTED
    assert found.judgement is not None
    assert found.judgement.verdict is Verdict.ABORTED
    assert "hung past the deadline" in found.judgement.reasons[0]
    rows = kit.store._db.execute("SELECT count(*) FROM event WHERE kind = 'reverted'").fetchone()
    assert rows[0] == 1
    assert [name for _, name in kit.watchman.heard].count("Reverted") == 1, "the listeners are told of it here"
    assert kit.lamp is not None
    assert (kit.lamp.light, kit.lamp.writes) == ("good", 2)


def test_a_rescue_of_a_daemon_that_ended_closes_its_experiment(tmp_path: Path) -> None:
    kit = Kit(tmp_path)

    def die() -> None:
        raise SystemExit

    kit.world.clock.at(3, die)
    with suppress(SystemExit):
        kit.control.run(request(duration_s=5, broken="revert"))
    kit.store.close()
    survivor = Kit(tmp_path, lamp=kit.lamp)
    found = survivor.reverter.rescue("inj-0", "chaosd ended", ended=True)
    assert found.judgement is not None
    assert found.judgement.verdict is Verdict.UNDO_FAILED
    survivor.store.close()


def test_a_rescue_goes_by_the_copy_where_the_journal_was_removed(tmp_path: Path) -> None:
    kit, undone = Kit(tmp_path), []
    kit.store.keep = Keep(tmp_path)

    def removed() -> None:
        """Somebody tidies up while the fault is active, and the daemon is gone a moment later."""
        for file in tmp_path.glob("journal.sqlite*"):
            file.unlink()
        survivor = Kit(tmp_path, lamp=kit.lamp)
        survivor.store.keep = Keep(tmp_path)
        undone.append(survivor.reverter.rescue("inj-0", "chaosd ended", ended=False).state)
        survivor.store.close()

    kit.world.clock.at(3, removed)
    kit.control.run(request(duration_s=5))
    assert undone == [State.REVERTED]
    assert kit.lamp is not None
    assert kit.lamp.light == "good"


def test_what_was_judged_before_a_rescue_took_it_back_is_judged_anew(tmp_path: Path) -> None:
    """The daemon could not even ask for the lease (no descriptor left), judged, and its guardian could."""
    kit = Kit(tmp_path)

    def refused(_: str) -> None:
        raise ChaosdError("not reverting: too many open files")

    kit.reverter.finish = refused  # type: ignore[method-assign,assignment]
    with suppress(ChaosdError):
        kit.control.run(request(duration_s=5))
    judged = kit.store.injection("inj-0")
    assert judged is not None
    assert judged.judgement is not None
    assert judged.judgement.verdict is Verdict.UNDO_FAILED
    kit.reverter.rescue("inj-0", "chaosd hung past the deadline", ended=False)
    found = kit.store.injection("inj-0")
    assert found is not None
    assert found.judgement is not None
    assert (found.state, found.judgement.verdict) == (State.REVERTED, Verdict.NOT_RECOVERED)
