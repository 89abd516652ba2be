"""From the documents of ``chaosd scenario run`` to hits, misses and false alarms. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CORRECT = "correct worker"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One played cell. ``named`` are the violated invariants; ``problem`` says why there was no verdict.

    ``unproved`` is the evidence that did not prove true when it was looked at again.
    """

    worker: str
    cell: str
    seed: int
    named: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    unproved: tuple[str, ...] = ()
    problem: str = ""
    took_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the whole matrix says."""

    misses: tuple[str, ...]
    false_alarms: tuple[str, ...]
    broken: tuple[str, ...]
    wrong: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether the matrix is as it has to be."""
        return not (self.misses or self.false_alarms or self.broken or self.wrong)


def outcome(document: Mapping[str, Any], *, worker: str, cell: str, seed: int) -> Outcome:
    """Read one document. No scenario in it, or one not passed that names nothing, is a problem, not a success."""
    violations: list[tuple[str, str]] = []
    problem = "" if document.get("scenarios") else f"no scenario was run: {document.get('error')}"
    for scenario in document.get("scenarios", ()):
        named = scenario["violations"]
        violations += [(v["invariant"], _words(v["evidence"])) for v in named]
        if not scenario["passed"] and not named:
            problem = f"not passed, and no invariant is named: {scenario.get('unknown')}"
    return Outcome(
        worker=worker,
        cell=cell,
        seed=seed,
        named=tuple(dict.fromkeys(name for name, _ in violations)),
        evidence=tuple(f"{name}: {words}" for name, words in violations),
        problem=problem,
    )


def _words(evidence: Any) -> str:
    if isinstance(evidence, Mapping):
        return str(evidence.get("detail") or dict(evidence))
    if isinstance(evidence, Sequence) and not isinstance(evidence, str):
        return "; ".join(_words(one) for one in evidence)
    return str(evidence)


def judge(outcomes: Sequence[Outcome], breaks: Mapping[str, tuple[str, ...]]) -> Verdict:
    """Judge the matrix against what each defect is known to break."""
    played = {o.worker for o in outcomes}
    misses = [
        f"{defect}: no cell names {' or '.join(expected)}"
        for defect, expected in breaks.items()
        if defect in played and not any(set(o.named) & set(expected) for o in outcomes if o.worker == defect)
    ]
    right = [o for o in outcomes if o.worker == CORRECT]
    alarms = [f"{o.cell}, seed {o.seed}: {line}" for o in right for line in o.evidence]
    broken = [f"{o.cell}, seed {o.seed}: {o.problem}" for o in right if o.problem]
    wrong = [f"{o.worker}, {o.cell}, seed {o.seed}: {line}" for o in outcomes for line in o.unproved]
    return Verdict(misses=tuple(misses), false_alarms=tuple(alarms), broken=tuple(broken), wrong=tuple(wrong))


def table(outcomes: Sequence[Outcome], breaks: Mapping[str, tuple[str, ...]]) -> str:
    """Draw the matrix: one line for each worker and cell; ``*`` marks a listed invariant."""
    rows: dict[tuple[str, str], list[Outcome]] = {}
    for one in outcomes:
        rows.setdefault((one.worker, one.cell), []).append(one)
    lines = [f"{'worker':<35} {'cell':<26} {'runs':>4}  named"]
    for (worker, cell), runs in rows.items():
        lines.append(f"{worker:<35} {cell:<26} {len(runs):>4}  {_named(runs, breaks.get(worker, ()))}")
    return "\n".join(lines)


def _named(runs: Iterable[Outcome], listed: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for run in runs:
        for name in run.named or (("?",) if run.problem else ()):
            counts[name] = counts.get(name, 0) + 1
    wanted = set(listed)
    return ", ".join(f"{'*' if n in wanted else ''}{n} ({c})" for n, c in sorted(counts.items())) or "-"
