"""Halts a real daemon in each phase and prints how long it took until all was undone."""

import sys
import tempfile
from pathlib import Path

from tests.e2e.halt.phases import PHASES, by_api, by_file, by_signal, halt_in


def main() -> None:
    """Print one line a phase, then one a way to say it."""
    print(f"{'halted in':<16}{'by':<10}{'undone after':>14}   verdict")  # noqa: T201
    for phase, how in [*((phase, by_api) for phase in PHASES), ("observing", by_signal), ("observing", by_file)]:
        with tempfile.TemporaryDirectory() as scratch:
            found = halt_in(Path(scratch), phase, how)
        way = how.__name__.removeprefix("by_")
        print(f"{phase:<16}{way:<10}{found.undone_s:>12.3f} s   {found.verdict}")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
