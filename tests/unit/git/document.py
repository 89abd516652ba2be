"""docs/git-faults.md, made from the tables in the code: `python -m tests.unit.git.document` writes it anew."""

import importlib
from pathlib import Path

from faults import CATALOGUE

PAGE = Path(__file__).parents[3] / "docs" / "git-faults.md"
MODULES = ("corrupt", "lock", "state", "worktree", "remote", "hook")
_HEAD = """# Git faults

Every way of the six families in which a clone, its remote or its work tree is broken. Made from the code
(`python -m tests.unit.git.document`); `chaosd faults show git-corrupt` prints the same.

* **silent**: the victim's commands succeed with wrong content. **harmless**: nothing goes wrong; a probe should
  know it.
* **fsck**: `git fsck` in the worker's clone sees it (damage in the remote it does not). **probe**: the finding by
  which `git-health` or `git-integrity` names it.
* **how often** in real life: daily, common, seen, rare.
* A mode that finds nothing to strike, or lacks what it needs (a file system of its own, another user), says so
  before anything is touched: exit 5 or 77.
* Modes that take rights or owners away are not noticed by a worker that is root.

What the objects' modes choose: `--object commit|tree|blob|ID` (or `--set object=`), `--set depth=N`,
`--set least_bytes=N`, `--set most_bytes=N`; by default any object near the checked-out commit. Packs are damaged
in place, and only the bytes touched are kept in the undo record; a pack that others share by hard links is replaced
by a damaged copy instead, and so is any shared file whose rights or owner change.

Works in clones with sha1 and sha256, in linked work trees, submodules and shallow clones. Objects of a partial
clone are never damaged: git would fetch them anew, or start itself without end. `reftable` is refused. So are
hooks where git reads others than the clone's own, because `core.hooksPath` says so (rule `hooks-path`): in the
clone's configuration, the system's, or that of the user as whom chaosd runs.

A file or directory that is taken away is renamed to `.chaosd-...-kept`, in `.git` or beside it, and renamed
back. If the worker has put something else in its place, that stays, and the original stays under the other
name.

Undoing looks first. What the worker has repaired or changed is left alone, and the outcome says so: `superseded`
is no promise that it is well. Where our change is still there among the worker's (lines added to the configuration
or a reflog, single entries of the index), only our change is taken out. Where git has written anew what we emptied,
deleted or moved, what we took away is put back beside it:

* a reflog goes on behind the lines that it had; the stash is whole again, also after a push and a pop;
* `packed-refs` gets the refs back that it lacks and that have no file of their own; what git wrote counts;
* the configuration gets its settings back, and a key that the worker has set since has the worker's values alone;
* `.git/refs`, `.git/logs` and `.git/objects` get their files back; a ref that the worker has set since
  stays as it is.

What cannot be put back, because something else stands there, is named in the outcome, and kept.

No undo brings back what git itself has pruned: `git gc` takes for garbage what nothing names, and a fault that
hides refs or stash entries hides their names. The undo then is `undo-failed` and says which objects are gone;
fetch them from the remote or another clone, then `chaosd recover`. Objects younger than two weeks git spares by
itself. To be safe, turn automatic gc off in clones that such faults strike: `git config gc.auto 0`,
`git config maintenance.auto false`.

The files of one operation (a merge, a rebase) are taken back together or, once the worker has ended it, not at all.
An object that was made for the index stays if the worker has written the index since: git may have read it before
the undo and write it back after, and an entry without its object breaks every commit. An index of version 4 or a
split one is not read here: the modes that would have to write it are refused (exit 77).
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def document() -> str:
    """Return the page."""
    parts = [_HEAD]
    for module in MODULES:
        family = f"git-{module}"
        entries = importlib.import_module(f"faults.git.{module}").ENTRIES
        summary = CATALOGUE[family].summary
        parts.append(f"\n## {family}: {len(entries)} modes\n\n{summary[0].upper()}{summary[1:]}.\n")
        parts.append("| mode | what is done | what then fails | repair | fsck | probe | how often |")
        parts.append("|---|---|---|---|---|---|---|")
        for e in entries:
            kind = " **silent**" if e.silent else " **harmless**" if e.harmless else ""
            cells = (
                f"`{e.name}`{kind}",
                e.summary,
                e.fails,
                e.repair,
                "yes" if e.fsck else "no",
                f"`{e.seen}`",
                e.often,
            )
            parts.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(document())
