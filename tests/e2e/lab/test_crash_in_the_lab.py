"""SIGKILL for chaosd, its guardian or both while tasks, processes and queues are disturbed: nothing is left."""

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daemon.lab.model import TAG_KEY, TAG_VALUE
from tests.e2e.guardian.killing import (
    BOTH,
    DAEMON,
    INSTANTS,
    STEP,
    Moment,
    Table,
    Victim,
    at_step,
    kill_once,
    play,
    sweep,
)
from tests.e2e.guardian.kit import Stage, gone
from tests.e2e.journal.stage import fill, small_disk, truncate
from tests.e2e.lab.conftest import CREDENTIALS, Bench
from tests.waiting import wait_for

TASKS = 2
REPLACED_S = 10.0
DAMAGES = int(os.environ.get("CHAOSD_DAMAGES", "20"))  # a fault; half fill the disk, half cut the journal
OTHERS = 3  # messages of somebody else that wait in a queue
FAULTS = (
    "ecs-task-stop",
    "ecs-scale",
    "ecs-redeploy",
    "process-kill",
    "interrupt-signal",
    "sqs-burst",
    "interrupt-message",
    "sqs-hold",
    "sqs-duplicate",
    "sqs-poison",
    "sqs-head-of-line",
    "sqs-reorder",
)
WAITED_ON = {
    "sqs-hold": "edit-others",
    "sqs-duplicate": "edit-others",
    "sqs-reorder": "edit-others",
    "sqs-head-of-line": "edit-others.fifo",
}
Scene = Callable[[str], tuple[Stage, Victim]]


@pytest.fixture
def lonely(bench: Bench) -> Iterator[str]:
    """A queue no worker reads: what is not swept stays."""
    queue = bench.aws.sqs.create_queue(QueueName="edit-crash", Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
    bench.aws.sqs.tag_queue(QueueUrl=queue, Tags={"chaosd:allow": "true"})
    yield queue
    bench.aws.sqs.delete_queue(QueueUrl=queue)


@pytest.fixture
def waiting(bench: Bench) -> Iterator[dict[str, str]]:
    """Queues in which messages of others wait, by name; so many receives are allowed that no kill costs them."""
    dead, found = bench.aws.sqs.create_queue(QueueName="edit-others-dead")["QueueUrl"], dict[str, str]()
    arn = bench.aws.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1000"})
    for name in sorted(set(WAITED_ON.values())):
        fifo = name.endswith(".fifo")
        kind = {"FifoQueue": "true"} if fifo else {"RedrivePolicy": redrive}
        url = bench.aws.sqs.create_queue(QueueName=name, Attributes=kind, tags={TAG_KEY: TAG_VALUE})["QueueUrl"]
        for number in range(OTHERS):
            more = {"MessageGroupId": f"g{number % 2}", "MessageDeduplicationId": f"{number}"} if fifo else {}
            bench.aws.sqs.send_message(QueueUrl=url, MessageBody=f"other {number}", **more)
        found[name] = url
    yield found
    for url in (*found.values(), dead):
        bench.aws.sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def scene(bench: Bench, lonely: str, waiting: dict[str, str], tmp_path: Path) -> Scene:
    steady = "steady_state: {editor: [tasks, backlog, repository]}"
    text = bench.config.read_text().replace(steady, "steady_state: {}")
    assert "steady_state: {}" in text
    config = tmp_path / "chaosd.yaml"
    stage = Stage(tmp_path, environment=CREDENTIALS, words=("-c", str(config)))

    def tasks() -> list[str]:
        running = [pid for pid, _ in bench.pids().values() if not gone(pid)]
        return [] if len(running) == TASKS else [f"{len(running)} of {TASKS} tasks run"]

    def replaced() -> list[str]:
        """Who drains still when its undo has looked ends a moment later, and its supervisor starts another."""
        with suppress(AssertionError):
            wait_for("the tasks", lambda: not tasks(), REPLACED_S)
        return tasks()

    def messages() -> list[str]:
        left = bench.counts(lonely)
        return [] if left == (0, 0) else [f"{left[0]} messages visible, {left[1]} in flight"]

    def scaled() -> list[str]:
        found = bench.aws.ecs.describe_services(cluster=bench.info.cluster, services=[bench.info.service])
        desired = found["services"][0]["desiredCount"]
        return [*replaced(), *([] if desired == TASKS else [f"{desired} of {TASKS} tasks desired"])]

    def others(name: str) -> list[str]:
        """What waits must be visible, all of it and nothing else, and nothing of it kept on our disk."""
        seen = bench.counts(waiting[name])
        kept = [f"{path.name} is left" for path in stage.state.glob("private/custody-*")]
        return [*([] if seen == (OTHERS, 0) else [f"{seen[0]} visible, {seen[1]} in flight"]), *kept]

    special = {
        "ecs-task-stop": (tasks, ("--mode", "oldest")),
        "ecs-scale": (scaled, ()),
        "ecs-redeploy": (replaced, ()),
        "process-kill": (replaced, ()),
        "sqs-hold": (lambda: others("edit-others"), ("--set", "messages=2", "--set", "gather=1s")),
        "sqs-duplicate": (lambda: others("edit-others"), ("--set", "messages=2")),
        "sqs-reorder": (lambda: others("edit-others"), ("--set", "messages=3", "--set", "gap=200ms")),
        "sqs-head-of-line": (lambda: others("edit-others.fifo"), ("--set", "groups=2")),
        "sqs-poison": (messages, ("--set", "messages=20")),
        "interrupt-signal": (replaced, ("--mode", "sigterm")),
        "sqs-burst": (messages, ("--set", "messages=80", "--set", "rate=100/s")),
        "interrupt-message": (messages, ("--set", "wait_for_work=300ms")),
    }

    def make(fault: str) -> tuple[Stage, Victim]:
        residue, more = special[fault]
        queue = waiting[WAITED_ON[fault]] if fault in WAITED_ON else lonely
        config.write_text(text.replace(bench.info.input_queue_url, queue))
        wait_for("a whole beginning", lambda: not residue())
        return stage, Victim(fault, ("inject", fault, "--target", "editor", "--for", "500ms", *more), residue)

    return make


@pytest.mark.parametrize("fault", ["ecs-scale", "interrupt-signal", "sqs-burst", "sqs-hold"])
def test_the_guardian_alone_takes_it_back(scene: Scene, fault: str) -> None:
    stage, victim = scene(fault)
    assert kill_once(stage, victim, DAEMON, at_step("injected")) == []


@pytest.mark.torture
def test_a_burst_cut_off_in_the_middle_leaves_no_message(scene: Scene) -> None:
    stage, victim = scene("sqs-burst")

    sending = Moment(STEP, lambda *_: wait_for("messages", victim.residue) and None)
    table = Table()
    assert play(stage, victim, DAEMON, sending, table) == []
    assert play(stage, victim, BOTH, sending, table) == []
    assert table.rows["sqs-burst"]["broken"] == 2


def killed_when_injected(stage: Stage, victim: Victim) -> bool:
    """Inject and kill chaosd and guardian once it is injected; False when it was over before that."""
    since = stage.last()
    chaosd = stage.start(*victim.words)
    guardian = chaosd.guardian
    at_step("injected").wait(stage, chaosd, since)
    if not chaosd.over:
        chaosd.kill(guardian, chaosd.process.pid)
    return chaosd.process.wait(120) < 0


def recovered(stage: Stage, *words: str) -> int:
    said = stage.start(*(words or ("recover",)))
    code = said.process.wait(300)
    assert code in (0, 4), said.said.read_text()
    return code


@pytest.mark.torture
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("fault", FAULTS)
def test_with_a_full_disk_or_a_torn_journal_nothing_is_left(scene: Scene, tmp_path: Path, fault: str) -> None:
    dice, ends = random.Random(fault), Counter[str]()
    with small_disk(tmp_path / "state") as mounted:
        assert mounted
        for number in range(DAMAGES):
            stage, victim = scene(fault)
            if not killed_when_injected(stage, victim):
                ends["over"] += 1
                continue
            filler = fill(stage.state) if number % 2 else None
            what = "full" if filler else truncate(stage.state, dice).split()[0] + " cut"
            code = recovered(stage)
            assert victim.residue() == [], (what, code)
            if filler:
                filler.unlink()
            assert recovered(stage) == 0
            assert recovered(stage, "resume", "--because", "the damage was ours") == 0  # a damaged journal halts
            assert stage.outstanding() == []
            ends[f"{what}, recover exit {code}"] += 1
    sys.stdout.write(f"\n{fault}, no residue: {dict(ends)}\n")
    assert ends["over"] < DAMAGES / 2


@pytest.mark.torture
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("fault", FAULTS)
def test_at_every_step_and_at_random_instants_nothing_is_left(scene: Scene, fault: str) -> None:
    table, left = Table(), ["not begun"]
    try:
        left = sweep(lambda: scene(fault), table, random.Random(fault), INSTANTS)
    finally:
        sys.stdout.write(f"\n{table}\n")
    assert left == []
