"""What plays scenarios, each part made when first asked for: a fault without a workload needs none of them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from daemon.core.model import Reversion, Undo
from daemon.core.seams import World
from daemon.core.settings import Sampling
from daemon.core.target import Target
from daemon.engine.recorder import Recorder

if TYPE_CHECKING:
    from daemon.core.course import Owner, ScenarioRun
    from daemon.core.ledger import Witness
    from daemon.engine.company import Company
    from daemon.engine.player import Player
    from daemon.engine.sweeper import Sweeper


class Theatre:
    """Player, sweeper and company over one journal. The arguments are described where they are used: ``Player``."""

    def __init__(  # noqa: PLR0913  each is one thing from outside
        self,
        *,
        world: World,
        recorder: Recorder,
        sampling: Sampling,
        witness: "Callable[[Target, str, World], Witness]",
        undo: Callable[[Target, str, int, World], Undo],
        sweep: Callable[[Undo, World], Reversion],
        room: Callable[[], AbstractContextManager[World]],
        new_id: Callable[[], str],
        boot: str,
    ) -> None:
        self._world, self._recorder, self._sampling = world, recorder, sampling
        self._witness, self._undo, self._sweep, self._room = witness, undo, sweep, room
        self._new_id, self._boot = new_id, boot

    def run(self, run: str) -> "ScenarioRun | None":
        """Return one run of a scenario from the journal."""
        return self._recorder.journal.scenarios.run(run)

    @cached_property
    def owner(self) -> "Owner":
        """Return what others will know this process by."""
        from daemon.core.course import Owner  # noqa: PLC0415  see above
        from daemon.ports.processes import this_process  # noqa: PLC0415

        pid, started_s = this_process()
        return Owner(pid=pid, started_s=started_s, boot=self._boot)

    @cached_property
    def sweeper(self) -> "Sweeper":
        """What sweeps up after runs."""
        from daemon.engine.sweeper import Sweeper  # noqa: PLC0415

        return Sweeper(
            world=self._world, recorder=self._recorder, sweep=self._sweep, owner=self.owner, lives=self._lives
        )

    @cached_property
    def player(self) -> "Player":
        """What plays one scenario."""
        from daemon.engine.player import Player  # noqa: PLC0415

        return Player(
            world=self._world,
            recorder=self._recorder,
            sweeper=self.sweeper,
            every_s=self._sampling.probe_every_s,
            witness=self._witness,
            room=self._room,
            undo=self._undo,
            owner=self.owner,
            new_id=self._new_id,
        )

    @cached_property
    def company(self) -> "Company":
        """What plays workloads beside faults."""
        from daemon.engine.company import Company  # noqa: PLC0415

        return Company(self.player, baseline_every_s=self._sampling.baseline_every_s)

    def _lives(self, owner: "Owner") -> bool:
        from daemon.ports.processes import lives  # noqa: PLC0415

        return owner.boot == self._boot and lives(owner.pid, owner.started_s)
