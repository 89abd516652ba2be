"""The errors an operator may meet: what was not done, on what, why, and what to do next."""

from collections.abc import Sequence

from daemon.core.redact import redact


class ChaosdError(Exception):
    """Something could not be done.

    ``exit_code`` is what the command line ends with (DESIGN §6); ``hint`` is the operator's next step. Secrets
    in the message are redacted here: it may quote git, AWS, or a command's words.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class UsageError(ChaosdError):
    """The command's words do not fit together (exit 2)."""

    exit_code = 2


class UndoFailedError(ChaosdError):
    """A fault could not be taken back: residue may remain (exit 4)."""

    exit_code = 4


class TargetAbsentError(ChaosdError):
    """There is nothing to hit: the target is absent, empty, or not of the kind the fault works on (exit 5)."""

    exit_code = 5


class NotNowError(TargetAbsentError):
    """There is nothing to hit at this moment, another may have it: no mistake while one is waited for (exit 5)."""


class BusyError(ChaosdError):
    """Another engine owns the state directory, or another injection is running (exit 75)."""

    exit_code = 75


class RefusedError(ChaosdError):
    """A rule, an allow-list or IAM forbids it (exit 77). ``rule`` is the name counted in the metrics."""

    exit_code = 77

    def __init__(self, message: str, *, rule: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


class UntouchedError(RefusedError):
    """Somebody else was quicker, and nothing was touched: what is there is theirs, not to be undone (exit 77)."""

    @classmethod
    def of(cls, refused: RefusedError) -> "UntouchedError":
        """Say the same, for a refusal before the first side effect of an injection."""
        return cls(refused.message, rule=refused.rule, hint=refused.hint)


class UnreachableError(RefusedError):
    """The outside did not answer; what cannot be answered is a refusal (exit 77)."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, rule="unreachable", hint=hint)


class BrokenStartError(UnreachableError):
    """The outside began and broke off: something may have stayed of it that it knows nothing of (exit 77)."""


class ConfigError(ChaosdError):
    """The configuration is invalid (exit 78). ``problems`` holds every mistake found, one line each."""

    exit_code = 78

    def __init__(self, message: str, *, problems: Sequence[str] = (), hint: str = "") -> None:
        super().__init__("\n".join((message, *(f"  {p}" for p in problems))), hint=hint)
        self.problems = tuple(map(redact, problems))


class JournalError(ChaosdError):
    """The journal cannot be read or written; nothing is injected without it (exit 1)."""


class JournalFullError(JournalError):
    """There is no room for another record (exit 1)."""


class JournalDamagedError(JournalError):
    """Records are missing, or do not read as they were written (exit 1). ``chaosd recover`` saves what it can."""


class ForeignStateError(JournalError):
    """The state directory is a copy of another one, or was put back from one (exit 1): whose are the faults."""


class UnrecordedError(JournalError):
    """An undo was carried out or tried, and the journal could not take down how it went (exit 4)."""

    exit_code = 4
