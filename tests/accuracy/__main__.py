"""``python -m tests.accuracy``: recovery measured by chaosd against a truth it cannot read. Exit 1 on any miss."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.accuracy.compare import summarise, table
from tests.accuracy.lane import Lane, Outage, lengths

LIMIT_S = 60.0
SHORT_LIMIT_S = 3.0
# Past their limit: two come back while chaosd still looks, three only after it has given up.
OVER = (Outage(length_s=5.0), Outage(length_s=7.0)), (Outage(length_s=12.0, stays="1s"),) * 3


def main(arguments: Sequence[str]) -> int:
    wish = _wish(arguments)
    drawn = [Outage(length_s=s) for s in lengths(wish.seed, wish.outages)]
    with tempfile.TemporaryDirectory(prefix="chaosd-accuracy-") as name:
        lanes = [_lane(name, f"{n + 1}", drawn[n :: wish.lanes], LIMIT_S) for n in range(wish.lanes)]
        lanes += [_lane(name, f"over{n + 1}", outages, SHORT_LIMIT_S) for n, outages in enumerate(OVER)]
        with ThreadPoolExecutor(len(lanes)) as pool:
            measured = [m for found in pool.map(Lane.run, lanes) for m in found]
    summary = summarise(measured, within=wish.outages, over=sum(map(len, OVER)))
    misses = [f"MISS: {miss}" for miss in summary.misses]
    for line in (table(measured), "", f"seed {wish.seed}, {wish.lanes} lanes", *summary.lines, *misses):
        sys.stdout.write(line + "\n")
    return 1 if summary.misses else 0


def _lane(directory: str, name: str, outages: Sequence[Outage], limit_s: float) -> Lane:
    return Lane(
        name=name,
        directory=Path(directory) / name,
        outages=tuple(outages),
        limit_s=limit_s,
        tell=lambda line: sys.stderr.write(line + "\n"),
    )


def _wish(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--outages", type=int, default=50)
    parser.add_argument("--lanes", type=int, default=5)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
