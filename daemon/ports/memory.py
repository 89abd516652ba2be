"""The process's own memory: what keeps a daemon of many short-lived threads from growing (decision 020)."""

import ctypes
import gc
from contextlib import suppress

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's mallopt
_ARENAS = 2


def share_heaps() -> bool:
    """Let all threads that are started from now on share two heaps; False where the C library cannot."""
    with suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS))
    return False


def settle() -> None:
    """Take what there is now for permanent: the collector looks at it no more, and so at the rest more often."""
    gc.collect()
    gc.freeze()
