"""What a demo might leave behind, looked for: messages, locks, undo records, processes, ports, files."""

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from daemon import wiring
from daemon.core.errors import ChaosdError
from daemon.core.seams import Clock, Process
from daemon.core.settings import Aws
from daemon.lab.model import LabInfo
from daemon.ports.processes import LocalProcesses
from daemon.ports.state import StateDirectory
from daemon.ports.world import LocalWorld

SETTLE_S = 15.0
LOOK_S = 0.5


def before(info: LabInfo, state: StateDirectory, clock: Clock) -> list[str]:
    """Look while the lab still runs and the daemon has ended: what is undone, the queues, the clones' locks.

    The workers may be finishing a message, so what is there gets a while to go.
    """
    world = LocalWorld(aws=Aws(region=info.region, endpoint_url=info.endpoint_url), private=state.private)
    deadline_s = clock.instant().mono_s + SETTLE_S
    while True:
        found = [*_undone(state), *_messages(info, world), *_locks(info)]
        if not found or clock.instant().mono_s > deadline_s:
            return found
        clock.wait(Event(), LOOK_S)


def users_of(directory: Path) -> frozenset[Process]:
    """Return the processes whose command line names the directory."""
    return frozenset(LocalProcesses().find(match=str(directory)))


def after(directory: Path, ports: Sequence[int | None], *, others: frozenset[Process]) -> list[str]:
    """Look when everything has been taken down: processes (but not ``others``), ports, files."""
    found = [f"process {p.pid}: {p.command}" for p in users_of(directory) - others]
    found += [f"port {port} still answers" for port in ports if port and _answers(port)]
    return found + ([f"directory {directory}"] if directory.exists() else [])


def remove_if_empty(directory: Path) -> None:
    """Remove a directory that was made for a lab that never began."""
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()


def port_of(url: str) -> int | None:
    """Return the port of a URL; None for an empty one."""
    return urlsplit(url).port if url else None


def _undone(state: StateDirectory) -> Iterator[str]:
    if not state.journal.exists():
        return
    journal = wiring.open_journal(state, readonly=True)
    try:
        for injection in journal.outstanding():
            yield f"injection {injection.plan.injection} is not undone: {injection.last_error or injection.state}"
    finally:
        journal.close()


def _messages(info: LabInfo, world: LocalWorld) -> Iterator[str]:
    queues = {
        "input": info.input_queue_url,
        "interrupt": info.interrupt_queue_url,
        "dead-letter": info.dead_letter_queue_url,
    }
    for name, url in queues.items():
        try:
            facts = world.sqs.facts(url)
        except ChaosdError as error:
            yield f"the {name} queue does not answer: {error.message}"
            continue
        count = facts.visible + facts.in_flight + facts.delayed
        if count:
            yield f"{count} messages in the {name} queue"


def _locks(info: LabInfo) -> Iterator[str]:
    for lock in sorted(info.clones.glob("*/.git/**/*.lock")):
        yield f"lock {lock}"


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
