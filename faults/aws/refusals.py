"""AWS answers with an error: throttling, outages, refusals, credentials that are no longer good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from daemon.core.model import Json, Mode
from daemon.core.parameters import parameter
from faults.aws.answers import ANY, CREDENTIALS, ERRORS, THROTTLES, Kind
from faults.aws.family import AwsFault

NAMED = "named"
_CODE = "ValidationException"


def modes(kinds: Sequence[Kind]) -> tuple[Mode, ...]:
    """Return the modes of a table of answers."""
    return tuple(Mode(kind.name, kind.summary) for kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(AwsFault):
    """Answers calls itself, in the wire format of their service; AWS is not asked."""

    effect: ClassVar[str] = "error"
    kinds: ClassVar[Mapping[str, Kind]]

    def check(self) -> None:
        self.operations()
        answers = self.kind().answers
        if self.service and self.service not in answers and ANY not in answers:
            raise ValueError(f"mode {self.mode} is no answer of {self.service}: it is one of {', '.join(answers)}")

    def kind(self) -> Kind:
        """Return the answer that is given."""
        return self.kinds[self.mode]

    def parameters(self) -> Mapping[str, Json]:
        kind = self.kind()
        return {"answers": {service: list(answer) for service, answer in kind.answers.items()}, "empty": kind.empty}

    def does(self) -> str:
        kind = self.kind()
        given = {answer[:2]: None for answer in self._given(kind).values()}
        words = ", ".join(f"{status}{'' if kind.empty else f' {code}'}" for status, code in given)
        return f"answer with {words}{' and no body' if kind.empty else ''} instead of asking AWS"

    def _given(self, kind: Kind) -> Mapping[str, Any]:
        if not self.service:
            return kind.answers
        return {self.service: kind.answers.get(self.service) or kind.answers[ANY]}


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsThrottle(Refusal):
    """Answers as each service does when it is asked too often."""

    name: ClassVar[str] = "aws-throttle"
    summary: ClassVar[str] = "AWS throttles the worker's calls, with each service's own code and status"
    modes: ClassVar[tuple[Mode, ...]] = modes(THROTTLES)
    kinds: ClassVar[Mapping[str, Kind]] = {kind.name: kind for kind in THROTTLES}

    mode: str = parameter("rate", "which throttling", choices=tuple(k.name for k in THROTTLES))


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsError(Refusal):
    """Answers with an outage (5xx), a refusal that AWS has a name for, or any code and status that are given."""

    name: ClassVar[str] = "aws-error"
    summary: ClassVar[str] = "AWS answers the worker's calls with an error: 5xx, or one by its name"
    modes: ClassVar[tuple[Mode, ...]] = (*modes(ERRORS), Mode(NAMED, "the code and status given as parameters"))
    kinds: ClassVar[Mapping[str, Kind]] = {kind.name: kind for kind in ERRORS}

    mode: str = parameter("unavailable", "which error", choices=(*(k.name for k in ERRORS), NAMED))
    code: str = parameter(_CODE, "named: the error's code as the service spells it, e.g. ReceiptHandleIsInvalid")
    status: int = parameter(400, "named: the HTTP status", least=400, most=599)
    message: str = parameter("", "named: the words that come with it; empty: some of ours")

    def check(self) -> None:
        Refusal.check(self)
        if self.mode != NAMED and self.code != _CODE:
            raise ValueError(f"code: it is for mode {NAMED}; mode {self.mode} has codes of its own")

    def kind(self) -> Kind:
        if self.mode != NAMED:
            return self.kinds[self.mode]
        words = self.message or "An error that chaosd was asked for."
        answers = {ANY: (self.status, self.code, words)}
        return Kind(name=NAMED, summary="", answers=answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsExpiredCredentials(Refusal):
    """Answers as AWS does to credentials that are no longer good; the worker's own are never touched."""

    name: ClassVar[str] = "aws-expired-credentials"
    summary: ClassVar[str] = "AWS no longer takes the worker's credentials: expired, unknown, or out of time"
    modes: ClassVar[tuple[Mode, ...]] = modes(CREDENTIALS)
    kinds: ClassVar[Mapping[str, Kind]] = {kind.name: kind for kind in CREDENTIALS}

    mode: str = parameter("expired", "what is wrong with them", choices=tuple(k.name for k in CREDENTIALS))
