"""Text from outside, made fit to be kept and for a terminal: Unicode, no secrets, no escape sequences, one line."""

import re

_SECRET = re.compile(
    r"(?i)\b((?:authorization|password|passwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+)?)[^\s\"',;]+"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
)
# Whole sequences go, not only their first byte: `[2J` left over would be harmless, and noise.
_ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)"  # OSC: titles, links, the clipboard
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\|$)"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor, screen
    r"|\x1b[ -/]*[0-~]?"
)
# Control characters, those that turn or hide text (an order of commands may read backwards), and half characters
# that no encoding can write.
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_HALF = re.compile("[\ud800-\udfff]")
REASON_MOST = 1000  # characters of why somebody halts, resumes or settles


def sound(text: str) -> str:
    """Return the text with U+FFFD for every half character: no file, journal or request can be written with one.

    Python makes them of the bytes of an argument or a variable that are not UTF-8.
    """
    return _HALF.sub("\ufffd", text)


def without_secrets(text: str) -> str:
    """Return the text with ``***`` for what looks like a secret: ``password=...``, tokens, AWS access keys."""
    return _SECRET.sub(lambda found: f"{found[1] or ''}***", text)


def lines(text: str) -> str:
    """As ``printable``, for text whose lines and columns mean something: they stay as they are."""
    return "\n".join(_UNFIT.sub("?", _ESCAPE.sub("", line.expandtabs())) for line in text.split("\n"))


def printable(text: str) -> str:
    """Return the text on one line, escape sequences gone, ``?`` for every character a terminal could act on."""
    return _UNFIT.sub("?", " ".join(_ESCAPE.sub("", text).split()))
