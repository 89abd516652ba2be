"""Slots: each task works in a clone of its own, and a replacement takes over the clone of the task it replaces."""

import fcntl
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

WAIT_S = 12.0  # longer than the stop timeout: the task that we replace may still be draining
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A claimed place to work. The claim ends with the process, however it ends."""

    name: str
    clone: Path
    notes: Path
    scratch: Path
    lock: IO[str]

    def note(self, **facts: str) -> None:
        """Write down what a successor must know about the work tree, atomically."""
        fresh = self.notes.with_suffix(".new")
        fresh.write_text(json.dumps(facts))
        fresh.replace(self.notes)

    def noted(self) -> dict[str, str]:
        """Read the notes; empty when there are none."""
        try:
            return {str(k): str(v) for k, v in json.loads(self.notes.read_text()).items()}
        except (OSError, ValueError, AttributeError):
            return {}


def claim(lab: Path, count: int, stop: threading.Event) -> Slot | None:
    """Claim a free slot out of ``count``, waiting for one; after 12 seconds open another one. None when stopped."""
    deadline_s = time.monotonic() + WAIT_S
    while not stop.is_set():
        wanted = count if time.monotonic() < deadline_s else count + 64
        for number in range(wanted):
            slot = _try_claim(lab, f"worker-{number}")
            if slot is not None:
                return slot
        stop.wait(POLL_S)
    return None


def claim_directory(clone: Path) -> Slot:
    """Claim a clone that lies anywhere, waiting for whoever has it; notes and scratch lie beside it."""
    desk = clone.parent / f".{clone.name}-worker"
    (desk / "tmp").mkdir(parents=True, exist_ok=True)
    lock = (desk / "lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return Slot(name=clone.name, clone=clone, notes=desk / "notes.json", scratch=desk / "tmp", lock=lock)


def _try_claim(lab: Path, name: str) -> Slot | None:
    lock = (lab / "slots" / f"{name}.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return Slot(
        name=name,
        clone=lab / "clones" / name,
        notes=lab / "slots" / f"{name}.json",
        scratch=lab / "tmp",
        lock=lock,
    )
