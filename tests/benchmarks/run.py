"""``make bench``: chaosd against its yardsticks, side by side, in turns, in one run.

Exit 0 whatever the figures say: benchmarks are not tests. Exit 1 only when a measurement itself failed.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from platformdirs import user_cache_path
from rich.console import Console

from tests.benchmarks import (
    burst,
    corruption,
    health,
    idle,
    journaling,
    lag,
    proxying,
    relaying,
    report,
    startup,
    triggers,
)
from tests.benchmarks.harness import Bench, Row

BENCHMARKS: Mapping[str, Callable[[Bench], Sequence[Row]]] = {
    "help": startup.help_page,
    "status": startup.status,
    "inject": startup.inject,
    "journal": journaling.intent,
    "journal-copy": journaling.intent_with_copy,
    "git-corrupt": corruption.strikes,
    "git-huge": corruption.huge,
    "git-restore": corruption.restores,
    "git-health": health.ticks,
    "git-integrity": health.verifications,
    "idle": idle.daemon_at_rest,
    "burst": burst.efficiency,
    "pace": burst.pace,
    "proxy": proxying.overhead,
    "schedule": lag.schedule,
    "trigger": triggers.reaction,
    "trigger-hits": triggers.hits,
    "relay": relaying.relay,
}

FILE_WIDTH = 150


def main() -> int:
    """Measure what was asked for, print the table, write the JSON."""
    words = arguments()
    console, aside = Console(), Console(stderr=True)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    rows: dict[str, Sequence[Row]] = {}
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="chaosd-bench-") as scratch:
        for name in words.only or BENCHMARKS:
            place = Path(scratch) / name
            place.mkdir()
            with aside.status(name) as line:
                bench = Bench(
                    scratch=place,
                    cache=words.cache,
                    runs=words.runs,
                    peer=not words.no_peer,
                    idle_s=words.idle_seconds,
                    say=lambda step, to=line, of=name: to.update(f"{of}: {step}"),  # type: ignore[misc]
                )
                try:
                    rows[name] = BENCHMARKS[name](bench)
                except Exception as error:  # noqa: BLE001  the other rows are worth having
                    failures[name] = f"{type(error).__name__}: {error}"
    report.table([row for found in rows.values() for row in found], console)
    console.print(", ".join(f"{k} {v}" for k, v in report.machine().items()), style="dim", highlight=False)
    for name, why in failures.items():
        aside.print(f"{name} was not measured: {why}", style="red", markup=False)
    if words.output is not None:
        report.write(report.document(rows, failures), words.output)
    return 1 if failures else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, metavar="N", help="rounds; each benchmark has its own default")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the JSON there")
    parser.add_argument("--no-peer", action="store_true", help="leave out Chaos Toolkit (it comes from PyPI)")
    parser.add_argument("--idle-seconds", type=float, default=60.0, metavar="S", help="how long idle is watched")
    parser.add_argument(
        "--cache",
        type=Path,
        default=user_cache_path("chaosd") / "bench",
        metavar="DIR",
        help="where the peer's environment and the repositories are kept (default: %(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
