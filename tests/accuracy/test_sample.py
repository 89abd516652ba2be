"""A short sample of `make accuracy`: the recovery that the party knows lies in the bracket that chaosd reports."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.accuracy.lane import Lane, Outage


def test_the_true_recovery_time_lies_in_the_bracket(tmp_path: Path) -> None:
    lanes = [
        Lane(
            name=f"{length_s:g}",
            directory=tmp_path / f"{length_s:g}",
            outages=(Outage(length_s=length_s),),
            limit_s=60,
        )
        for length_s in (1.2, 1.6, 2.0)
    ]
    with ThreadPoolExecutor(len(lanes)) as pool:
        measured = [m for found in pool.map(Lane.run, lanes) for m in found]
    assert [m.inside for m in measured] == [True] * 3, measured
