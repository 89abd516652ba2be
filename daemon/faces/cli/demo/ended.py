"""How a demo ended, and what that means for its exit code."""

from dataclasses import dataclass, field
from typing import Any

GOOD = frozenset({"recovered", "no-impact"})


@dataclass(slots=True)
class Ended:
    """How it ended: one document an act (its first that was not refused), and what is left behind.

    ``report`` is the file that was written; empty where none was.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    metrics_url: str = ""
    report: str = ""
    interrupted: int = 0

    @property
    def exit_code(self) -> int:
        if self.interrupted:
            return 128 + self.interrupted
        good = all(result["verdict"] in GOOD for result in self.results)
        return 0 if good and not self.missing and not self.left else 1
