"""``git-transport`` from the command line, through a real proxy: what it does, and that nothing of it is left."""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.guardian.killing import (
    BOTH,
    DAEMON,
    GUARDIAN,
    INSTANTS,
    Moment,
    Table,
    Victim,
    at_step,
    kill_once,
    sweep,
)
from tests.e2e.transport.proxied import Place, place
from tests.waiting import wait_for

MODES = ("cut-before", "cut-after", "slow", "hang", "refuse")
INJECTED: Moment = at_step("injected")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


def inject(here: Place, mode: str, hold: str = "60s") -> Any:
    """Inject in the background; return once the rule is in force."""
    since = here.stage.last()
    started = here.stage.start(
        "-o", "json", "inject", "git-transport", "--target", "editor", "--mode", mode, "--for", hold
    )
    wait_for("the rule", lambda: here.stage.has("injected", since) or started.over)
    assert not started.over, started.said.read_text()
    return started


def ended(started: Any) -> dict[str, Any]:
    started.process.terminate()
    started.process.wait(60)
    text = started.said.read_text()
    return dict(json.loads(text[text.index("{") :]))


def test_a_push_cut_after_the_remote_updated_is_told_in_the_proof(here: Place) -> None:
    after = here.commit("second")
    started = inject(here, "cut-after")
    pushed = here.git("push", "origin", "main")
    assert pushed.returncode != 0
    assert here.tip() == after
    document = ended(started)
    assert document["undo"]["proved"] is True
    shown = here.stage.start("-o", "json", "show", document["injection"]["id"])
    assert shown.process.wait(60) == 0
    text = shown.said.read_text()
    assert '"ways":{"report":1}' in text.replace(" ", "").replace("\n", "")
    assert here.residue() == []
    assert here.git("push", "origin", "main").stderr.strip() == "Everything up-to-date"


def test_a_proxy_killed_with_a_rule_in_force_has_it_again_and_loses_it_with_the_undo(here: Place) -> None:
    before, after = here.tip(), here.commit("second")
    started = inject(here, "cut-before")
    assert here.proxy is not None
    here.proxy.process.kill()
    here.proxy.process.wait(30)
    assert here.git("push", "origin", "main").returncode != 0, "without its proxy the worker has no remote"
    here.start_proxy()
    assert here.git("push", "origin", "main").returncode != 0
    assert here.tip() == before
    ended(started)
    assert here.residue() == []
    assert here.git("push", "origin", "main").returncode == 0
    assert here.tip() == after


def test_a_proxy_that_stays_away_leaves_no_rule_behind_and_the_undo_says_what_it_does_not_know(here: Place) -> None:
    started = inject(here, "hang")
    assert here.proxy is not None
    here.proxy.process.kill()
    here.proxy.process.wait(30)
    document = ended(started)
    assert document["undo"]["proved"] is False
    assert here.residue() == ["no proxy runs"]
    here.start_proxy()
    assert here.residue() == []
    assert here.git("fetch", "origin").returncode == 0


def test_without_a_proxy_nothing_is_injected(here: Place) -> None:
    assert here.proxy is not None
    here.proxy.process.terminate()
    assert here.proxy.process.wait(30) == 0
    tried = here.stage.start("inject", "git-transport", "--target", "editor", "--for", "1s")
    assert tried.process.wait(60) == 5
    assert "no fault proxy runs" in tried.said.read_text()
    here.start_proxy()


def victim(here: Place, mode: str) -> Victim:
    words = ("inject", "git-transport", "--target", "editor", "--mode", mode, "--for", "500ms")
    return Victim(f"git-transport/{mode}", words, here.residue)


@pytest.mark.parametrize("whom", [DAEMON, GUARDIAN, BOTH])
def test_whoever_is_killed_with_a_rule_in_force_it_is_gone_after_the_undo(here: Place, whom: str) -> None:
    assert kill_once(here.stage, victim(here, "cut-after"), whom, INJECTED) == []


@pytest.mark.torture
@pytest.mark.timeout(3 * 3600)
def test_at_every_step_and_at_random_instants_no_rule_is_left(here: Place) -> None:
    table, left = Table(), list[str]()
    try:
        for mode in MODES:
            scene = (here.stage, victim(here, mode))
            left += sweep(lambda found=scene: found, table, random.Random(mode), -(-INSTANTS // len(MODES)))  # type: ignore[misc]
    finally:
        sys.stdout.write(f"\n{table}\n")
    assert left == []
