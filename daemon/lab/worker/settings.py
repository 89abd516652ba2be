"""What the worker is told by its command line and its environment, read once."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon.lab.worker.defects import DEFECTS, Defect


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the worker works and how long it takes; the environment variable is the field's name in capitals."""

    lab: Path
    defect: Defect | None
    input_queue_url: str
    responses_queue_url: str
    interrupt_queue_url: str
    site_bucket: str
    site_key: str
    remote: str
    slots: int
    branch_template: str = "thread-{chatThreadId}"
    mainline: str = "main"
    build_s: float = 0.1  # pretended work between the edit and the commit
    poll_s: int = 1  # of one long poll; also the longest an idle worker takes to leave after SIGTERM
    visibility_s: int = 10  # extended to this while at work
    lock_age_s: float = 1.0  # a younger lock may belong to a git that just starts
    check_every_s: float = 2.0  # between looks at the clone while idle


def read(argv: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises KeyError for a missing variable, SystemExit for a bad command line."""
    parser = argparse.ArgumentParser(prog="python -m daemon.lab.worker", description="The lab's reference worker.")
    parser.add_argument("--lab", type=Path, required=True)
    named = " ".join(f"{defect}: {planted.what}" for defect, planted in DEFECTS.items())
    parser.add_argument("--defect", type=Defect, choices=list(Defect), default=None, help=named)
    options = parser.parse_args(argv)
    defaults = {"BRANCH_TEMPLATE": "thread-{chatThreadId}", "MAINLINE": "main"}
    found = defaults | dict(environment)
    return Settings(
        lab=options.lab,
        defect=options.defect,
        input_queue_url=found["INPUT_QUEUE_URL"],
        responses_queue_url=found["RESPONSES_QUEUE_URL"],
        interrupt_queue_url=found["INTERRUPT_QUEUE_URL"],
        site_bucket=found["SITE_BUCKET"],
        site_key=found["SITE_KEY"],
        remote=found["REMOTE"],
        slots=int(found["SLOTS"]),
        branch_template=found["BRANCH_TEMPLATE"],
        mainline=found["MAINLINE"],
        build_s=float(found.get("BUILD_S", "0.1")),
        poll_s=int(found.get("POLL_S", "1")),
        visibility_s=int(found.get("VISIBILITY_S", "10")),
        lock_age_s=float(found.get("LOCK_AGE_S", "1.0")),
        check_every_s=float(found.get("CHECK_EVERY_S", "2.0")),
    )
