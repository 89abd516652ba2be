"""What a request may say, as types: an unknown key, a wrong type or a value out of range is one clear 400."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.wrappers import Request

from daemon.core.errors import UsageError
from daemon.core.harmless import REASON_MOST
from daemon.core.parameters import YEAR_S

S = TypeVar("S", bound=Struct)
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Sentence = Annotated[str, Meta(max_length=REASON_MOST)]
WAIT_MAX_S = 25


class Nothing(Struct, forbid_unknown_fields=True):
    """No keys at all."""


class InjectBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to be injected, into a target named in the configuration."""

    fault: Annotated[Name, Meta(description="kind of fault; see /api/v1/faults")]
    # No default: who forgot it is told so, instead of hitting what happens to be the only one.
    target: Annotated[
        Name | None,
        Meta(description="name of a configured target, never a path or an ARN; null: the only one that there is"),
    ]
    parameters: Annotated[dict[Name, Any] | None, Meta(description="the fault's parameters")] = None
    duration_s: Annotated[
        Annotated[float, Meta(ge=0, le=YEAR_S)] | Annotated[str, Meta(max_length=40)],
        Meta(description="how long the fault stays: seconds, or 30s, 5m"),
    ] = 30.0
    seed: Annotated[Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] | None, Meta(description="repeats a choice")] = (
        None
    )
    workload: Annotated[
        Name | dict[Name, Any] | None,
        Meta(description="a scenario played meanwhile: its name, or a mapping of scenario, set and strike"),
    ] = None
    when: Annotated[
        Name | dict[Name, Any] | None,
        Meta(description="the event to strike on: EVENT[:PATTERN], or a mapping of event, matching and within"),
    ] = None
    by: Annotated[
        Annotated[str, Meta(max_length=200)] | None, Meta(description="on whose behalf; noted as a claim")
    ] = None


class ReasonBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """Why."""

    reason: Sentence | None = None
    because: Sentence | None = None


class SettleBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """Why the case may be closed, and in whose name."""

    because: Annotated[str, Meta(min_length=1, max_length=REASON_MOST, description="what was found and done")]
    by: Annotated[
        Annotated[str, Meta(max_length=200)] | None, Meta(description="on whose behalf; noted as a claim")
    ] = None


class InjectionsQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which page of which injections."""

    since_s: Annotated[float, Meta(ge=0, le=1e12, description="proposed since then, epoch seconds")] = 0.0
    limit: Annotated[int, Meta(ge=1, le=1000, description="how many a page")] = 100
    after: Annotated[
        str, Meta(max_length=200, description="id of the last injection of the page before; `next` names it")
    ] = ""


class ProbeQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which probe, by the names of the configuration."""

    target: Annotated[Name, Meta(description="name of a configured target")]
    module: Annotated[Name, Meta(description="name of a configured probe of that target")]


class WaitQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """How long to wait for the verdict."""

    wait: Annotated[
        float,
        Meta(
            ge=0, le=WAIT_MAX_S, description="seconds to wait for the verdict; where many wait, it answers at once"
        ),
    ] = 0.0


SAID: tuple[type[Struct], ...] = (ReasonBody, SettleBody)
"""Bodies that hold nothing but words for people: an odd character in them must keep nobody from halting."""

# Two escapes may be one character, and a backslash may itself be escaped: only a half alone is replaced.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def _sound(text: bytes) -> bytes:
    """Return a JSON text with U+FFFD for bytes that are not UTF-8 and for escapes of half characters."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text.decode(errors="replace").encode())


def read_body(request: Request, kind: type[S]) -> S:
    """Return the body as its type; raises UsageError, or UnsupportedMediaType for what is not sent as JSON.

    A page of another site can make a browser send a form, but not JSON without asking us first.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("send Content-Type: application/json")
    text = request.get_data() or b"{}"
    if kind in SAID:
        text = _sound(text)
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"the request's body does not fit: {error}") from error
    except RecursionError:
        raise UsageError("the request's body does not fit: it is nested too deeply") from None


def read_query(request: Request, kind: type[S]) -> S:
    """Return the query's parameters as their type; raises UsageError."""
    given: Mapping[str, list[str]] = request.args.to_dict(flat=False)
    twice = [name for name, values in given.items() if len(values) > 1]
    if twice:
        raise UsageError(f"the query does not fit: {', '.join(twice)} is given more than once")
    try:
        return msgspec.convert({name: values[0] for name, values in given.items()}, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"the query does not fit: {error}") from error
