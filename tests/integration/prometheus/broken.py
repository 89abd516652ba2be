"""chaosd, broken on demand: a file `journal` in $BROKEN silences its journal, `scheduler` its scheduler."""

import os
import sys
from pathlib import Path
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler

from daemon.core.errors import JournalError
from daemon.faces.cli import main
from daemon.ports.journal import Journal

ROOM = Path(os.environ["BROKEN"])
right_way, processed = Journal.outstanding, BackgroundScheduler._process_jobs


def outstanding(self: Journal) -> Any:
    if (ROOM / "journal").exists():
        raise JournalError("not read: planted by the test")
    return right_way(self)


def process_jobs(self: BackgroundScheduler) -> Any:
    return 0.2 if (ROOM / "scheduler").exists() else processed(self)


Journal.outstanding = outstanding  # type: ignore[method-assign]
BackgroundScheduler._process_jobs = process_jobs
sys.exit(main())
