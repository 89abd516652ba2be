"""What a check finds: how it stands, and evidence that a person can follow with the command that shows it."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from daemon.core.ledger import Condition, Sent, Sighting


class Standing(StrEnum):
    """How a property stands. UNKNOWN is never treated as HELD."""

    HELD = "held"
    UNKNOWN = "unknown"
    VIOLATED = "violated"


SEVERITY = (Standing.HELD, Standing.UNKNOWN, Standing.VIOLATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that is wrong. ``what`` is its kind, ``see`` the command that shows it."""

    what: str
    detail: str
    token: str | None = None
    command: str | None = None
    branch: str | None = None
    commit: str | None = None
    path: str | None = None
    line: int | None = None
    see: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    standing: Standing
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()


HELD = Finding(Standing.HELD)


def unknown(reason: str) -> Finding:
    """Return that it could not be told, and why."""
    return Finding(Standing.UNKNOWN, reason)


def found(evidence: Iterable[Evidence], doubts: Iterable[str] = ()) -> Finding:
    """Return violated when there is evidence, else unknown when there are doubts, else held."""
    proofs, open_questions = tuple(evidence), tuple(doubts)
    if proofs:
        return Finding(Standing.VIOLATED, proofs[0].detail, proofs)
    return unknown(open_questions[0]) if open_questions else HELD


def of_message(what: str, one: Sent, detail: str, seen: Sighting | None = None, see: str = "") -> Evidence:
    """Return evidence about one message, with the place where its effect was seen."""
    return Evidence(
        what=what,
        detail=f"{one.command} [{one.token}]: {detail}",
        token=one.token,
        command=one.command,
        branch=seen.branch if seen else one.branch,
        commit=seen.commit if seen else None,
        path=seen.path if seen else None,
        line=seen.line if seen else None,
        see=see or (look_at(seen) if seen else ""),
    )


def of_condition(one: Condition) -> Evidence:
    """Return evidence about something that is no message's."""
    return Evidence(
        what=one.what,
        detail=one.detail,
        branch=one.branch,
        commit=one.commit,
        path=one.path,
        line=one.line,
        see=_look_at_condition(one),
    )


def look_at(seen: Sighting) -> str:
    """Return the command that shows a sighting."""
    if seen.path and seen.branch:
        return _git(seen.repository, "grep", "-n", "-F", seen.token, seen.branch, "--", seen.path)
    if seen.commit:
        return _git(seen.repository, "show", seen.commit)
    return _git(seen.repository, "status")


def search(repository: str, token: str) -> str:
    """Return the command that searches every branch for a token."""
    return _git(repository, "log", "--all", "--oneline", f"--grep={token}")


def _look_at_condition(one: Condition) -> str:
    if one.what == "conflict-markers" and one.commit and one.path:
        return _git(one.repository, "show", f"{one.commit}:{one.path}")
    if one.what == "ahead" and one.branch:
        return _git(one.repository, "log", "--oneline", one.branch, "--not", "--remotes")
    return _git(one.repository, *(("status",) if one.what != "fsck" else ("fsck", "--full")))


def _git(repository: str, *words: str) -> str:
    return shlex.join(("git", "-C", repository, *words))
