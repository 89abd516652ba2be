"""Run a lab in the foreground: ``python -m daemon.lab --dir DIR [--tasks N] [--defect NAME] [--ephemeral]``."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from daemon.lab.detour import Detour
from daemon.lab.errors import LabError
from daemon.lab.model import BUILD_S, RESTART_AFTER_S, Kind
from daemon.lab.supervisor import SupervisorSettings, supervise


def main() -> int:
    """Supervise until SIGTERM or SIGINT; 0 after an orderly end, 1 when the lab could not be started."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    if options.until_stdin_closes:
        threading.Thread(target=_await_end_of_input, args=(stop,), daemon=True).start()
    try:
        settings = SupervisorSettings(
            directory=options.dir.absolute(),
            kind=Kind(
                tasks=options.tasks,
                defect=options.defect,
                build_s=options.build,
                detour=Detour(behind=options.behind, relay=options.relay),
            ),
            ephemeral=options.ephemeral,
            restart_after_s=options.restart_after,
        )
        supervise(settings, stop)
    except LabError as error:
        sys.stdout.write(json.dumps({"event": "lab.failed", "detail": str(error)}) + "\n")
        sys.stdout.flush()
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m daemon.lab", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="a new, empty or former lab directory")
    parser.add_argument("--tasks", type=int, default=2, help="tasks of the service")
    parser.add_argument("--defect", default=None, help="a planted defect of the worker")
    parser.add_argument("--build", type=float, default=BUILD_S, help="seconds of pretended work per message")
    parser.add_argument("--behind", default=None, help="URL of the proxy that the workers' SQS and S3 are behind")
    parser.add_argument("--relay", default=None, help="HOST:PORT of the relay that the workers' remote is behind")
    parser.add_argument("--ephemeral", action="store_true", help="remove the directory at the end")
    parser.add_argument(
        "--restart-after", type=float, default=RESTART_AFTER_S, help="seconds a dead emulator stays dead"
    )
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input ends")
    return parser


def _await_end_of_input(stop: threading.Event) -> None:
    # Straight from the descriptor: a buffered reader would be torn down under us at exit.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
