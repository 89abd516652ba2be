"""What is asked of a journal before an engine uses it: is it whole, is it ours, is there room for an undo."""

from collections.abc import Mapping
from contextlib import suppress

from daemon.core.errors import JournalDamagedError, JournalFullError
from daemon.core.events import Injection, Planned
from daemon.ports import identity, sqlite
from daemon.ports.journal import Journal
from daemon.ports.keep import Keep


def settle(journal: Journal) -> None:
    """Make sure that this journal is whole, ours, and has room for an undo; idempotent.

    Raises ForeignStateError for a copied state directory, JournalDamagedError when records are known to be missing.
    Missing room is not raised here but by the first intent: what is in force can still be undone.
    """
    keep, directory = journal.keep, journal.path.parent
    if keep is None:
        return
    with sqlite.translated(journal.path, "settling"):
        identity.check(directory, journal.name, journal.last())
        left = {i.plan.injection: i for i in journal.outstanding()}
        _compare(journal, keep, left)
        keep.tidy()
        with suppress(JournalFullError, OSError):
            keep.reserve()
            for injection in sorted(set(left) - set(keep.names())):  # left by a version that kept no copies
                _copy(keep, left[injection])
            journal.adopt()
    journal.settled = True


def _compare(journal: Journal, keep: Keep, left: Mapping[str, Injection]) -> None:
    for injection in keep.names():
        found = journal.injection(injection)
        if found is not None and found.undo is not None and not found.outstanding:
            keep.drop(injection)  # a crash came between the record of the undo and this
        elif injection not in left:
            raise JournalDamagedError(
                f"nothing is injected: the journal {journal.path} lost the intent of {injection}, which is in"
                f" {keep.copies}",
                hint=sqlite.DAMAGED_HINT,
            )


def _copy(keep: Keep, injection: Injection) -> None:
    if injection.undo is not None:
        at, boot = injection.plan.planned_at, injection.boot or ""
        planned = Planned(at=at, undo=injection.undo, boot=boot, deadline=injection.deadline)
        keep.promise(injection.plan, planned)
        keep.fulfil(injection.plan.injection)
