"""What went through: calls by service, operation and end. Bounded, whatever clients call their operations."""

from collections import Counter

from daemon.proxy.naming import OTHER

OPERATIONS = 500


class Tally:
    """Counters of one lane; they only grow."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        self._known: set[tuple[str, str]] = set()

    def count(self, service: str, operation: str, end: str) -> None:
        """Count one call: ``end`` is its answer's class (``2xx``), or what a rule did to it."""
        if len(self._known) >= OPERATIONS and (service, operation) not in self._known:
            operation = OTHER
        self._known.add((service, operation))
        self.calls[service, operation, end] += 1
