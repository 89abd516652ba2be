"""Who asked for what, and what became of it: into the audit log and the log. Refused strangers cannot flood it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from daemon.core.access import Caller
from daemon.core.errors import ChaosdError
from daemon.core.redact import redact
from daemon.core.seams import Clock
from daemon.faces.shapes import stamp
from daemon.ports.audit import AuditLog

STRANGERS_BURST = 20
STRANGERS_EVERY_S = 3.0
# What takes back or stops must work though the disk is full; what begins must not go unrecorded.
MUST_WORK = frozenset({"halt", "revert", "recover"})


@dataclass
class Auditor:
    """Writes the audit log of one state directory, and each entry to the log (``say``). Thread-safe."""

    log: AuditLog
    clock: Clock
    say: Callable[..., None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _credit: float = STRANGERS_BURST
    _last_s: float = 0.0
    _unwritten: int = 0

    def accepted(self, caller: Caller, verb: str, what: str) -> None:
        """Record what will be carried out, before it is. Raises ChaosdError where that must not go unrecorded."""
        try:
            self._write(caller, verb, what, "accepted")
        except ChaosdError as error:
            self.say("audit.failed", error=error.message, verb=verb)
            if verb not in MUST_WORK:
                raise

    def ended(self, caller: Caller, verb: str, what: str, error: ChaosdError) -> None:
        """Record that a request was refused or failed; never raises."""
        rule = getattr(error, "rule", None)
        more: dict[str, Any] = {"rule": rule or type(error).__name__, "why": error.message}
        if caller.kind == "anonymous":
            left_out = self._spend()
            if left_out is None:
                return
            more |= {"unrecorded_before": left_out} if left_out else {}
        try:
            self._write(caller, verb, what, "refused" if rule else "failed", **more)
        except ChaosdError as unwritten:
            self.say("audit.failed", error=unwritten.message, verb=verb)

    def _spend(self) -> int | None:
        """Return how many strangers' requests went unrecorded before this one, or None when it must, too."""
        with self._lock:
            now_s = self.clock.instant().mono_s
            self._credit = min(STRANGERS_BURST, self._credit + (now_s - self._last_s) / STRANGERS_EVERY_S)
            self._last_s = now_s
            if self._credit < 1:
                self._unwritten += 1
                return None
            self._credit -= 1
            left_out, self._unwritten = self._unwritten, 0
            return left_out

    def _write(self, caller: Caller, verb: str, what: str, outcome: str, **more: Any) -> None:
        who = {"kind": caller.kind, "name": caller.name, "uid": caller.uid, "address": caller.address}
        facts = {"verb": verb, "object": redact(what), "outcome": outcome, **more}
        self.log.append({"at": stamp(self.clock.instant().wall_s), "who": who, **facts})
        self.say(f"request.{outcome}", by=str(caller), uid=caller.uid, **facts)
