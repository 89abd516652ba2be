"""`--when`: through the installed command, on a real repository; what waits has touched nothing."""

import json
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import Cli, Tree

Git = Callable[..., str]


def await_armed(chaosd: Cli) -> None:
    """Wait, bounded, until the journal says that the event is waited for."""
    pause, path = threading.Event(), chaosd.state / "journal.sqlite"
    for _ in range(2000):
        if path.exists():
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
                try:
                    if db.execute("SELECT 1 FROM event WHERE kind = 'armed'").fetchone():
                        return
                except sqlite3.OperationalError:  # the table is being made
                    pass
        pause.wait(0.02)
    raise AssertionError("never armed")


def waiting(repository: Path, *more: str, event: str = "commit:main") -> tuple[str | Path, ...]:
    words = ("inject", "git-lock", "--mode", "config-lock", "--repository", repository, "--for", "0s")
    return (*words, "--when", event, "-o", "json", *more)


def test_it_strikes_on_the_event_and_tells_so(
    chaosd: Cli, repository: Path, git: Git, tree: Callable[[Path], Tree]
) -> None:
    before = tree(repository)
    child = chaosd.begin(*waiting(repository))
    await_armed(chaosd)
    assert tree(repository) == before
    git("-C", repository, "commit", "--quiet", "--allow-empty", "--message", "the event")
    out, err = child.communicate(timeout=60)
    found = json.loads(out)
    assert child.returncode in (0, 1), err
    assert found["injection"]["state"] == "reverted"
    assert found["injection"]["when"] == "commit:main"
    trigger = found["trigger"]
    assert (trigger["event"], trigger["matching"], trigger["within"]) == ("commit", "main", 60.0)
    assert trigger["what"].startswith("commit ")
    assert trigger["armed_at"] <= trigger["fired_at"] <= found["injection"]["injected_at"]
    assert trigger["struck_after"] >= 0
    assert not (repository / ".git/config.lock").exists()
    shown = chaosd("show", found["injection"]["id"]).out
    assert "waiting for commit:main" in shown


def test_what_only_the_event_brings_need_not_be_there_before(chaosd: Cli, repository: Path, git: Git) -> None:
    """The stash is empty when it is asked for; without an event to wait for that is nothing to hit."""
    words = ("inject", "git-corrupt", "--mode", "stash-ref-empty", "--repository", repository, "--for", "0s")
    absent = chaosd(*words)
    assert (absent.code, "has not 1 entry" in absent.err) == (5, True)
    child = chaosd.begin(*words, "--when", "stash", "-o", "json")
    await_armed(chaosd)
    (repository / "file-0").write_text("to be stashed")
    git("-C", repository, "stash", "push", "--quiet")
    out, err = child.communicate(timeout=60)
    found = json.loads(out)
    assert found["injection"]["state"] == "reverted", err
    assert found["trigger"]["what"].startswith("a stash entry was made")
    assert git("-C", repository, "stash", "list").count("\n") == 1


def test_an_event_that_does_not_come_is_a_verdict_of_its_own(
    chaosd: Cli, repository: Path, tree: Callable[[Path], Tree]
) -> None:
    before = tree(repository)
    done = chaosd(*waiting(repository, "--within", "300ms"))
    assert done.code == 5
    assert done.json["verdict"] == "not-triggered"
    assert done.json["reasons"] == ["nothing was injected: no commit:main within 0.3 s"]
    assert tree(repository) == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_it_waits_leaves_nothing(
    chaosd: Cli, repository: Path, tree: Callable[[Path], Tree], number: signal.Signals, code: int
) -> None:
    before = tree(repository)
    child = chaosd.begin(*waiting(repository))
    await_armed(chaosd)
    child.send_signal(number)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == code
    found = json.loads(out)
    assert (found["verdict"], found["injection"]["state"]) == ("inconclusive", "dropped")
    assert found["reasons"][0].startswith(f"nothing was injected: {number.name}")
    assert tree(repository) == before


def test_killed_while_it_waits_there_is_nothing_to_recover(
    chaosd: Cli, repository: Path, tree: Callable[[Path], Tree]
) -> None:
    before = tree(repository)
    child = chaosd.begin(*waiting(repository))
    await_armed(chaosd)
    child.kill()
    child.communicate(timeout=30)
    done = chaosd("recover", "-o", "json")
    assert done.code == 0
    assert tree(repository) == before
    (found,) = chaosd("history", "-o", "json").json["injections"]
    assert (found["verdict"], found["injection"]["state"]) == ("inconclusive", "dropped")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--when", "comit"), "did you mean 'commit'"),
        (("--when", "file"), "file needs a pattern"),
        (("--within", "5s"), "--within needs --when"),
        (("--when", "message"), "needs a queue"),
    ],
)
def test_what_cannot_be_waited_for_is_one_clear_error(
    chaosd: Cli, repository: Path, words: tuple[str, ...], says: str
) -> None:
    done = chaosd("inject", "git-lock", "--repository", repository, *words)
    assert done.code in (2, 5)
    assert says in done.err


def test_an_object_is_named(chaosd: Cli, repository: Path, git: Git) -> None:
    wanted = git("-C", repository, "rev-parse", "HEAD:file-1").strip()
    words = ("inject", "git-corrupt", "--repository", repository, "--dry-run", "-o", "json")
    assert chaosd(*words, "--object", wanted).json["injection"]["victim"]["object"] == wanted
    assert chaosd(*words, "--object", wanted, "--set", "object=blob").code == 2
