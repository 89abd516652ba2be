"""What an injector is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from daemon.core.events import Observed
from daemon.core.seams import Fault, World
from daemon.core.settings import Settings
from daemon.core.target import Target
from daemon.engine.companion import no_company
from daemon.engine.facts import Past
from daemon.engine.outside import Outside
from daemon.engine.prober import Watch
from daemon.engine.recorder import JournalSeam, Recorder
from daemon.engine.reverter import Reverter
from daemon.engine.watchman import Watchman

if TYPE_CHECKING:  # a fault without a workload needs none of it
    from daemon.engine.company import Company


class Memory(JournalSeam, Past, Protocol):
    """The journal, as writer and as witness."""


Watcher = Callable[[Target, Sequence[str], Callable[[Sequence[Observed]], None]], Watch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an injector is made of. ``new_seed`` is used where a request names no seed.

    ``outside`` None: no levers, no stop conditions, no halt file (a single injection without a configuration).
    ``company`` is asked for only when a request has a workload. ``admission`` lets the guard admit one at a time:
    after a reload the injectors of both configurations share it.
    """

    settings: Settings
    world: World
    journal: Memory
    recorder: Recorder
    reverter: Reverter
    faults: Mapping[str, type[Fault]]
    watcher: Watcher
    watchman: Watchman
    new_seed: Callable[[], int]
    boot: str
    outside: Outside | None = None
    company: "Callable[[], Company]" = no_company
    admission: Lock = field(default_factory=Lock)
