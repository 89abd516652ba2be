"""A lab whose workers are behind chaosd's fault proxy, and what the journal has of a scenario run there."""

import json
import signal
import time  # noqa: TID251 - reads a journal as a reader from outside does
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.core.course import Course
from daemon.core.proxying import Hits
from daemon.lab import lab
from daemon.lab.detour import Detour
from daemon.lab.emulator import free_port
from daemon.lab.provision import clients
from daemon.ports.journal import Journal
from tests import proxies
from tests.e2e.lab.conftest import Bench
from tests.waiting import wait_for

BUILD_S = 0.2
PROXIED = "proxied"  # the state directory of the proxy and of what is injected through it


@dataclass(kw_only=True)
class Struck:
    """What a fault did, as chaosd says after it has taken it back."""

    document: dict[str, Any] = field(default_factory=dict)

    @property
    def hits(self) -> Hits:
        proof = self.document["undo"]["proof"]
        return Hits(matched=proof["matched"], calls=proof["hit"], tries=proof["tries"])


@contextmanager
def behind_a_proxy(directory: Path, *, defect: str | None = None, tasks: int = 2) -> Iterator[Bench]:
    """Hold a lab whose workers' SQS and S3 are at a running proxy, in which ``bench`` can inject."""
    address = f"http://127.0.0.1:{free_port()}"
    info = lab.up(directory / "lab", tasks=tasks, build_s=BUILD_S, defect=defect, detour=Detour(behind=address))
    config = directory / "chaosd.yaml"
    config.write_text(proxies.undisturbed(info.config_yaml()))
    bench = Bench(info=info, aws=clients(info.endpoint_url), directory=directory, config=config)
    try:
        with proxies.running(directory / PROXIED, options=("-c", str(config))):
            yield bench
    finally:
        lab.down(info.directory)


@contextmanager
def injected(bench: Bench, fault: str, **settings: str) -> Iterator[Struck]:
    """Have a fault in force while the block runs; then it is taken back as by Ctrl-C, and documented."""
    words = [f"--set={name}={value}" for name, value in settings.items()]
    process = bench.chaosd("inject", fault, "--target", "editor", "--for", "100s", *words, state=PROXIED)
    struck, state = Struck(), bench.directory / PROXIED
    try:
        wait_for("the rule in force", lambda: proxies.in_force(state) or process.poll() is not None, 120.0)
        assert process.poll() is None, process.communicate()
        yield struck
        assert proxies.in_force(state), "it was taken back before the scenario was over"
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        struck.document = json.loads(out) if out else {"error": err}
    assert not proxies.in_force(state)


def played(bench: Bench, *words: str, state: str) -> tuple[int, dict[str, Any], Course]:
    """Run a scenario; return its exit code, its document, and what the journal keeps of it."""
    code, document = bench.answer("scenario", "run", *words, state=state)
    journal = Journal(bench.directory / state / "journal.sqlite", clock_s=time.time, readonly=True)
    try:
        (run,) = journal.runs()
    finally:
        journal.close()
    assert run.course is not None
    return code, document["scenarios"][0], run.course
