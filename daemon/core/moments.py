"""The moment at which a fault strikes: at once, or on an event of its target (``--when``, ``when:``). Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from daemon.core.model import Instant, Json
from daemon.core.parameters import duration, nearest

WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of event. ``needs`` is the part of the target that has it; ``matching`` says what a pattern is for.

    ``required``: it has no meaning without a pattern. ``regular``: the pattern is a regular expression.
    """

    summary: str
    needs: str
    matching: str = ""
    required: bool = False
    regular: bool = False


EVENTS: Mapping[str, Kind] = {
    "commit": Kind(summary="a commit is made", needs="repository", matching="its branch"),
    "push": Kind(summary="a `git push` starts", needs="repository"),
    "index-lock": Kind(summary="`.git/index.lock` appears", needs="repository"),
    "switch": Kind(summary="another branch is checked out", needs="repository", matching="that branch"),
    "stash": Kind(summary="a stash entry is made", needs="repository"),
    "file": Kind(
        summary="a file of the work tree is written", needs="repository", matching="its path", required=True
    ),
    "message": Kind(summary="a message is in flight: received, and not deleted yet", needs="queue"),
    "log": Kind(
        summary="a line is logged", needs="logs", matching="a part of the line", required=True, regular=True
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When to strike: on the first such event within ``within_s`` seconds. ``matching`` empty: any.

    ``matching`` is a pattern as in shells (``thread-*``, ``src/*.js``), for ``log`` a regular expression.
    """

    event: str
    matching: str = ""
    within_s: float = WITHIN_S

    def __str__(self) -> str:
        return f"{self.event}:{self.matching}" if self.matching else self.event

    @property
    def problem(self) -> str:
        """Say what is wrong with it; empty when nothing is."""
        kind = EVENTS.get(self.event)
        if kind is None:
            return f"unknown event {self.event!r}{nearest(self.event, EVENTS)}"
        if kind.required and not self.matching:
            return f"{self.event} needs a pattern for {kind.matching}: {self.event}:PATTERN"
        if self.matching and not kind.matching:
            return f"{self.event} takes no pattern"
        if self.within_s <= 0:
            return "within: must be more than 0s"
        return _not_regular(self.matching) if kind.regular else ""


def _not_regular(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"{pattern!r} is no regular expression: {error}"
    return ""


def read(text: str, within_s: float = WITHIN_S) -> Moment:
    """Return the moment that ``EVENT`` or ``EVENT:PATTERN`` names, right or wrong (``Moment.problem``)."""
    event, _, matching = text.partition(":")
    return Moment(event=event.strip(), matching=matching.strip(), within_s=within_s)


def moment(asked: Json) -> Moment | None:
    """Return the moment of a request: ``EVENT[:PATTERN]``, or a mapping of event, matching and within.

    Raises ValueError for anything else, and for what could never be waited for.
    """
    if asked is None:
        return None
    if isinstance(asked, str):
        found = read(asked)
    elif isinstance(asked, Mapping) and "event" in asked and asked.keys() <= {"event", "matching", "within"}:
        within = asked.get("within")
        found = Moment(
            event=str(asked["event"]),
            matching=str(asked.get("matching") or ""),
            within_s=WITHIN_S if within is None else duration(within),
        )
    else:
        raise ValueError("when: expected EVENT or EVENT:PATTERN, or event, matching and within")
    if found.problem:
        raise ValueError(f"when: {found.problem}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """Everything was looked at and allowed; from here on the event is waited for. Nothing is touched yet."""

    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """The event was seen (``at``) and the fault prepared anew; ``what`` says what was seen."""

    at: Instant
    what: str
