"""A relay in a thread of its own, before a real git server, and a clone that goes through it."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from daemon.core.addresses import Tcp
from daemon.core.proxying import Hits, Rule
from daemon.core.settings import RelaySetting
from daemon.ports.clock import SystemClock
from daemon.ports.rulefiles import RuleFiles
from daemon.proxy.relay import Relay
from daemon.proxy.rules import RuleBook
from tests.integration.transport.servers import HOST, Server, git_daemon, smart_http, sshd
from tests.waiting import wait_for

T = TypeVar("T")
LANE = "origin"
SERVERS: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "git": git_daemon,
    "http": smart_http,
    "https": partial(smart_http, tls=True),
    "ssh": sshd,
}
PLAIN = ("git", "http")
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "C",
    "GIT_COMMITTER_EMAIL": "c@example.com",
}


class Wire:
    """A running relay and its rules."""

    def __init__(self, directory: Path, upstream: tuple[str, int]) -> None:
        self.files = RuleFiles(directory / "proxy" / "rules")
        self.clock, self.told = SystemClock(), list[str]()
        self.loop = asyncio.new_event_loop()
        self.book = RuleBook(self.files.directory, self.clock)
        to = Tcp(host=upstream[0], port=upstream[1])
        self.relay = Relay(
            RelaySetting(name=LANE, listen=Tcp(port=0), upstream=to), self.book, tell=self.told.append
        )
        self.address = ""
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def ask(self, question: Callable[[], T]) -> T:
        """Ask in the loop's thread: nothing there is locked."""

        async def answer() -> T:
            return question()

        return self.call(answer())

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def put(self, effect: str, *, percent: float = 100.0, seed: int = 1, lasts_s: float = 60, **more: Any) -> None:
        rule = Rule(
            injection="one",
            fault="git-transport",
            lane=LANE,
            effect=effect,
            seed=seed,
            until_s=self.clock.instant().wall_s + lasts_s,
            parameters=more,
            percent=percent,
        )
        self.files.write(rule)

    def drop(self) -> None:
        self.files.remove("one")

    @property
    def hits(self) -> Hits:
        return self.ask(lambda: self.book.hits("one")) or Hits()

    @contextmanager
    def running(self) -> Iterator["Wire"]:
        self.thread.start()
        self.address = self.call(self.relay.start())
        try:
            yield self
        finally:
            self.call(self.relay.close())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(10)
            self.loop.close()


@dataclass
class Yard:
    """A bare remote behind a real server behind a relay, and a clone whose origin is the relay."""

    root: Path
    server: Server
    wire: Wire

    @property
    def remote(self) -> Path:
        return self.root / "remote.git"

    @property
    def clone(self) -> Path:
        return self.root / "clone"

    def start(self, *words: str, where: Path | None = None) -> "subprocess.Popen[str]":
        told = [word for name, value in self.server.settings.items() for word in ("-c", f"{name}={value}")]
        command = ["git", *told, "-C", str(where or self.clone), *words]
        return subprocess.Popen(
            command, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *words: str, where: Path | None = None, timeout_s: float = 60) -> tuple[int, str]:
        process = self.start(*words, where=where)
        try:
            said, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return process.returncode, said

    def git(self, *words: str, where: Path | None = None) -> str:
        code, said = self.run(*words, where=where)
        assert code == 0, f"git {words}: {said}"
        return said.strip()

    def commit(self, name: str, content: bytes = b"") -> str:
        (self.clone / name).write_bytes(content or name.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", name)
        return self.git("rev-parse", "HEAD")

    def tip(self, branch: str = "main") -> str:
        """Where the remote's branch is, looked up in its own folder; empty when it has none."""
        code, said = self.run("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", where=self.remote)
        return said.strip() if code == 0 else ""

    def push(self, *words: str, timeout_s: float = 60) -> tuple[int, str]:
        return self.run("push", *(words or ("origin", "main")), timeout_s=timeout_s)

    def sound(self) -> bool:
        """Tell whether the remote is whole, and nothing half of a push lies in it."""
        objects = self.remote / "objects"
        wait_for("the end of a push cut off", lambda: not list(objects.glob("*incoming*")), 20)
        code, said = self.run("fsck", "--full", "--strict", where=self.remote)
        assert code == 0, said
        return True


@contextmanager
def yard(root: Path, scheme: str) -> Iterator[Yard]:
    """Make everything anew, with one commit pushed past the relay."""
    for words in (
        ("init", "--quiet", "--bare", "--initial-branch=main", str(root / "remote.git")),
        ("-C", str(root / "remote.git"), "config", "http.receivepack", "true"),
        ("-C", str(root / "remote.git"), "config", "receive.autogc", "false"),
        ("init", "--quiet", "--initial-branch=main", str(root / "clone")),
    ):
        subprocess.run(["git", *words], check=True, env=ENVIRONMENT)
    with SERVERS[scheme](root) as server, Wire(root, (HOST, server.port)).running() as wire:
        made = Yard(root, server, wire)
        made.git("remote", "add", "origin", server.url(wire.port))
        made.commit("first")
        made.git("push", "--quiet", str(made.remote), "main")
        yield made
