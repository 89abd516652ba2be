"""A private temporary directory that is gone afterwards, whatever happened in it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import UndoFailedError

_TRIES = 3  # somebody's stray child may still write while we remove


@contextmanager
def sandbox(*, keep: bool = False) -> Iterator[Path]:
    """Make a directory that only we can enter; remove it afterwards unless it is to be kept.

    Raises UndoFailedError when it cannot be removed.
    """
    root = Path(tempfile.mkdtemp(prefix="chaosd-git-")).resolve()
    try:
        yield root
    finally:
        if not keep:
            _remove(root)


def _remove(root: Path) -> None:
    for _ in range(_TRIES):
        for folder in (root, *(p for p in root.rglob("*") if p.is_dir() and not p.is_symlink())):
            folder.chmod(0o700)
        shutil.rmtree(root, ignore_errors=True)
        if not root.exists():
            return
    raise UndoFailedError(
        f"the sandbox {root} could not be removed", hint="remove it by hand; nothing else was touched"
    )
