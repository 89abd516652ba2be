"""Messages of others that chaosd has received and must give back, kept on its own disk: what the undo works from.

A receipt handle is known only after the receive, so it cannot stand in the undo record, which is written before;
and it is a secret, so it must not stand in the journal. Hence a file below ``world.private``, written before each
receive (that it is about to be made) and after it (what it brought). Three rules:

* every receive asks for the same visibility, which is never extended: whatever becomes of chaosd and of this file,
  a message comes back by itself when that time is over;
* a handle is used once, and only while it surely still counts: a worker may hold the message by a newer one. Before
  it is used that is noted; what was noted, and neither done nor refused, is waited for instead;
* a receive whose answer nobody has seen (killed, no answer) may have hidden messages without a handle: giving back
  waits until the latest moment at which they come back by themselves.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from daemon.core.cloud import Received
from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError, UndoFailedError, UnreachableError
from daemon.core.model import Json
from daemon.core.seams import World
from faults.sqs.receives import BESIDE, read_json, write_json

ANSWER_S = 15.0  # longer than a receive may take from being asked to being answered or given up
SURE_S = 2.0  # a handle this close to its end is not used any more: clocks differ, and calls take time
TOGETHER = 10  # what one call gives back
HIDDEN_MOST_S = 43_200.0  # SQS hides a message no longer than that


@dataclass(slots=True, kw_only=True)
class Custody:
    """What one injection has received from one queue and not given back. Every change is on disk first."""

    run: str
    url: str
    visibility_s: float
    world: World

    def begin(self) -> None:
        """Write the empty file: from now on there may be something to give back."""
        self._write({"messages": [], "unseen_s": [], "returned": 0, "groups": [], "sends": False})

    def sends(self) -> None:
        """Note that something is about to be sent because of what was received."""
        self._write(self._read() | {"sends": True})

    def may_have_sent(self) -> bool:
        """Tell whether that was noted; True also where it is not known: no file, or one of an older chaosd."""
        kept = read_json(self._path(), self.world)
        return kept is None or bool(kept.get("sends", True))

    def take(self, most: int, wait_s: float) -> tuple[Received, ...]:
        """Receive at most so many and keep their handles. Raises what the port raises: then some may be hidden."""
        kept = self._read()
        asked_s = self.world.clock.instant().wall_s
        self._write(kept | {"unseen_s": [*kept["unseen_s"], asked_s + ANSWER_S + self.visibility_s]})
        try:
            got = self.world.sqs.receive(
                self.url, most=most, wait_s=wait_s, visibility_s=self.visibility_s, once=True
            )
        except UnreachableError:
            raise  # it may have been carried out
        except (RefusedError, TargetAbsentError):
            self._write(kept)
            raise
        # It was received between these two instants, and stays hidden for ``visibility_s`` from then.
        first_s, last_s = asked_s, self.world.clock.instant().wall_s
        span = {"until_s": first_s + self.visibility_s, "latest_s": last_s + self.visibility_s}
        new = [{"id": one.id, "handle": one.handle, "used": False, **span} for one in got]
        groups = sorted({*kept["groups"], *(one.group for one in got if one.group)})
        self._write(kept | {"messages": [*kept["messages"], *new], "groups": groups})
        return got

    def give_back(self, ids: Collection[str]) -> None:
        """Make some of them visible again, in no particular order; those that have come back count as well."""
        if ids:
            self._use(self._read(), ids)

    def _use(self, kept: dict[str, Any], ids: Collection[str]) -> dict[str, Any]:
        """Use the handles of some messages that still count, ten at a time, and return what is kept then.

        What cannot be written down here is done all the same: a full disk must keep nothing hidden. A call that
        failed is made again by the next revert: had it been carried out unseen, that is a second delivery at most.
        """
        mine = [one for one in kept["messages"] if one["id"] in ids and self._counts(one)]
        for first in range(0, len(mine), TOGETHER):
            some = mine[first : first + TOGETHER]
            now = {one["id"] for one in some}
            noted = [{**one, "used": one["used"] or one["id"] in now} for one in kept["messages"]]
            self._note({**kept, "messages": noted})
            try:
                self.world.sqs.release(self.url, [one["handle"] for one in some])
            except ChaosdError:
                self._note(kept)
                raise
            left = [one for one in kept["messages"] if one["id"] not in now]
            kept = {**kept, "messages": left, "returned": kept["returned"] + len(some)}
            self._note(kept)
        return kept

    def _counts(self, one: Mapping[str, Any]) -> bool:
        return not one["used"] and self.world.clock.instant().wall_s < one["until_s"] - SURE_S

    def _note(self, kept: Mapping[str, Any]) -> None:
        # No room, no rights: the note is for whoever comes after a crash, the messages are for the worker.
        with suppress(ChaosdError):
            self._write(kept)

    # --- taking back -------------------------------------------------------------------------------------

    def close(self, *, within_s: float) -> Mapping[str, Json] | None:
        """Give everything back, wait for what can only come back by itself, and return what can be checked.

        None when nothing was begun, or all has been given back before. Idempotent. Raises UndoFailedError when
        something stays hidden for longer than ``within_s``; it comes back by itself all the same.
        """
        kept = read_json(self._path(), self.world)
        if kept is not None:
            kept = self._use(kept, {one["id"] for one in kept["messages"]})
            waited_s = self._wait(kept, within_s)
        for path in (f"{self._path()}{BESIDE}", self._path()):
            if self.world.files.lstat(path) is not None:
                self.world.files.remove(path)
        if kept is None:
            return None
        return {
            "given_back": kept["returned"],
            "came_back_by_themselves": len(kept["messages"]),
            "receives_without_an_answer": len(kept["unseen_s"]),
            "waited_s": round(waited_s, 1),
            **({"groups": kept["groups"]} if kept["groups"] else {}),
        }

    def _wait(self, kept: Mapping[str, Any], within_s: float) -> float:
        ends_s = [*kept["unseen_s"], *(one["latest_s"] for one in kept["messages"])]
        if not ends_s:
            return 0.0
        # A wall clock that was set back does not make it longer: no receive was later than now.
        ahead_s: float = max(ends_s) - self.world.clock.instant().wall_s
        left_s = max(0.0, min(ahead_s, ANSWER_S + self.visibility_s))
        if left_s > within_s:
            raise self._hidden(left_s, within_s)
        self.world.clock.wait(None, left_s)
        return left_s

    def _hidden(self, left_s: float, within_s: float) -> UndoFailedError:
        at = datetime.fromtimestamp(self.world.clock.instant().wall_s + left_s, UTC)
        return UndoFailedError(
            f"not all messages received from {self.url} are visible again: some may be hidden for another"
            f" {left_s:.0f} s, longer than the {within_s:g} s that taking back may last",
            hint=f"they come back by themselves at {at:%H:%M:%S} UTC; then run `chaosd recover`",
        )

    # --- the file ----------------------------------------------------------------------------------------

    def _path(self) -> str:
        return f"{self.world.files.resolve(self.world.private)}/custody-{self.run}.json"

    def _read(self) -> dict[str, Any]:
        found = read_json(self._path(), self.world)
        if found is None:
            raise UnreachableError(
                f"nothing more was received from {self.url}: {self._path()}, which holds the receipts, is gone",
                hint="what is hidden comes back by itself; let nobody else clean the state directory",
            )
        return found

    def _write(self, kept: Mapping[str, Any]) -> None:
        write_json(self._path(), dict(kept), self.world)
