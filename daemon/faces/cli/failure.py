"""The one place where an error becomes words on stderr and an exit code."""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TextIO

import click

from daemon.core.errors import ChaosdError
from daemon.core.harmless import lines
from daemon.faces.cli.signals import SignalError

INTERRUPTED = 130
BROKEN_PIPE = 141
UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


@dataclass(slots=True)
class Ended:
    """How the command ended."""

    code: int = 0


@contextmanager
def report(words: Sequence[str]) -> Iterator[Ended]:
    """Turn every error an operator may meet into a message, a hint and an exit code; no traceback for those."""
    ended = Ended()
    try:
        yield ended
    except ChaosdError as error:
        ended.code = _tell(words, error.message, error.hint, error.exit_code, getattr(error, "rule", None))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)  # the help, as it is: nobody made a mistake
        ended.code = error.exit_code
    except click.UsageError as error:
        ended.code = _tell(words, _usage(error), _usage_hint(error), error.exit_code)
    except click.ClickException as error:
        ended.code = _tell(words, error.format_message(), "", error.exit_code)
    except SignalError as error:
        ended.code = _tell(words, str(error), "", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        ended.code = _tell(words, "interrupted", "", INTERRUPTED)
    except BrokenPipeError:
        _silence()  # whoever read us has gone (``| head``)
        ended.code = BROKEN_PIPE
    except OSError as error:
        known = _environment(error)
        if known is None:
            raise
        _silence()
        ended.code = _tell((), *known, code=1)


def _environment(error: OSError) -> tuple[str, str] | None:
    """Return message and hint for what is wrong around the command; what concerns a file is not of that kind."""
    if error.filename is not None:
        return None
    if isinstance(error, FileNotFoundError):  # getcwd
        return "nothing was done: the current directory is gone", "`cd` to one that exists, then try again"
    if error.errno in UNWRITABLE:
        return f"the answer could not be written: {error.strerror}", "make room where it goes"
    return None


def _silence(stream: TextIO | None = None) -> None:
    """Let nothing more go to standard output, or a ``stream``: the interpreter would complain when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())


def _tell(words: Sequence[str], message: str, hint: str, code: int, rule: str | None = None) -> int:
    try:
        _say(words, message, hint, code, rule)
    except OSError:  # nobody can be told; the exit code says it still
        _silence(sys.stderr)
    return code


def _say(words: Sequence[str], message: str, hint: str, code: int, rule: str | None) -> None:
    if _wants_json(words):
        from daemon.faces.cli.text import write_json

        error: dict[str, Any] = {"message": message, "hint": hint, "exit_code": code}
        try:
            write_json({"error": error | ({"rule": rule} if rule else {})})
        except OSError:  # standard error is told as well
            _silence()
    click.echo(lines(f"chaosd: {message}" + (f"\nhint: {hint}" if hint else "")), err=True)


def _wants_json(words: Sequence[str]) -> bool:
    return any(
        word in ("-ojson", "--output=json") or (word in ("-o", "--output") and following == "json")
        for word, following in pairwise((*words, ""))
    )


def _usage(error: click.UsageError) -> str:
    text = error.format_message().rstrip(".")
    return text[:1].lower() + text[1:]


def _usage_hint(error: click.UsageError) -> str:
    return f"see `{error.ctx.command_path} --help`" if error.ctx else "see `chaosd --help`"
