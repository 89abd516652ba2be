"""The connection ends too early: before the call, within the answer, or after the work was done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.model import Json, Mode
from daemon.core.parameters import parameter
from faults.aws.family import AwsFault


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsReset(AwsFault):
    """Resets the connection instead of answering; AWS is not asked, nothing was done."""

    name: ClassVar[str] = "aws-reset"
    summary: ClassVar[str] = "The connection to AWS is reset: nothing was done there"
    modes: ClassVar[tuple[Mode, ...]] = (Mode("before", "TCP reset before AWS is asked"),)
    effect: ClassVar[str] = "reset"

    mode: str = parameter("before", "when it is reset", choices=("before",))

    def does(self) -> str:
        return "reset the connection (TCP RST) and ask nothing of AWS"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsLostReply(AwsFault):
    """Lets AWS carry the call out and resets the connection before the answer: where duplicates come from."""

    name: ClassVar[str] = "aws-lost-reply"
    summary: ClassVar[str] = "The answer of AWS is lost: the call was carried out, and the worker is not told"
    modes: ClassVar[tuple[Mode, ...]] = (Mode("after", "TCP reset after AWS has carried the call out"),)
    effect: ClassVar[str] = "lost-reply"

    mode: str = parameter("after", "when it is reset", choices=("after",))

    def does(self) -> str:
        return "let AWS carry the call out, then reset the connection (TCP RST) instead of handing its answer on"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsTruncate(AwsFault):
    """Sends the headers of the whole answer and a share of its body, then closes."""

    name: ClassVar[str] = "aws-truncate"
    summary: ClassVar[str] = "The answer of AWS ends too early: a part of its body, then the connection closes"
    modes: ClassVar[tuple[Mode, ...]] = (Mode("body", "the body ends before its Content-Length"),)
    effect: ClassVar[str] = "truncate"

    mode: str = parameter("body", "where it ends", choices=("body",))
    share: float = parameter(0.5, "the share of the body's bytes that is sent", least=0, most=0.99)

    def parameters(self) -> Mapping[str, Json]:
        return {"share": self.share}

    def does(self) -> str:
        return f"hand on {self.share:g} of the answer's body, then close the connection"
