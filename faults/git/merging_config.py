"""Join a damaged configuration with what the worker has set in it since."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from daemon.core.gitobjects import MalformedError

# A value ends with its line, unless a backslash stands before the end; a comment ends with its line in any case.
_REST = rb'(?:"(?:\\\r\n|\\.|[^"\\\n])*+"|\\\r\n|\\.|[^"\\\n#;])*+'
_COMMENT = rb"(?:[#;][^\n]*+)?(?:\n|\Z)"
_HEADING = re.compile(
    rb'[ \t]*\[(?P<name>[A-Za-z0-9.-]+)(?:[ \t]+"(?P<sub>(?:\\.|[^"\\\n])*+)")?\][ \t]*(?:' + _COMMENT + rb")?",
    re.DOTALL,
)
_SETTING = re.compile(
    rb"[ \t]*(?P<key>[A-Za-z][A-Za-z0-9-]*)[ \t]*(?:=(?P<value>" + _REST + rb")|\r?)" + _COMMENT, re.DOTALL
)
_NOTHING = re.compile(rb"[ \t\r]*" + _COMMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some bytes of the file: a setting, or (without a key) a heading, a comment, an empty line."""

    text: bytes
    heading: bytes
    key: bytes = b""
    value: bytes = b""

    @property
    def setting(self) -> tuple[bytes, bytes]:
        return self.key, self.value


def joined(before: bytes, after: bytes, now: bytes) -> bytes | None:
    """Return the settings that we took away, and behind them what is there now without ours; None when neither is.

    A key that the worker has set since has the worker's values alone.
    """
    try:
        old, new = list(parts(before)), list(parts(now))
    except MalformedError:
        return None
    left = list(_readable(after))
    ours = {part.setting for part in left if part.key}
    theirs = {part.key for part in new if part.key and part.setting not in ours}
    added = ours - {part.setting for part in old}
    known = {part.text.strip() for part in (*left, *new) if not part.key}
    back = [
        part
        for part in old
        if (part.setting not in ours and part.key not in theirs if part.key else part.text.strip() not in known)
    ]
    kept = [part for part in new if not part.key or part.setting not in added]
    if len(kept) == len(new) and not any(part.key for part in back):
        return None
    return b"".join((*_under_headings(back), *(part.text for part in kept)))


def parts(data: bytes) -> Iterator[Part]:
    """Yield a configuration part by part, every byte of it; raises MalformedError where git would."""
    at, section, heading = 0, b"", b""
    while at < len(data):
        if found := _NOTHING.match(data, at):
            yield Part(text=found[0], heading=heading)
        elif found := _HEADING.match(data, at):
            sub = b"." + re.sub(rb"\\(.)", rb"\1", found["sub"]) if found["sub"] is not None else b""
            section, heading = found["name"].lower() + sub, found[0]
            yield Part(text=found[0], heading=heading)
        elif section and (found := _SETTING.match(data, at)):
            key, value = section + b"." + found["key"].lower(), found["value"]
            yield Part(text=found[0], heading=heading, key=key, value=b"\0" if value is None else value.strip())
        else:
            raise MalformedError(f"the configuration has a line {data[at : at + 60]!r}")
        at = found.end()


def _readable(data: bytes) -> Iterator[Part]:
    try:
        yield from parts(data)
    except MalformedError:
        return  # what git reads up to there


def _under_headings(back: list[Part]) -> Iterator[bytes]:
    """Yield the parts' bytes, each under its heading, each line with its end."""
    heading = b""
    for part in back:
        if part.heading not in (heading, part.text):
            yield part.heading if part.heading.endswith(b"\n") else part.heading + b"\n"
        heading = part.heading
        yield part.text if part.text.endswith(b"\n") or part.text == part.heading else part.text + b"\n"
