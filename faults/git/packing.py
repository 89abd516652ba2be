"""Edits as JSON, and back."""

import base64
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from daemon.core.model import Json
from daemon.core.seams import FileStat, Piece
from faults.git.kinds import Dress, Edit, FileEdit, Hold, Make, Move, Patch, Recipe, Snapshot

_STAT_FIELDS = ("mode", "mtime_ns", "uid", "gid", "inode")
_KINDS: Mapping[str, type[Any]] = {"move": Move, "make": Make, "dress": Dress, "patch": Patch, "hold": Hold}


def dump_edit(edit: Edit) -> dict[str, Json]:
    """Return an edit as JSON-ready data."""
    if isinstance(edit, FileEdit):
        return _dump_file(edit)
    name = next(name for name, kind in _KINDS.items() if isinstance(edit, kind))
    return {"edit": name, **{f.name: _dump(getattr(edit, f.name)) for f in fields(edit)}}


def load_edit(data: Mapping[str, Any]) -> Edit:
    """Return the edit that was dumped."""
    kind = _KINDS.get(data.get("edit", "file"))
    if kind is None:
        return _load_file(data)
    known = (f.name for f in fields(kind) if f.name in data)  # a record of an older version lacks some
    return kind(**{name: _load(data[name]) for name in known})  # type: ignore[no-any-return]


def _dump(value: Any) -> Json:
    if isinstance(value, FileStat):
        return {**dump_stat(value), "kind": value.kind, "size": value.size}
    if isinstance(value, tuple):
        return [_dump(part) for part in value]
    if isinstance(value, Piece):
        return {"offset": value.offset, "old": _pack(value.old), "new": _pack(value.new)}
    return value


def _load(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_load(part) for part in value)
    if isinstance(value, dict) and "offset" in value:
        return Piece(value["offset"], _unpack(value["old"]), _unpack(value["new"]))
    return load_stat(value, kind=value["kind"], size=value["size"]) if isinstance(value, dict) else value


def _dump_file(edit: FileEdit) -> dict[str, Json]:
    before: dict[str, Json] | None = None
    if edit.before is not None:
        content = edit.before.content
        before = dump_stat(edit.before.stat)
        digest = hashlib.sha256(content).hexdigest()
        before |= {"size": len(content), "sha256": digest, "content": _pack(content)}
    recipe: dict[str, Json] = {f.name: getattr(edit.recipe, f.name) for f in fields(Recipe)}
    return {
        "path": edit.path,
        "before": before,
        "like": dump_stat(edit.like),
        "recipe": recipe | {"content": _pack(edit.recipe.content)},
        "temporary": edit.temporary,
        "guarded": edit.guarded,
        "immutable": edit.immutable,
        "merge": edit.merge,
        "lock_path": edit.lock_path,
        "algorithm": edit.algorithm,
        "shadowed": edit.shadowed.decode(),
    }


def _load_file(data: Mapping[str, Any]) -> FileEdit:
    before = None
    if data["before"] is not None:
        content = _unpack(data["before"]["content"])
        before = Snapshot(stat=load_stat(data["before"], kind="file", size=len(content)), content=content)
    return FileEdit(
        path=data["path"],
        before=before,
        like=load_stat(data["like"], kind="file", size=0),
        recipe=Recipe(**{**data["recipe"], "content": _unpack(data["recipe"]["content"])}),
        temporary=data["temporary"],
        guarded=data["guarded"],
        immutable=data["immutable"],
        merge=data.get("merge", ""),
        lock_path=data.get("lock_path", ""),
        algorithm=data.get("algorithm", ""),
        shadowed=data.get("shadowed", "").encode(),
    )


def dump_stat(stat: FileStat) -> dict[str, Json]:
    """Return a stat as JSON-ready data."""
    return {name: getattr(stat, name) for name in _STAT_FIELDS}


def load_stat(data: Mapping[str, Any], *, kind: str, size: int) -> FileStat:
    """Return the stat that was dumped."""
    return FileStat(kind=kind, size=size, links=1, **{name: data[name] for name in _STAT_FIELDS})


def _pack(content: bytes) -> str:
    # Level 1: loose objects are compressed already, and an index of 200,000 files should not cost a second.
    return base64.b64encode(zlib.compress(content, 1)).decode()


def _unpack(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
