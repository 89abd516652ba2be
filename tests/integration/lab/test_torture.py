"""The worker, disturbed at random: it must stay correct, or nothing measured against it means anything."""

import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import wait_for

SEED = 20_260_101


def _truncate(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:7])


def _some_object(clone: Path, dice: random.Random) -> Path:
    return dice.choice(sorted((clone / ".git" / "objects").glob("[0-9a-f][0-9a-f]/*")))


def _some_ref(clone: Path, dice: random.Random) -> Path:
    return dice.choice(sorted(p for p in (clone / ".git" / "refs" / "heads").rglob("*") if p.is_file()))


DAMAGE: tuple[Callable[[Path, random.Random], object], ...] = (
    lambda clone, _: (clone / ".git" / "index.lock").touch(),
    lambda clone, _: (clone / ".git" / "HEAD").write_text("garbage\n"),
    lambda clone, _: _truncate(clone / ".git" / "index"),
    lambda clone, dice: _truncate(_some_object(clone, dice)),
    lambda clone, dice: _some_object(clone, dice).unlink(),
    lambda clone, dice: _some_ref(clone, dice).write_text(""),
)


def _disturb(bench: Any, dice: random.Random) -> None:
    tasks = bench.pids()
    kind = dice.randrange(4)
    if kind == 0 and tasks:
        os.kill(dice.choice(sorted(tasks.values())), signal.SIGKILL)
    elif kind == 1 and tasks:
        bench.aws.ecs.stop_task(cluster=bench.info.cluster, task=dice.choice(sorted(tasks)))
    else:
        dice.choice(DAMAGE)(dice.choice(bench.clones()), dice)


@pytest.mark.torture
@pytest.mark.timeout(400)
def test_nothing_is_lost_or_done_twice_whatever_happens(bench: Any) -> None:
    dice, pause = random.Random(SEED), threading.Event()
    threads = [bench.thread for _ in range(5)]
    messages = []
    for _ in range(40):
        messages += [bench.message(dice.choice(threads)) for _ in range(3)]
        for message in messages[-3:]:
            bench.send(message)
        pause.wait(0.8)
        try:
            _disturb(bench, dice)
        except (OSError, IndexError):
            continue  # the victim was replaced under our hands

    def settled() -> bool:
        dead = bench.counts(bench.info.dead_letter_queue_url)
        return bench.counts(bench.info.input_queue_url) == (0, 0) and dead == (0, 0)

    wait_for("an empty queue, and no dead letters", settled, timeout_s=180)
    wrong = {
        message["commandId"]: found
        for message in messages
        if (found := bench.effects(message["instruction"])) != {f"thread-{message['chatThreadId']}": 1}
    }
    assert wrong == {}
