"""From the course of a workload and its baseline to what the injection's history keeps of it. Pure."""

from daemon.core.course import Course
from daemon.core.events import Checked
from daemon.core.evidence import Evidence, Standing
from daemon.core.invariants import INVARIANTS, Result, blame
from daemon.core.model import Instant, Json


def unfit(baseline: Course) -> str:
    """Return why nothing can be compared with a baseline, or nothing when it is good."""
    if baseline.stopped:
        return baseline.stopped
    if not baseline.settled:
        return "it was still moving at the longest wait"
    return "" if baseline.results else "nothing was judged"


def checked(course: Course, baseline: Course, *, at: Instant, baseline_run: str) -> Checked:
    """Return what is to be blamed on the fault, what the baseline explains, and what nobody can tell.

    Safety properties only: under a fault a slow message is the recovery time's business.
    """
    blamed = blame(baseline.results, course.results)
    known = {r.invariant for r in blamed.baseline}
    safety = [r for r in blamed.results if not INVARIANTS[r.invariant].objective]
    doubtful = [r for r in safety if r.standing is Standing.UNKNOWN]
    broken = [r for r in safety if r.standing is Standing.VIOLATED]
    return Checked(
        at=at,
        run=course.ledger.run,
        baseline=baseline_run,
        violations=tuple(violation(r, e) for r in broken for e in r.evidence),
        masked=tuple(r.invariant for r in doubtful if r.invariant in known),
        unknown=tuple({"invariant": r.invariant, "reason": r.reason} for r in doubtful if r.invariant not in known),
        settled=course.settled,
    )


def violation(result: Result, evidence: Evidence) -> dict[str, Json]:
    """Return one violation with its evidence, the parts that it has, in the shape of the JSON."""
    parts = {
        "what": evidence.what,
        "detail": evidence.detail,
        "token": evidence.token,
        "command": evidence.command,
        "branch": evidence.branch,
        "commit": evidence.commit,
        "path": evidence.path,
        "line": evidence.line,
        "see": evidence.see,
    }
    return {"invariant": result.invariant, "evidence": {k: v for k, v in parts.items() if v not in (None, "")}}
