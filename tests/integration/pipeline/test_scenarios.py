"""Scenarios with a scripted worker on real repositories: the right one passes, each wrong one is named."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.cloud import Message, StoredObject
from daemon.core.errors import ConfigError, TargetAbsentError
from daemon.core.ledger import Condition, Part, Place
from daemon.core.messages import RUN_ATTRIBUTE
from daemon.core.target import Queue
from daemon.core.workloads import SCENARIOS
from probes.pipeline.workshop import Workshop
from tests.fake_aws import FakeS3
from tests.fakes import Switch
from tests.integration.pipeline.scripted import ANSWERS, DEAD, URL, Order, Shop, broken, doubts


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


QUICK = [
    name
    for name in SCENARIOS
    if name not in ("soak", "sustained", "concurrent-users", "rate-limited", "long-running")
]


@pytest.mark.parametrize("name", QUICK)
def test_a_worker_without_a_fault_passes(shop: Shop, name: str) -> None:
    course = shop.run(name, size=600 if name == "large-file" else 0)
    assert broken(course) == set()
    assert doubts(course) == {}
    assert course.passed
    times = [course.ledger.stages[s.token] for s in course.ledger.wanted()]
    assert all(t.pushed and t.deployed and t.answered and t.committed_s for t in times)


def test_times_are_those_of_the_clock(shop: Shop) -> None:
    course = shop.run("basic", messages=1)
    (one,) = course.ledger.wanted()
    least_s, most_s = course.ledger.took_s(one)
    assert most_s is not None
    assert least_s <= 0.4 <= most_s <= 0.8


# --- wrong workers ---------------------------------------------------------------------------------------


def test_a_worker_that_forgets_to_push(shop: Shop) -> None:
    def do(order: Order) -> None:
        shop.switch(shop.branch(order))
        shop.commit(shop.path(order), shop.line(order), shop.subject(order))

    course = shop.run("basic", do)
    assert broken(course) == {"no-lost-instruction", "all-pushed", "honest-response"}
    (evidence, *_) = course.violated[0].evidence
    assert "unpushed commit" in evidence.detail
    assert evidence.see.startswith(f"git -C {shop.remote} log --all")


def test_a_worker_that_starts_branches_where_it_stands(shop: Shop) -> None:
    def do(order: Order) -> None:
        branch = shop.branch(order)
        shop.switch(branch, start="HEAD")
        commit = shop.commit(shop.path(order), shop.line(order), shop.subject(order))
        shop.push(branch)
        shop.deploy(commit)

    course = shop.run("switching", do)
    assert broken(course) == {"right-branch", "honest-response"}


def test_a_worker_that_works_on_one_branch_for_all(shop: Shop) -> None:
    shop.branch = lambda order: "thread-" + str(order["chatThreadId"])[:-1] + "1"
    course = shop.run("switching")
    assert "right-branch" in broken(course)
    assert "no-lost-instruction" not in broken(course)


def test_a_worker_that_does_everything_twice(shop: Shop) -> None:
    course = shop.run("duplicate-delivery", shop.do)
    assert broken(course) == {"exactly-once", "honest-response"}


def test_a_worker_that_leaves_work_in_the_stash(shop: Shop) -> None:
    def do(order: Order) -> None:
        shop.switch(shop.branch(order))
        (shop.clone / "edit.md").write_text(shop.line(order))
        shop.git(shop.clone, "stash", "push", "--include-untracked", "--quiet")

    course = shop.run("basic", do, messages=1)
    assert broken(course) == {"no-lost-instruction", "no-stash-left", "honest-response"}
    (sighting, *_) = [s for s in course.ledger.sightings if s.place is Place.STASH]
    assert sighting.path == "edit.md"


def test_a_worker_that_drops_its_stash(shop: Shop) -> None:
    def do(order: Order) -> None:
        shop.switch(shop.branch(order))
        (shop.clone / "start.md").write_text(shop.line(order))
        shop.git(shop.clone, "stash", "push", "--quiet")
        shop.git(shop.clone, "stash", "drop", "--quiet")

    course = shop.run("basic", do, messages=1)
    assert "no-stash-left" in broken(course)
    assert {s.place for s in course.ledger.sightings} == {Place.DANGLING}


def test_a_worker_that_publishes_conflict_markers(shop: Shop) -> None:
    def do(order: Order) -> None:
        shop.do(order)
        branch = shop.branch(order)
        commit = shop.commit("page.md", "<<<<<<< HEAD\nmine\n=======\ntheirs\n>>>>>>> other", "merge")
        shop.push(branch)
        shop.deploy(commit)

    course = shop.run("basic", do, messages=1)
    assert broken(course) == {"no-conflict-markers", "honest-response"}
    (first, _) = course.violated[0].evidence
    assert (first.path, first.line) == ("page.md", 1)


def test_a_worker_that_rewrites_what_was_published(shop: Shop) -> None:
    def do(order: Order) -> None:
        branch = shop.branch(order)
        shop.git(shop.clone, "switch", "--quiet", "--force-create", branch, "main")
        commit = shop.commit(shop.path(order), shop.line(order), shop.subject(order))
        shop.push(branch, "--force")
        shop.deploy(commit)

    course = shop.run("basic", do)
    # What was rewritten away still dangles in the clone.
    assert broken(course) == {"no-lost-instruction", "no-stash-left", "honest-response"}
    assert len(course.violated[0].evidence) == 2


def test_a_worker_that_deploys_once_and_never_again(shop: Shop) -> None:
    deployed: list[str] = []

    def deploy(commit: str) -> None:
        if not deployed:
            deployed.append(commit)
            shop.world.s3.upload("site", "index.html", b"page", commit=commit)

    shop.deploy = deploy  # type: ignore[method-assign]
    course = shop.run("switching")
    assert broken(course) == {"deployment-fresh"}


@pytest.mark.parametrize(
    ("path", "finding"),
    [(".git/index.lock", "stale-lock"), (".git/MERGE_HEAD", "operation-in-progress")],
)
def test_a_worker_that_leaves_its_clone_unfit(shop: Shop, path: str, finding: str) -> None:
    def do(order: Order) -> None:
        shop.do(order)
        (shop.clone / path).write_text(shop.git(shop.clone, "rev-parse", "HEAD") + "\n")
        shop.world.files.set_mtime(str(shop.clone / path), 0)  # old, also on the clock in memory

    course = shop.run("basic", do, messages=1)
    assert broken(course) == {"repository-sound"}
    assert {e.what for r in course.violated for e in r.evidence} == {finding}


@pytest.mark.parametrize("mended", [False, True])
def test_a_damaged_object_that_only_fsck_finds_is_one_that_stays(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, mended: bool
) -> None:
    """As long as the worker is at its repair, an object may be missing for a moment."""
    whole, there = b"", Path()
    real = Workshop.fsck

    def do(order: Order) -> None:
        nonlocal whole, there
        shop.do(order)
        (shop.clone / "note").write_text("read by nobody")
        named = shop.git(shop.clone, "hash-object", "-w", "note")
        (shop.clone / "note").unlink()
        there = shop.clone / ".git" / "objects" / named[:2] / named[2:]
        whole = there.read_bytes()
        there.chmod(0o644)
        there.write_bytes(whole[: len(whole) // 2])

    def fsck(self: Workshop) -> list[Condition]:
        found = real(self)
        if mended:
            there.write_bytes(whole)
        return found

    monkeypatch.setattr(Workshop, "fsck", fsck)
    course = shop.run("basic", do, messages=1)
    assert broken(course) == (set() if mended else {"repository-sound"})
    assert {e.what for r in course.violated for e in r.evidence} == (set() if mended else {"fsck"})


def test_what_was_there_before_is_not_blamed_on_the_run(shop: Shop) -> None:
    shop.git(shop.clone, "branch", "old")
    shop.git(shop.clone, "switch", "--quiet", "old")
    shop.commit("old.md", "never pushed", "old work")
    course = shop.run("basic")
    assert course.passed
    assert [c.branch for c in course.ledger.before] == ["old"]


def test_a_poison_message_that_stops_the_worker(shop: Shop) -> None:
    shop.world.sqs.add(URL, max_receives=None)
    course = shop.run("poison", settle=5.0, most=60.0)
    assert "queue-drained" in broken(course)


def test_messages_nobody_takes(shop: Shop) -> None:
    course = shop.watch("basic", settle=2.0)
    assert broken(course) == {"queue-drained"}
    assert set(doubts(course)) == {"no-lost-instruction"}
    assert course.ended.mono_s - course.began.mono_s > 30  # longer than the queue's visibility timeout


# --- the work of others beside ---------------------------------------------------------------------------


def somebody(shop: Shop, branch: str, subject: str = "a user's edit", *, deployed: bool = True) -> str:
    """Let the worker handle a message that is none of the scenario's."""
    shop.switch(branch)
    commit = shop.commit(f"{branch}.md", subject, subject)
    shop.push(branch)
    if deployed:
        shop.deploy(commit)
    return commit


def test_a_site_that_others_work_on_too_is_fresh(shop: Shop) -> None:
    def do(order: Order) -> None:
        shop.do(order)
        somebody(shop, "a-user-s")  # before anybody could see ours deployed

    course = shop.run("switching", do)
    assert course.ledger.deployed is not None
    assert course.ledger.deployed.tip_of == ("a-user-s",)
    assert not any(s.deployed for s in course.ledger.stages.values())
    assert course.passed, (broken(course), doubts(course))
    assert course.ended.mono_s - course.ledger.sent[-1].at.mono_s < shop.target.limits.message_s


class SlowS3(FakeS3):
    """It answers a moment after the remote was asked."""

    def head(self, bucket: str, key: str) -> StoredObject | None:
        self._clock.advance(0.01)
        return super().head(bucket, key)


def test_a_site_that_shows_others_work_from_before_ours_was_pushed_is_not_told(shop: Shop) -> None:
    shop.world.s3 = SlowS3(shop.world.clock)
    shop.world.clock.at(0.1, lambda: somebody(shop, "a-user-s"))
    course = shop.run("basic", push_only(shop), messages=1)
    assert broken(course) == set()
    assert "has not changed since before it was pushed" in doubts(course)["deployment-fresh"]


def test_a_site_that_shows_others_work_from_before_ours_was_asked_for_is_stale(shop: Shop) -> None:
    somebody(shop, "a-user-s")
    course = shop.run("basic", push_only(shop), messages=2)
    assert broken(course) == {"deployment-fresh"}


def push_only(shop: Shop) -> Callable[[Order], None]:
    def do(order: Order) -> None:
        shop.switch(shop.branch(order))
        shop.commit(shop.path(order), shop.line(order), shop.subject(order))
        shop.push(shop.branch(order))

    return do


@pytest.mark.parametrize("token", ["", "c-" + "f" * 11])
def test_a_site_that_shows_what_others_have_gone_on_from(shop: Shop, token: str) -> None:
    """A person may push and deploy nothing; a message of another run of chaosd's was the worker's to deploy."""

    def do(order: Order) -> None:
        shop.do(order)
        somebody(shop, "theirs", f"[{token}] first")
        somebody(shop, "theirs", f"[{token}] then", deployed=False)

    course = shop.run("basic", do, messages=1)
    if not token:
        assert broken(course) == set()
        assert set(doubts(course)) == {"deployment-fresh"}
        return
    assert broken(course) == {"deployment-fresh"}
    (evidence,) = course.violated[0].evidence
    assert (evidence.what, evidence.branch, evidence.token) == ("stale-deployment", "theirs", token)


def test_a_site_restored_as_it_was_before_our_last_messages_is_stale(shop: Shop) -> None:
    """The worker's deployments failed meanwhile, and it did not care."""
    s3, deploy = shop.world.s3, shop.deploy
    shop.deploy = lambda commit: deploy(commit) if shop.world.s3 is s3 else None  # type: ignore[method-assign]
    shop.world.clock.at(0.9, lambda: setattr(shop.world, "s3", FakeS3(shop.world.clock)))
    shop.world.clock.at(4.0, lambda: setattr(shop.world, "s3", s3))
    shop.world.clock.at(4.0, lambda: s3.upload("site", "index.html", b"page", **commit_of(s3)))
    course = shop.run("basic")
    assert broken(course) == {"deployment-fresh"}
    assert {e.what for e in course.violated[0].evidence} == {"stale-deployment"}


def commit_of(s3: FakeS3) -> dict[str, str]:
    head = s3.head("site", "index.html")
    assert head is not None
    return dict(head.metadata)


def test_a_site_that_goes_back_to_what_was_there_before_the_run_is_not_told(shop: Shop) -> None:
    """A branch may begin where the mainline is: that it ends there says nothing of what was handled last."""
    start = shop.git(shop.clone, "rev-parse", "main")

    def do(order: Order) -> None:
        shop.do(order)
        shop.git(shop.clone, "push", "--quiet", "origin", f"{start}:refs/heads/release")
        shop.deploy(start)

    course = shop.run("basic", do, messages=1)
    assert broken(course) == set()
    assert set(doubts(course)) == {"deployment-fresh"}


def send_others(shop: Shop, *bodies: str) -> None:
    shop.world.sqs.send(URL, [Message(body=b, attributes={RUN_ATTRIBUTE: "a-burst"}) for b in bodies])


def test_the_malformed_messages_of_a_burst_may_die(shop: Shop) -> None:
    shop.world.clock.at(0.1, lambda: send_others(shop, "{}", "no message"))
    course = shop.run("basic")
    assert course.ledger.queue is not None
    assert (course.ledger.queue.after.dead, course.ledger.queue.unfit) == (2, 2)
    assert course.passed, (broken(course), doubts(course))


def test_messages_of_others_that_came_when_ours_were_done_are_not_left(shop: Shop) -> None:
    looks: list[int] = []

    def answer(order: Order, status: str) -> None:
        answered(order, status)
        looks.append(1)
        if len(looks) == 3:  # the last of ours; the queue is seen empty before this
            shop.world.clock.at(0.6, lambda: [send_others(shop, *["{}"] * 10) for _ in range(4)])

    answered, shop.answer = shop.answer, answer  # type: ignore[method-assign]
    course = shop.run("basic", most=5.0)
    assert course.ledger.queue is not None
    assert course.ledger.queue.after.waiting
    assert "queue-drained" not in broken(course)


def test_a_site_that_was_away_for_a_while_has_not_been_deployed_again(shop: Shop) -> None:
    shop.deploy(shop.git(shop.clone, "rev-parse", "main"))
    s3 = shop.world.s3
    shop.world.clock.at(3.0, lambda: setattr(shop.world, "s3", FakeS3(shop.world.clock)))
    shop.world.clock.at(4.0, lambda: setattr(shop.world, "s3", s3))
    course = shop.run("basic", push_only(shop), messages=2)
    assert broken(course) == {"deployment-fresh"}
    assert {e.what for e in course.violated[0].evidence} == {"not-deployed"}


# --- what cannot be seen ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "part", "name"),
    [("s3", Part.DEPLOYMENT, "deployment-fresh"), ("git", Part.REMOTE, "no-lost-instruction")],
)
def test_what_goes_out_of_sight_is_unknown_and_not_passed(shop: Shop, port: str, part: Part, name: str) -> None:
    shop.world.clock.at(1.0, lambda: shop.world.cut(port))
    if port == "git":
        shop.world.clock.at(0.9, lambda: break_remote(shop))
    course = shop.run("basic", lambda _: None, settle=3.0)
    assert part in course.ledger.blind
    assert name in doubts(course)
    assert not course.passed


def test_a_deployment_that_comes_back_is_judged(shop: Shop) -> None:
    s3 = shop.world.s3
    shop.world.cut("s3")
    shop.world.clock.at(0.3, lambda: setattr(shop.world, "s3", s3))
    assert shop.run("basic").passed


def break_remote(shop: Shop) -> None:
    shop.remote.rename(shop.root / "gone.git")


def test_without_clones_their_checks_are_unknown(shop: Shop) -> None:
    repository = shop.target.repository
    assert repository is not None
    shop.target = replace(
        shop.target, repository=replace(repository, worktree=("/nowhere/*",), remote=str(shop.remote))
    )
    course = shop.run("basic")
    assert set(doubts(course)) == {"all-pushed", "no-stash-left", "repository-sound"}


def test_answers_to_others_are_left_alone(shop: Shop) -> None:
    others = [Message(body=f'{{"commandId": "other-{n}"}}', attributes={}) for n in range(5)]
    shop.world.sqs.send(ANSWERS, others)
    course = shop.run("basic")
    assert course.passed
    assert [m.body for m in shop.world.sqs.messages(ANSWERS)] == [m.body for m in others]


def test_dead_letters_are_looked_at_and_stay(shop: Shop) -> None:
    course = shop.run("poison")
    assert course.passed
    dead = shop.world.sqs.messages(DEAD)
    assert len(dead) == 9 - 1  # the oversize one is a good message to this worker
    assert {m.attributes[RUN_ATTRIBUTE] for m in dead} == {"run-1"}


# --- its own manners -------------------------------------------------------------------------------------


def test_a_worker_with_its_own_formats_is_judged_by_configuration_alone(shop: Shop) -> None:
    form = (
        '{"job": {"thread": "{chatThreadId}"}, "text": "{instruction}", "id": "{commandId}", "who": "{sessionId}"}'
    )
    repository = shop.target.repository
    assert repository is not None
    shop.target = replace(
        shop.target,
        queue=Queue(url=URL, responses=ANSWERS, dead_letter=DEAD, format=form),
        repository=replace(repository, branch="jobs/{job.thread}"),
    )

    def adapt(do: Callable[[Any], object]) -> None:
        for taken in shop.world.sqs.receive(URL, most=1):
            order = json.loads(taken.body)
            do({"chatThreadId": order["job"]["thread"], "instruction": order["text"], "sessionId": order["who"]})
            shop.answer({"commandId": order["id"]}, "done")
            shop.world.sqs.delete(URL, [taken.handle])
        shop.world.clock.at(0.4, lambda: adapt(do))

    shop.branch = lambda order: f"jobs/{order['chatThreadId']}"
    shop.path = lambda _: "log.txt"
    shop.subject = lambda _: "an edit"
    shop.line = lambda order: f"* {order['instruction']}"
    shop.world.clock.at(0.4, lambda: adapt(shop.do))
    course = shop.watch("switching")
    assert broken(course) == set()
    assert course.passed


def test_a_stop_ends_it_without_a_judgement(shop: Shop) -> None:
    stop = Switch()
    shop.world.clock.at(0.5, stop.set)
    course = shop.watch("basic", stop)
    assert course.stopped
    assert course.results == ()
    assert not course.passed
    assert len(course.ledger.sent) == 1


def test_nothing_is_sent_that_would_have_no_branch(shop: Shop) -> None:
    repository = shop.target.repository
    assert repository is not None
    shop.target = replace(shop.target, repository=replace(repository, branch="x-{ticket}"))
    with pytest.raises(ConfigError, match="branch template"):
        shop.watch("basic")
    assert shop.world.sqs.messages(URL) == ()


def test_a_target_without_a_queue_cannot_be_used(shop: Shop) -> None:
    shop.target = replace(shop.target, queue=None)
    with pytest.raises(TargetAbsentError, match="needs a queue"):
        shop.watch("basic")


def test_a_message_the_queue_refuses_is_not_missed(shop: Shop) -> None:
    shop.world.sqs.refuses = lambda url, m: "InvalidParameterValue" if url == URL and "00001]" in m.body else None
    course = shop.run("basic")
    assert course.passed
    assert [s.refused for s in course.ledger.sent] == [None, "InvalidParameterValue", None]
