"""Half a batch: some entries are taken out of the request and come back as failed. Pure."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from daemon.core.proxying import Rule

_MOST = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """What is left to forward (None: nothing) and what the answer must say of the rest."""

    body: bytes | None
    failed: Mapping[str, Any]

    def joined(self, answer: bytes) -> bytes:
        """Return the service's answer with the failed entries put in; one that is no JSON object as it is."""
        found = _object(answer)
        if found is None:
            return answer
        for key, value in self.failed.items():
            found[key] = _both(found.get(key), value)
        return json.dumps(found).encode()

    def alone(self) -> dict[str, Any]:
        """Return the answer where nothing is left to forward."""
        return {"Successful": [], **self.failed} if "Failed" in self.failed else dict(self.failed)


def splits(service: str, operation: str, *, form: bool) -> bool:
    """Tell whether a call is a batch that can be answered in part."""
    if form:
        return False
    return (service == "sqs" and operation.endswith("Batch")) or (service, operation) == (
        "dynamodb",
        "BatchWriteItem",
    )


def split(service: str, body: bytes, rule: Rule, dice: Random) -> Half | None:
    """Take ``share`` of the entries out, at least one, chosen by dice; None when the body holds no entries."""
    found = _object(body) or {}
    return _writes(found, rule, dice) if service == "dynamodb" else _entries(found, rule, dice)


def _chosen(count: int, rule: Rule, dice: Random) -> frozenset[int]:
    share = min(_MOST, float(rule.parameters.get("share", 0.5)))
    return frozenset(dice.sample(range(count), min(count, max(1, math.floor(count * share + 0.5)))))


def _entries(found: dict[str, Any], rule: Rule, dice: Random) -> Half | None:
    entries = found.get("Entries")
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries) or not entries:
        return None
    chosen, told = _chosen(len(entries), rule, dice), rule.parameters
    failed = [
        {
            "Id": entry.get("Id"),
            "SenderFault": bool(told.get("sender_fault", False)),
            "Code": str(told.get("code", "InternalError")),
            "Message": str(told.get("message", "")),
        }
        for i, entry in enumerate(entries)
        if i in chosen
    ]
    left = [entry for i, entry in enumerate(entries) if i not in chosen]
    body = json.dumps({**found, "Entries": left}).encode() if left else None
    return Half(body=body, failed={"Failed": failed})


def _writes(found: dict[str, Any], rule: Rule, dice: Random) -> Half | None:
    tables = found.get("RequestItems")
    if not isinstance(tables, dict) or not all(isinstance(v, list) for v in tables.values()):
        return None
    items = [(table, item) for table, asked in tables.items() for item in asked]
    if not items:
        return None
    chosen = _chosen(len(items), rule, dice)
    left: dict[str, list[Any]] = {}
    failed: dict[str, list[Any]] = {}
    for i, (table, item) in enumerate(items):
        (failed if i in chosen else left).setdefault(table, []).append(item)
    body = json.dumps({**found, "RequestItems": left}).encode() if left else None
    return Half(body=body, failed={"UnprocessedItems": failed})


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _both(there: Any, more: Any) -> Any:
    """Join two lists, or two mappings of lists."""
    if isinstance(there, list) and isinstance(more, list):
        return there + more
    if isinstance(there, dict) and isinstance(more, dict):
        return {
            key: there.get(key, []) + more.get(key, []) for key in (*there, *(k for k in more if k not in there))
        }
    return more
