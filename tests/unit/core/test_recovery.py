"""Edges of impact and recovery, found from samples."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.model import Instant, Observation, Reading, Status
from daemon.core.recovery import edges

OK, BAD, UNKNOWN = Status.OK, Status.FAILING, Status.UNKNOWN


def sample(at_s: float, status: Status, took_s: float = 0.1) -> Observation:
    return Observation(
        probe="p",
        target="t",
        asked=Instant(at_s, at_s),
        answered=Instant(at_s + took_s, at_s + took_s),
        reading=Reading(status=status),
    )


def series(*statuses: Status, start_s: float = 10.0, step_s: float = 1.0) -> list[Observation]:
    return [sample(start_s + n * step_s, s) for n, s in enumerate(statuses)]


def test_the_brackets_run_from_the_last_sample_before_to_the_first_after() -> None:
    found = edges({"p": series(OK, BAD, BAD, OK, OK, OK)}, injected_s=10.5, stable_s=1)
    assert found.impact is not None
    assert found.recovered is not None
    assert (found.impact.lo_s, round(found.impact.hi_s, 3)) == (0.0, 0.6)
    assert (round(found.recovered.lo_s, 3), round(found.recovered.hi_s, 3)) == (1.5, 2.6)


def test_a_short_calm_is_no_recovery() -> None:
    found = edges({"p": series(BAD, OK, BAD, OK)}, injected_s=9, stable_s=1)
    assert found.impact is not None
    assert found.recovered is None


def test_the_slowest_probe_decides() -> None:
    found = edges(
        {"fast": series(BAD, OK, OK, OK, OK, OK), "slow": series(BAD, BAD, BAD, OK, OK, OK)},
        injected_s=9,
        stable_s=1,
    )
    assert found.recovered is not None
    assert found.recovered.lo_s == 3.0


def test_unknown_moves_no_edge_and_widens_the_bracket() -> None:
    found = edges({"p": series(BAD, UNKNOWN, UNKNOWN, OK, OK, OK)}, injected_s=9, stable_s=1)
    assert found.recovered is not None
    assert found.recovered.lo_s == 1.0
    assert round(found.recovered.hi_s, 3) == 4.1
    assert found.doubtful == ("p",)


def test_a_probe_that_never_answered_is_blind_and_nothing_has_recovered() -> None:
    found = edges({"p": series(BAD, OK, OK, OK), "q": series(UNKNOWN, UNKNOWN)}, injected_s=9, stable_s=1)
    assert found.blind == ("q",)
    assert found.recovered is None


def test_no_failure_seen_is_no_impact() -> None:
    found = edges({"p": series(OK, OK, OK)}, injected_s=9, stable_s=1)
    assert found.impact is None
    assert found.recovered is None


@given(
    outage_s=st.floats(0.3, 20),
    every_s=st.floats(0.05, 0.5),
    took_s=st.floats(0.0, 0.2),
    offset_s=st.floats(0, 0.5),
)
def test_the_true_length_lies_in_the_bracket(
    outage_s: float, every_s: float, took_s: float, offset_s: float
) -> None:
    injected_s, back_s = 100.0, 100.0 + outage_s
    samples, at = [], 99.0 + offset_s
    while at < back_s + 5:
        looked_s = at + took_s / 2  # somewhere between asking and answering
        samples.append(sample(at, BAD if injected_s <= looked_s < back_s else OK, took_s))
        at += took_s + every_s
    found = edges({"p": samples}, injected_s=injected_s, stable_s=1)
    if found.impact is None:
        return  # an outage shorter than the sampling interval can be missed: no impact, never a wrong length
    assert found.recovered is not None
    assert found.recovered.lo_s - 1e-6 <= outage_s <= found.recovered.hi_s + 1e-6
    assert found.recovered.hi_s - found.recovered.lo_s <= every_s + 2 * took_s + 1e-6
