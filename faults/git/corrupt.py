"""Damage to a clone's files: objects, packs, index, HEAD, refs, reflogs, stash, configuration."""

from dataclasses import dataclass
from typing import ClassVar

from daemon.core.parameters import parameter
from faults.git import (
    branch_refs,
    config_file,
    config_values,
    graphs,
    head_ref,
    index_bytes,
    index_cache,
    index_entries,
    loose_objects,
    loose_store,
    other_refs,
    pack_bytes,
    pack_indexes,
    packed_ref_file,
    reflogs,
    stash,
)
from faults.git.entry import modes
from faults.git.family import Family
from faults.git.prey import object_problem

ENTRIES = (
    *loose_objects.ENTRIES,
    *loose_store.ENTRIES,
    *pack_bytes.ENTRIES,
    *pack_indexes.ENTRIES,
    *index_bytes.ENTRIES,
    *index_entries.ENTRIES,
    *index_cache.ENTRIES,
    *head_ref.ENTRIES,
    *packed_ref_file.ENTRIES,
    *branch_refs.ENTRIES,
    *other_refs.ENTRIES,
    *stash.ENTRIES,
    *reflogs.ENTRIES,
    *graphs.ENTRIES,
    *config_file.ENTRIES,
    *config_values.ENTRIES,
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCorrupt(Family):
    """Damages a clone's files as power cuts, full disks and bit rot do; hard links keep the good bytes."""

    name: ClassVar[str] = "git-corrupt"
    summary: ClassVar[str] = "damage a clone's objects, packs, index, HEAD, refs, reflogs, stash or configuration"
    modes: ClassVar = modes(ENTRIES)
    entries: ClassVar = _BY_NAME

    mode: str = parameter("loose-object-truncate", "what is damaged", choices=tuple(_BY_NAME))
    object: str = parameter("any", "what the object modes choose: any, commit, tree, blob, or an object's id")
    depth: int = parameter(0, "how many commits back from HEAD an object may lie; 0: as far as is looked", least=0)
    least_bytes: int = parameter(0, "size from which an object may be chosen", least=0)
    most_bytes: int = parameter(0, "size up to which an object may be chosen; 0: any", least=0)

    def __post_init__(self) -> None:
        problem = object_problem(self.object)
        if problem is not None:
            raise ValueError(problem)
