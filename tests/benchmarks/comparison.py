"""What becomes of an active fault when its injector is ended: chaosd and Chaos Toolkit, the same fault.

``python -m tests.benchmarks.comparison``. Both leave a stale ``index.lock`` in a clone of their own, for a minute,
and both know how to take it away. While it is there the injector gets the signal. Then nobody does anything: after
``PATIENCE_S`` a plain git is asked to work in the clone. The peer comes from PyPI, into an environment of its own.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic  # noqa: TID251  a stopwatch measures the real clock

from tests.benchmarks.harness import Bench
from tests.benchmarks.places import new_repository, peer

CHAOSD = str(Path(sys.executable).parent / "chaosd")
PATIENCE_S, BEGIN_S, HOLD_S = 15.0, 60.0, 60
WORKS = "git add works"
SIGNALS = (signal.SIGTERM, signal.SIGKILL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play every case and print the table; 1 when chaosd left something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/chaosd/bench")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="comparison-") as scratch:
        bench = Bench(scratch=Path(scratch), cache=given.cache)
        rows = [
            (*name, *case(bench, f"case-{number}", words, number_of))
            for number, (name, words, number_of) in enumerate(cases(bench))
        ]
    head = ("injector", "ended by", "exit code", "the fault", "then, in the clone")
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    for row in [head, tuple("-" * w for w in widths), *rows]:
        sys.stdout.write("  ".join(str(cell).ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() + "\n")
    return int(any(r[0].startswith("chaosd") and r[-1] != WORKS for r in rows))


Words = Callable[[Path, Path], Sequence[str | Path]]


def cases(bench: Bench) -> list[tuple[tuple[str, str], Words, int]]:
    """Return what is compared: a name, the words that begin it, the signal that ends it."""
    toolkit = peer(bench)
    always = ("--rollback-strategy", "always")
    kinds: list[tuple[str, Words]] = [
        ("chaosd inject", _chaosd),
        ("chaos run", lambda clone, place: _chaos(toolkit, clone, place)),
        ("chaos run --rollback-strategy always", lambda clone, place: (*_chaos(toolkit, clone, place), *always)),
    ]
    return [((name, signal.Signals(n).name), words, n) for n in SIGNALS for name, words in kinds]


def _chaosd(clone: Path, place: Path) -> Sequence[str | Path]:
    words = ("inject", "git-lock", "--repository", clone, "--for", f"{HOLD_S}s")
    return (CHAOSD, "--state-dir", place / "state", *words)


def _chaos(toolkit: Path, clone: Path, place: Path) -> Sequence[str | Path]:
    lock = str(clone / ".git/index.lock")

    def process(*words: str) -> dict[str, object]:
        return {"type": "process", "path": words[0], "arguments": list(words[1:])}

    strike = {"type": "action", "name": "lock", "provider": process("touch", lock), "pauses": {"after": HOLD_S}}
    experiment = {
        "title": "stale lock",
        "description": "what a killed git leaves behind",
        "method": [strike],
        "rollbacks": [{"type": "action", "name": "unlock", "provider": process("rm", "-f", lock)}],
    }
    path = place / "experiment.json"
    path.write_text(json.dumps(experiment))
    return (toolkit, "--no-version-check", "run", path)


def case(bench: Bench, name: str, words: Words, number: int) -> tuple[str, str, str]:
    """Begin, end it by the signal while the fault is active, and look at the clone after ``PATIENCE_S``."""
    place = bench.directory(name)
    clone = new_repository(place / "clone")
    lock = clone / ".git/index.lock"
    with (place / "said").open("wb") as said:
        process = subprocess.Popen(
            [str(w) for w in words(clone, place)],
            cwd=place,
            env=bench.environment(),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        if not _within(BEGIN_S, lock.exists):
            return ("-", "never came", (place / "said").read_text()[-200:])
        began_s = monotonic()
        os.kill(process.pid, number)  # our own child, not waited for yet
        gone = _within(PATIENCE_S, lambda: not lock.exists())
        after_s = monotonic() - began_s
        fault = f"undone after {after_s:.2f} s" if gone else f"still there after {PATIENCE_S:g} s"
        return (str(process.wait(HOLD_S)), fault, _git_says(clone))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _git_says(clone: Path) -> str:
    (clone / "work").write_text("work\n")
    done = subprocess.run(["git", "-C", str(clone), "add", "work"], capture_output=True, text=True, check=False)
    if not done.returncode:
        return WORKS
    return done.stderr.splitlines()[0].replace(str(clone), "CLONE")


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    until_s, pause = monotonic() + seconds, threading.Event()
    while not condition():
        if monotonic() >= until_s:
            return False
        pause.wait(0.005)
    return True


if __name__ == "__main__":
    sys.exit(main())
