"""What holds for any git case: judging is total, more trouble never looks better, blindness never passes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.evidence import Standing
from daemon.core.gitcases import Case, Checked, Judged, Look, Outcome, Skipped, Unbuilt, exit_code
from daemon.core.gitchecks import CHECKS, judge
from daemon.core.gittable import GIT_SCENARIOS
from daemon.core.ledger import Part, Place
from tests.gitlooks import good_looks, seen, without

SCENARIO = GIT_SCENARIOS["git-switch"]
CASE = Case(scenario=SCENARIO, name="A-B-A", seed=1)
SIGHTINGS = st.builds(
    seen, st.sampled_from([1, 2, 3, 10, 11]), st.sampled_from(Place), st.sampled_from(["b1", "b2", "main"])
)
CHECKED = st.builds(
    Checked, name=st.sampled_from(list(CHECKS)), standing=st.sampled_from(Standing), objective=st.booleans()
)


@st.composite
def courses(draw: st.DrawFn) -> tuple[Look, ...]:
    """Return looks with anything in them, consistent or not."""
    looks = []
    for look in good_looks():
        one = look
        for number in draw(st.lists(st.sampled_from([1, 2, 3, 10, 11]), max_size=3)):
            one = without(one, number, *draw(st.lists(SIGHTINGS, max_size=2)))
        blind = draw(st.dictionaries(st.sampled_from([Part.REMOTE, Part.CLONES]), st.just("dark"), max_size=2))
        looks.append(replace(one, ledger=replace(one.ledger, blind=blind)))
    return tuple(looks)


@given(courses())
def test_every_course_is_judged_and_always_alike(looks: tuple[Look, ...]) -> None:
    found = judge(SCENARIO, looks)
    assert found == judge(SCENARIO, looks)
    assert all(bool(c.evidence) == (c.standing is Standing.VIOLATED) for c in found)


@given(courses())
def test_what_the_remote_hides_is_never_held(looks: tuple[Look, ...]) -> None:
    hidden = any(Part.REMOTE in look.ledger.blind for look in looks)
    held = {c.name for c in judge(SCENARIO, looks) if c.standing is Standing.HELD}
    assert not (hidden and any(Part.REMOTE in CHECKS[n].needs for n in held if n in CHECKS))


@given(st.lists(CHECKED, min_size=1), CHECKED)
def test_one_more_check_never_makes_a_case_look_better(checks: list[Checked], more: Checked) -> None:
    order = [Outcome.PASSED, Outcome.UNKNOWN, Outcome.FAILED]
    before = Judged(case=CASE, looks=good_looks(), checks=tuple(checks)).outcome
    after = Judged(case=CASE, looks=good_looks(), checks=(*checks, more)).outcome
    needed = [c for c in checks if not c.objective]
    assert order.index(after) >= order.index(before) or not needed


@given(st.lists(st.sampled_from(["skipped", "unbuilt", "passed", "failed"])))
def test_exit_0_is_for_runs_in_which_everything_passed(kinds: list[str]) -> None:
    made = {
        "skipped": Skipped(CASE, "why"),
        "unbuilt": Unbuilt(CASE, "why"),
        "passed": Judged(case=CASE, looks=good_looks(), checks=judge(SCENARIO, good_looks())),
        "failed": Judged(case=CASE, looks=good_looks(), checks=(Checked(name="x", standing=Standing.VIOLATED),)),
    }
    assert (exit_code([made[k] for k in kinds]) == 0) == (bool(kinds) and set(kinds) == {"passed"})
