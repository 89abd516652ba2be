"""The kinds of scalar the file may hold: durations, names, paths, URLs, addresses, templates."""

import dataclasses
import json
import math
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from daemon.core import addresses
from daemon.core import target as core
from daemon.core.parameters import duration, nearest

DURATION = r"^(?=\d)(\d+(\.\d+)?d)?(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?(\d+(\.\d+)?ms)?$"
LONE_TOKEN = "token"  # noqa: S105  the name of what token_file holds
PLACEHOLDERS = ("chatThreadId", "clientId", "commandId", "instruction", "sessionId", "timestamp", "userId")


def default(record: type[Any], name: str) -> Any:
    """Return the default of a settings record's field, so that each default stands once."""
    found = {f.name: f for f in dataclasses.fields(record)}[name]
    return found.default if found.default_factory is dataclasses.MISSING else found.default_factory()


def checked(parse: Callable[[str], object]) -> AfterValidator:
    """Return a validator that keeps the text and lets ``parse`` raise ValueError."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _absolute(text: str) -> None:
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is no absolute path: start it with /")


def _url(text: str) -> None:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise ValueError(f"{text!r} is no URL: write https://...")
    _ = parts.port  # raises ValueError when it is no number


def _host(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", text):
        raise ValueError(f"{text!r} is no host name: write it without scheme and port")


def _placeholders(text: str) -> None:
    for word in re.findall(r"{(\w*)}", text):
        if word not in PLACEHOLDERS:
            raise ValueError(f"unknown placeholder {{{word}}}{nearest(word, PLACEHOLDERS)}")


def _format(text: str) -> None:
    if text != core.Queue(url="").format and "{instruction}" not in text:
        raise ValueError("expected 'standard' or a template that contains {instruction}")


def read_address(text: str) -> addresses.Listen:
    """Read ``HOST:PORT``, ``[::1]:PORT`` or ``unix:/path``; raises ValueError."""
    if text.startswith("unix:/"):
        return addresses.UnixSocket(path=text.removeprefix("unix:"))
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]*)):(\d{1,5})", text, re.ASCII)
    if found is None or int(found[3]) > 65535:  # noqa: PLR2004  the last TCP port
        raise ValueError(f"{text!r} is no address: write 127.0.0.1:9876, [::1]:9876 or unix:/run/chaosd.sock")
    return addresses.Tcp(host=found[1] or found[2] or "0.0.0.0", port=int(found[3]))  # noqa: S104  ":9876" means all


def write_address(address: addresses.Listen) -> str:
    """Write an address as ``read_address`` reads it."""
    if isinstance(address, addresses.UnixSocket):
        return f"unix:{address.path}"
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


def _percent(value: object) -> float:
    text = value.strip().removesuffix("%").rstrip() if isinstance(value, str) else value
    try:
        number = math.nan if isinstance(text, bool) else float(text)  # type: ignore[arg-type]  # see TypeError
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number <= 100:  # noqa: PLR2004  per cent
        raise ValueError(f"{value!r} is no percentage: write a number above 0, at most 100")
    return number


def _many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _json(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value


_duration_schema = WithJsonSchema({"type": ["string", "number"], "pattern": DURATION, "minimum": 0})
Text: TypeAlias = Annotated[str, Field(min_length=1)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Host: TypeAlias = Annotated[str, Field(max_length=253), checked(_host), AfterValidator(str.lower)]
Seconds: TypeAlias = Annotated[float, BeforeValidator(duration), _duration_schema]
Interval: TypeAlias = Annotated[float, BeforeValidator(duration), Field(ge=1.0), _duration_schema]
Sample: TypeAlias = Annotated[float, BeforeValidator(duration), Field(ge=0.05), _duration_schema]
Absolute: TypeAlias = Annotated[str, checked(_absolute)]
Url: TypeAlias = Annotated[str, checked(_url)]
Template: TypeAlias = Annotated[str, Field(min_length=1), checked(_placeholders)]
Format: TypeAlias = Annotated[
    str, BeforeValidator(_json), checked(_format), WithJsonSchema({"type": ["string", "object"]})
]
Percent: TypeAlias = Annotated[
    float,
    BeforeValidator(_percent),
    WithJsonSchema(
        {"type": ["number", "string"], "pattern": r"^\d+(\.\d+)? ?%?$", "exclusiveMinimum": 0, "maximum": 100}
    ),
]
Number: TypeAlias = Annotated[float, Field(strict=True)]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=0)]
Positive: TypeAlias = Annotated[int, Field(strict=True, ge=1)]
Port: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=65535)]
Paths: TypeAlias = Annotated[
    tuple[Absolute, ...],
    BeforeValidator(_many),
    Field(min_length=1),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1, "minLength": 1}),
]
