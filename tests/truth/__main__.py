"""``python -m tests.truth``: the matrix defect x (scenario, fault) in a real lab. Exit 1 on miss or false alarm."""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from daemon.lab.errors import LabError
from daemon.lab.worker.defects import DEFECTS, Defect
from tests.truth.cells import CELLS
from tests.truth.matrix import CORRECT, Outcome, judge, table
from tests.truth.play import play, staged

BREAKS = {str(defect): planted.breaks for defect, planted in DEFECTS.items()}


@dataclass(frozen=True, slots=True)
class Lane:
    """Plays that share a lab, in order. A defect's end with the first that names one of ``until_named``."""

    worker: str
    cell: str
    seeds: range
    until_named: tuple[str, ...] = ()

    def play(self, over: threading.Event) -> list[Outcome]:
        """Play until the seeds are through, the defect is named, or ``over`` is set.

        A lab or a proxy that does not come up or go away ends this lane, as a run without a verdict, and no other.
        """
        outcomes: list[Outcome] = []
        try:
            with staged(self.worker, through=CELLS[self.cell].through) as stage:
                for seed in self.seeds:
                    if over.is_set() or set(self.until_named) & {name for o in outcomes for name in o.named}:
                        break
                    outcomes.append(one := play(stage, self.cell, seed))
                    self._tell(one)
        except (LabError, AssertionError) as error:
            seed = outcomes[-1].seed if outcomes else self.seeds.start
            outcomes.append(one := Outcome(worker=self.worker, cell=self.cell, seed=seed, problem=str(error)))
            self._tell(one)
        return outcomes

    def _tell(self, one: Outcome) -> None:
        said = ", ".join(one.named) or one.problem or "-"
        _tell(f"  {self.worker} / {self.cell} / seed {one.seed}: {said} ({one.took_s:.0f} s)", error=True)


def main(arguments: Sequence[str]) -> int:
    wish = _wish(arguments)
    outcomes = _played(list(_lanes(wish)), wish.jobs)
    _tell(table(outcomes, BREAKS))
    verdict = judge(outcomes, BREAKS)
    for kind, lines in (
        ("MISS", verdict.misses),
        ("FALSE ALARM", verdict.false_alarms),
        ("NO VERDICT", verdict.broken),
        ("WRONG EVIDENCE", verdict.wrong),
    ):
        for line in lines:
            _tell(f"{kind}: {line}")
    defects = len({o.worker for o in outcomes} - {CORRECT})
    _tell(
        f"{defects - len(verdict.misses)} of {defects} defects named, "
        f"{sum(len(o.evidence) for o in outcomes)} pieces of evidence, {len(verdict.wrong)} of them wrong; "
        f"{len([o for o in outcomes if o.worker == CORRECT])} runs of the correct worker, "
        f"{len(verdict.false_alarms)} false alarms"
    )
    return 0 if verdict.held else 1


def _lanes(wish: argparse.Namespace) -> Iterator[Lane]:
    # A lab of its own for each: what one cell leaves broken must not be found in the next.
    for defect in wish.only or list(Defect):
        for cell in DEFECTS[Defect(defect)].shows:
            if cell in wish.cell:
                yield Lane(str(defect), cell, range(1, wish.tries + 1), BREAKS[defect])
    if not wish.no_correct:
        for cell in wish.cell:
            yield Lane(CORRECT, cell, range(1, wish.seeds + 1))


def _played(lanes: Sequence[Lane], jobs: int) -> list[Outcome]:
    """Play ``jobs`` lanes at a time: most of it is waiting. An interruption waits for the plays under way."""
    over = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        running: list[Future[list[Outcome]]] = [pool.submit(lane.play, over) for lane in lanes]
        try:
            return [outcome for lane in running for outcome in lane.result()]
        finally:
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _wish(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="runs of the correct worker for each cell")
    parser.add_argument("--tries", type=int, default=4, help="runs of a defect for each cell, until it shows")
    parser.add_argument("--only", action="append", default=[], choices=[str(d) for d in Defect], metavar="DEFECT")
    parser.add_argument("--cell", action="append", default=[], choices=list(CELLS), metavar="CELL")
    parser.add_argument("--jobs", type=int, default=2, help="lanes at a time, a lab each")
    parser.add_argument("--no-correct", action="store_true", help="leave the correct worker out")
    wish = parser.parse_args(arguments)
    wish.cell = wish.cell or list(CELLS)
    return wish


def _tell(text: str, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(text + "\n")
    stream.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the lab is taken down
    sys.exit(main(sys.argv[1:]))
