"""What another configuration changes, by name: what a reload answers with."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from daemon.core.settings import Settings

_NAMED = ("targets", "probes", "experiments")


def difference(before: Settings, after: Settings) -> dict[str, Any]:
    """Return what was added, removed and changed of the named parts, and which others are not as they were."""
    parts = {name: _changed(_by_name(before, name), _by_name(after, name)) for name in _NAMED}
    tokens = _changed({t.name: t for t in before.api.tokens}, {t.name: t for t in after.api.tokens})
    rest = [f.name for f in fields(Settings) if f.name not in (*_NAMED, "api")]
    others = [name for name in rest if getattr(before, name) != getattr(after, name)]
    return {**parts, "tokens": tokens, "others": others}


def _by_name(settings: Settings, part: str) -> Mapping[str, Any]:
    found = getattr(settings, part)
    return found if isinstance(found, Mapping) else {one.name: one for one in found}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    }
