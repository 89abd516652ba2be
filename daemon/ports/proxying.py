"""The fault proxy of this state directory, seen from outside: its rules on disk, its word over its socket."""

import json
from pathlib import Path
from typing import Any

from daemon.core.errors import TargetAbsentError, UnreachableError
from daemon.core.proxying import Hits, ProxyFacts, Rule
from daemon.core.seams import Clock
from daemon.ports.rulefiles import RuleFiles
from daemon.ports.unix_http import exchange, parts

RULES, SOCKET, LOCK = "rules", "socket", "lock"
ANSWER_S = 5.0
TAKE_UP_S, STEP_S = 2.0, 0.05
_HINT = "start one: give the configuration a `proxy:`, or run `chaosd proxy`"
_OK = 200


class LocalProxy:
    """Implements ``FaultProxy`` in one directory."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._files = RuleFiles(directory / RULES)
        self._socket = directory / SOCKET
        self._clock = clock

    def word(self, *, timeout_s: float = ANSWER_S) -> dict[str, Any]:
        """Return all that the proxy says of itself, as plain data; raises as ``facts`` does."""
        found: dict[str, Any] = self._ask("/facts", "nothing was learnt of the fault proxy", timeout_s)
        return found

    def facts(self) -> ProxyFacts:
        found = self.word()
        rules = {name: Hits(**hits) for name, hits in found["rules"].items()}
        return ProxyFacts(pid=found["pid"], lanes=found["lanes"], rules=rules, began_s=found["began_s"])

    def rule(self, injection: str) -> Rule | None:
        try:
            return self._files.read(injection)
        except ValueError as error:
            raise UnreachableError(
                f"the rule of {injection} was not read: its file cannot be used: {error}",
                hint=f"the proxy does not use it either; look at {self._files.directory}",
            ) from error

    def put(self, rule: Rule) -> None:
        self._ask("/facts", f"no rule was put into force for {rule.injection}")
        try:
            self._files.write(rule)
        except OSError as error:
            raise UnreachableError(
                f"no rule was put into force for {rule.injection}: it could not be written: {error.strerror}",
                hint=f"see that {self._files.directory} can be written to",
            ) from error
        self._settle(rule.injection, wanted=True)

    def drop(self, injection: str) -> Hits | None:
        try:
            self._files.remove(injection)
        except OSError as error:
            raise UnreachableError(
                f"the rule of {injection} stays in force: its file could not be removed: {error.strerror}",
                hint=f"see that {self._files.directory} can be written to",
            ) from error
        return self._settle(injection, wanted=False)

    def _settle(self, injection: str, *, wanted: bool) -> Hits | None:
        """Wait until the proxy has taken a rule up, or let go of it; return what it did."""
        what = f"the rule of {injection} is {'not yet' if wanted else 'still'} in force"
        for _ in range(int(TAKE_UP_S / STEP_S)):
            try:
                found = self._ask(f"/rules/{injection}", what)
            except TargetAbsentError:
                if wanted:
                    raise
                return None  # nobody there to have it in force
            if found["in_force"] is wanted:
                return Hits(**found["hits"]) if found["hits"] else None
            self._clock.wait(None, STEP_S)
        raise UnreachableError(
            f"{what}: the proxy (pid {found['pid']}) does not go by the file{_because(found)}",
            hint="end that process; `chaosd run` starts another",
        )

    def _ask(self, target: str, what: str, timeout_s: float = ANSWER_S) -> Any:
        try:
            status, _, body = parts(exchange(self._socket, "GET", target, timeout_s=timeout_s))
            if status == _OK:
                return json.loads(body)
            why = f"it answered HTTP {status}"
        except (FileNotFoundError, ConnectionRefusedError):
            raise TargetAbsentError(f"{what}: no fault proxy runs in this state directory", hint=_HINT) from None
        except (OSError, ValueError) as error:
            why = str(error)
        raise UnreachableError(
            f"{what}: the fault proxy does not answer: {why}",
            hint="`chaosd run` starts another when its process has gone; one that hangs must be ended by hand",
        )


def _because(found: dict[str, Any]) -> str:
    return f": {found['broken']}" if found.get("broken") else ""
