"""Keeps asking, while anything runs, what others say against it; pulls the switch when they do."""

import threading
from collections.abc import Callable, Sequence

from daemon.core.guard import Answer, Unanswered
from daemon.core.seams import Clock
from daemon.engine.outside import Question

WATCH_S = 0.5


class Vigil:
    """How long one question has been answered with a reason to stop, and how long not at all.

    An unanswered look neither confirms what was seen before nor breaks it. One thread notes answers; others may ask
    ``blind`` meanwhile: a question that hangs is one that is not answered.
    """

    def __init__(self, question: Question, began_s: float) -> None:
        self._question = question
        self._held_since_s: float | None = None
        self._answered_s = began_s

    def note(self, answer: Answer, at_s: float) -> str | None:
        """Take one answer (monotonic seconds) into account; return why everything must stop, or None."""
        name = self._question.name
        if isinstance(answer, Unanswered):
            return self.blind(at_s, answer.reason)
        self._answered_s = at_s
        if answer is None:
            self._held_since_s = None
            return None
        if self._held_since_s is None:
            self._held_since_s = at_s
        held_s = at_s - self._held_since_s
        if held_s < self._question.for_s:
            return None
        return f"{name}: {answer}" + (f" (for {held_s:.1f} s)" if self._question.for_s else "")

    def blind(self, at_s: float, why: str = "it is being asked still") -> str | None:
        """Return why everything must stop because nobody has answered for too long, or None."""
        blind_s = at_s - self._answered_s
        if blind_s < self._question.blind_s:
            return None
        return f"{self._question.name} has not been answered for {blind_s:.1f} s: {why}"


class Sentinel:
    """One thread a question and one that watches them, only while something runs. Thread-safe.

    ``begin`` and ``end`` come in pairs.
    """

    def __init__(self, questions: Sequence[Question], clock: Clock) -> None:
        self._questions = tuple(questions)
        self._clock = clock
        self._lock = threading.Lock()
        self._runs = 0
        self._over = threading.Event()

    def begin(self, stop: Callable[[str], None]) -> None:
        """Count one more run; with the first the asking begins. ``stop`` is told why, possibly more than once."""
        with self._lock:
            self._runs += 1
            if self._runs > 1:
                return
            self._over = threading.Event()
            now_s = self._clock.instant().mono_s
            vigils = [Vigil(question, now_s) for question in self._questions]
            # Daemon threads: a question nobody answers must not hold up the end of the process.
            for question, vigil in zip(self._questions, vigils, strict=True):
                arguments = (question, vigil, stop, self._over)
                threading.Thread(target=self._ask, args=arguments, name=f"ask-{question.name}", daemon=True).start()
            watching = (vigils, stop, self._over)
            threading.Thread(target=self._watch, args=watching, name="ask-anybody", daemon=True).start()

    def end(self) -> None:
        """Count one run less; with the last the asking ends, without waiting for what is under way."""
        with self._lock:
            self._runs -= 1
            if not self._runs:
                self._over.set()

    def _watch(self, vigils: Sequence[Vigil], stop: Callable[[str], None], over: threading.Event) -> None:
        while not self._clock.wait(over, WATCH_S):
            now_s = self._clock.instant().mono_s
            for reason in filter(None, (vigil.blind(now_s) for vigil in vigils)):
                stop(reason)

    def _ask(self, question: Question, vigil: Vigil, stop: Callable[[str], None], over: threading.Event) -> None:
        while not over.is_set():
            reason = vigil.note(question.answer(), self._clock.instant().mono_s)
            if reason is not None and not over.is_set():
                stop(reason)
            self._clock.wait(over, question.every_s)
