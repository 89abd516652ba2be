"""Secrets out of text. Everything foreign passes here once: where it becomes an error, a finding, or a log line.

By no other way does text that chaosd did not write itself get into the journal, a report, the API or the log. Each
has one constructor: ``ChaosdError``, ``Finding`` and ``Reversion``, and the log's processor; the engine does it for
what an unforeseen exception says. Metrics carry no text. What is redacted is gone: nothing keeps the original.
"""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
TEXT_MAX = 1 << 20  # of what is longer, the rest is not worth keeping: a body, a dump

# A name that ends in one of these words; not behind "].", which is a place in our own file: tokens[0].credential.
_NAME = (
    r"(?:[\w-][\w.-]*)?"
    r"(?:password|passwd|passphrase|secret|token|credential|signature|(?:api|access|private|secret)[_-]?key)\d*"
)
_BEFORE = r"(?<![\w.\]-])"
_VALUE = r"\"[^\"]*\"|'[^']*'|[^\s\"'&,;)}\]]+"
# In this order: what says by its name that it is secret, then what shows it by its form.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        HIDDEN,
    ),
    # https://user:token@host, and a token alone in place of the user
    (re.compile(r"(?<=://)[^\s/'\"]+@"), f"{HIDDEN}@"),
    (
        re.compile(r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?)(?:(?:basic|bearer|token)\s+)?[^\s\"',;]+"),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?i)\b(bearer)\s+(?=[^\s\d]*\d|\S{20})[A-Za-z0-9+/_.~=-]{8,}"), rf"\1 {HIDDEN}"),
    # NAME=value, "name": "value", ?X-Amz-Signature=value
    (re.compile(rf"(?i){_BEFORE}({_NAME}\s*[:=]\s*)(?:{_VALUE})+"), rf"\1{HIDDEN}"),
    (
        re.compile(rf"(?i){_BEFORE}({_NAME}[\"']\s*[:=]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s\"'&,;)}}\]]{{16,}})+"),
        rf"\1{HIDDEN}",
    ),
    # --password value
    (re.compile(rf"(?i)(?<![\w-])(--?{_NAME}\s+)(?!-)(?:{_VALUE})+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{12,}"), HIDDEN),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|npm_|pypi-)[A-Za-z0-9_-]{8,}"), HIDDEN),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), HIDDEN),
)
_HINTS = re.compile(
    r"(?i)://|authorization|bearer|basic|passw|passphrase|secret|token|credential|signature|key|AKIA|ASIA|AIDA|AROA"
    r"|gh[pousr]_|github_pat_|glpat-|xox|sk-|npm_|pypi-|eyJ"
)


def redact(text: str) -> str:
    """Return the text without what is, or is called, a secret; idempotent, and linear in the text's length."""
    if len(text) > TEXT_MAX:
        text = f"{text[:TEXT_MAX]}..."
    if _HINTS.search(text) is None:
        return text
    for pattern, put in _RULES:
        text = pattern.sub(put, text)
    return text


def redacted(value: Any) -> Any:
    """Return plain data (mappings, lists, text, numbers) with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(key) if isinstance(key, str) else key: redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value
