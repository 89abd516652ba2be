"""What others say against experiments: halt files, levers, stop conditions, error budgets. Asked, never guessed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from daemon.core import prometheus
from daemon.core.errors import ChaosdError
from daemon.core.guard import Answer, Unanswered
from daemon.core.levers import RELEASED, Alarm, Lever, Parameter, SafetyLever, StopCondition, StopQuery, StopWhen
from daemon.core.model import Status
from daemon.core.seams import World
from daemon.core.settings import GuardSetting
from daemon.engine.prober import Lookout

FILE_EVERY_S = 0.5
LEVER_EVERY_S = 1.0
QUERY_S = 2.0
_REASON_MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing to ask: ``ask`` returns why to stop, or None; it may raise ChaosdError, which is no answer.

    ``every_s`` is how often while something runs; ``for_s`` how long it must say so without a break; after
    ``blind_s`` without any answer everything stops as well.
    """

    name: str
    ask: Callable[[], str | None]
    every_s: float
    for_s: float = 0.0
    blind_s: float = 30.0

    def answer(self) -> Answer:
        """Ask once; what cannot be answered is ``Unanswered`` with the reason."""
        try:
            return self.ask()
        except ChaosdError as error:
            return Unanswered(error.message)
        except Exception as error:  # noqa: BLE001  an answer that breaks us is none, and must not end the asking
            return Unanswered(repr(error))


class Outside:
    """All questions of one configuration. ``halt_files`` are absolute paths; ``lookouts`` serve stop conditions."""

    def __init__(
        self,
        rules: GuardSetting,
        *,
        world: World,
        lookouts: Sequence[Lookout],
        halt_files: Sequence[str],
        fast_s: float,
    ) -> None:
        self._rules, self._world = rules, world
        self._lookouts = {o.name: o for o in lookouts}
        self._halt_files = tuple(halt_files)
        blind_s = rules.blind_after_s
        self._files = tuple(
            Question(name="halted", ask=lambda p=path: self._file(p), every_s=FILE_EVERY_S, blind_s=blind_s)  # type: ignore[misc]
            for path in self._halt_files
        )
        self._levers = tuple(
            Question(name=str(one), ask=lambda o=one: self._lever(o), every_s=LEVER_EVERY_S, blind_s=blind_s)  # type: ignore[misc]
            for one in rules.levers
        )
        self._stops = tuple(self._stop(one, fast_s) for one in rules.stop_when)

    @property
    def questions(self) -> tuple[Question, ...]:
        """Return everything that is to be asked while an experiment runs."""
        return (*self._files, *self._levers, *self._stops)

    def halted(self) -> str | None:
        """Return what the first halt file there is says; one that cannot be read counts as there."""
        for question in self._files:
            match question.answer():
                case Unanswered(reason=reason):
                    return reason
                case str(reason):
                    return reason
                case _:
                    pass
        return None

    def levers(self) -> Mapping[str, Answer]:
        """Ask every lever."""
        return {question.name: question.answer() for question in self._levers}

    def stops(self) -> Mapping[str, Answer]:
        """Ask every stop condition whether it holds at this moment, however long it has."""
        return {question.name: question.answer() for question in self._stops}

    def steady_share(self, target: str) -> float | Unanswered | None:
        """Return the share of good time of a target, 0 to 1; None where no error budget is configured."""
        budget = self._rules.error_budget
        if budget is None:
            return None
        query = budget.question(target)
        try:
            found = self._query(budget.prometheus, query)
        except ChaosdError as error:
            return Unanswered(error.message)
        if len(found) != 1:
            return Unanswered(f"{query!r} has {len(found)} series and must have one")
        return found[0]

    # --- how to ask --------------------------------------------------------------------------------------

    def _file(self, path: str) -> str | None:
        if self._world.files.lstat(path) is None:
            return None
        try:
            text = self._world.files.read(path, limit=_REASON_MOST)
        except ChaosdError:  # a directory, a link, or not ours to read: it is there, and that is what counts
            text = b""
        said = " ".join(text.decode(errors="replace").split())
        return f"{said or 'no reason given'}, in the halt file {path}"

    def _lever(self, lever: Lever) -> str | None:
        match lever:
            case SafetyLever(fis=name):
                state, why = self._world.levers.safety_lever(name)
                return None if state == "disengaged" else f"{state}: {why}"
            case Parameter(parameter=name):
                value = self._world.levers.parameter(name).strip()
                return None if value.lower() in RELEASED else (value[:_REASON_MOST] or "its value is empty")
            case Alarm(alarm=name):
                return self._alarm(name)

    def _alarm(self, name: str) -> str | None:
        state, why = self._world.levers.alarm(name)
        if state not in ("OK", "ALARM"):
            raise ChaosdError(f"its state is {state}: {why}")
        return why or state if state == "ALARM" else None

    def _stop(self, condition: StopCondition, fast_s: float) -> Question:
        blind_s = self._rules.blind_after_s
        ask: Callable[[], str | None]
        match condition:
            case StopWhen():
                ask, every_s = lambda: self._probe(condition), fast_s
            case StopQuery():
                ask, every_s = lambda: self._limit(condition), max(fast_s, LEVER_EVERY_S)
            case Alarm(alarm=name):
                ask, every_s = lambda: self._alarm(name), max(fast_s, LEVER_EVERY_S)
        return Question(name=str(condition), ask=ask, every_s=every_s, for_s=condition.for_s, blind_s=blind_s)

    def _probe(self, condition: StopWhen) -> str | None:
        seen = self._lookouts[condition.probe].look(self._world)
        why = "; ".join(f"{f.name} {f.detail}".strip() for f in seen.reading.findings)
        if seen.status is condition.status:
            return why or f"{condition.probe} is {seen.status}"
        if seen.status is Status.UNKNOWN:
            raise ChaosdError(why or f"{condition.probe} does not answer")
        return None

    def _limit(self, condition: StopQuery) -> str | None:
        found = self._query(condition.prometheus, condition.query)
        if condition.above is None and condition.below is None:
            return f"its value is {found[0]:g}" if found else None
        if not found:
            raise ChaosdError(f"{condition.query!r} has no series")
        if condition.above is not None:
            return f"its value is {max(found):g}" if max(found) > condition.above else None
        return (
            f"its value is {min(found):g}" if condition.below is not None and min(found) < condition.below else None
        )

    def _query(self, server: str, query: str) -> tuple[float, ...]:
        status, body = self._world.http.get(prometheus.address(server, query), timeout_s=QUERY_S)
        return prometheus.samples(status, body, query)
