"""chaosd with the natural mistake planted: the plan is written down when the fault is about to be taken back."""

import sys

from daemon.core.events import Event, Injected, Plan, Planned
from daemon.engine.injector import Injector
from daemon.engine.reverter import Reverter
from daemon.engine.watchman import OnWatch
from daemon.faces.cli import main

held: list[tuple[Injector, Plan, Event]] = []
right_way, finish = Injector._record, Reverter.finish


def late(self: Injector, proposed: Plan, *happened: Event) -> None:
    if isinstance(happened[0], Planned | Injected):
        held.append((self, proposed, happened[0]))
    else:
        right_way(self, proposed, *happened)


def write_then_finish(self: Reverter, injection: str) -> object:
    for injector, proposed, event in held:
        right_way(injector, proposed, event)
    return finish(self, injection)


Injector._record = late  # type: ignore[method-assign]
Reverter.finish = write_then_finish  # type: ignore[method-assign,assignment]
OnWatch.arm = lambda _self, _injection: None  # type: ignore[method-assign]  # it would refuse what is not planned
sys.exit(main())
