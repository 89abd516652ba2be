"""The git program, run through GitPython: no terminal, C locale, no optional locks, never a parent repository."""

import os
import select
import signal
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.core.errors import TargetAbsentError, UnreachableError
from daemon.core.seams import Completed

if TYPE_CHECKING:
    from git.cmd import Git

_GRACE_S = 2.0  # for git to remove its own locks after SIGTERM
_SETTINGS = (
    ("safe.directory", "*"),  # the clone is the worker's, not ours, and we only run what the operator named
    ("core.fsmonitor", "false"),  # looking at a clone must not start the program its configuration names
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),  # cleaning up in the background could make a fault irreversible
)


class LocalGit:
    """Implements ``Git``. Each command is a process group of its own, so that a timeout ends its helpers too."""

    def __init__(self) -> None:
        # Inherited from a hook, these would point every command at one repository, whatever its directory.
        for name in _LOCAL_ENVIRONMENT & os.environ.keys():
            del os.environ[name]

    def run(self, directory: str, *arguments: str, timeout_s: float = 30.0, stdin: str | None = None) -> Completed:
        if not Path(directory).is_dir():
            raise TargetAbsentError(f"git {_brief(arguments)} not run: {directory} is no directory")
        process = _start(directory, arguments, with_input=stdin is not None)
        data = None if stdin is None else stdin.encode("utf-8", "surrogateescape")
        try:
            out, err = process.communicate(data, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _end(process)
            raise UnreachableError(
                f"git {_brief(arguments)} in {directory} did not end within {timeout_s:g} s and was stopped",
                hint="see whether its remote answers and its file system is responsive",
            ) from None
        except BaseException:
            _end(process)
            raise
        return Completed(code=process.returncode, out=_text(out), err=_text(err))


_LOCAL_ENVIRONMENT = frozenset(
    (
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    )
)


def _environment(directory: str) -> dict[str, str]:
    settings = {"GIT_CONFIG_COUNT": str(len(_SETTINGS))}
    for number, (key, value) in enumerate(_SETTINGS):
        settings |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {
        **settings,
        # With a broken .git, git would look for a repository further up and work on that one.
        "GIT_CEILING_DIRECTORIES": str(Path(directory).resolve().parent),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PAGER": "cat",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "true",
        "LANGUAGE": "C",
        "LC_ALL": "C",
    }


@cache
def _library() -> "type[Git]":
    """Import GitPython when the first command runs: it takes longer than everything else a one-off needs."""
    # On import it runs `git version` and gives up loudly when that fails; we report it per command instead.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from git.cmd import Git  # noqa: PLC0415  see above

    return Git


def _start(directory: str, arguments: tuple[str, ...], *, with_input: bool) -> "subprocess.Popen[bytes]":
    try:
        handle: Any = _library()(directory).execute(
            ["git", *arguments],
            istream=subprocess.PIPE if with_input else None,
            as_process=True,
            env=_environment(directory),
            start_new_session=True,
        )
    except (OSError, ImportError) as error:
        raise _cannot_start(arguments, error) from None
    except _library_error() as error:
        raise _cannot_start(arguments, error) from None
    process: subprocess.Popen[bytes] = handle.proc
    handle.proc = None  # its destructor would end the process, and we keep that to ourselves
    return process


def _library_error() -> type[Exception]:
    from git.exc import GitError  # noqa: PLC0415  only after _library() said that it is there

    return GitError


def _cannot_start(arguments: tuple[str, ...], error: Exception) -> TargetAbsentError:
    why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return TargetAbsentError(
        f"git {_brief(arguments)} not run: git cannot be started: {why}", hint="install git and put it on PATH"
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the whole group: SIGTERM first, because git then removes its locks; SIGKILL for what is left."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    _await_end(process.pid)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # not waited for yet: the group's id cannot be anyone else's
    with suppress(subprocess.TimeoutExpired, ValueError):
        process.communicate(timeout=_GRACE_S)


def _await_end(pid: int) -> None:
    """Wait for the end of a process without reaping it; not at all where the system has no pidfd."""
    if not hasattr(os, "pidfd_open"):
        return
    descriptor = os.pidfd_open(pid)
    try:
        select.select([descriptor], [], [], _GRACE_S)
    finally:
        os.close(descriptor)


def _brief(arguments: tuple[str, ...]) -> str:
    return next((a for a in arguments if not a.startswith("-")), "")


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "surrogateescape")
