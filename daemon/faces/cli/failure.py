"""The one place where an error becomes words on stderr and an exit code."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from daemon.core.errors import ChaosdError
from daemon.faces.cli.signals import SignalError

INTERRUPTED = 130
BROKEN_PIPE = 141


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
    except click.UsageError as error:
        ended.code = _tell(words, _usage(error), _usage_hint(error), error.exit_code)
    except click.ClickException as error:
        ended.code = _tell(words, error.format_message(), "", error.exit_code)
    except SignalError as error:
        ended.code = _tell(words, str(error), "", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        ended.code = _tell(words, "interrupted", "", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read us has gone (``| head``); the interpreter would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        ended.code = BROKEN_PIPE


def _tell(words: Sequence[str], message: str, hint: str, code: int, rule: str | None = None) -> int:
    if _wants_json(words):
        from daemon.faces.cli.text import write_json

        error: dict[str, Any] = {"message": message, "hint": hint, "exit_code": code}
        write_json({"error": error | ({"rule": rule} if rule else {})})
    click.echo(f"chaosd: {message}" + (f"\nhint: {hint}" if hint else ""), err=True)
    return code


def _wants_json(words: Sequence[str]) -> bool:
    pairs = zip(words, (*words[1:], ""), strict=True)
    return any(
        word in ("-ojson", "--output=json") or (word in ("-o", "--output") and following == "json")
        for word, following in pairs
    )


def _usage(error: click.UsageError) -> str:
    text = error.format_message().rstrip(".")
    return text[:1].lower() + text[1:]


def _usage_hint(error: click.UsageError) -> str:
    return f"see `{error.ctx.command_path} --help`" if error.ctx else "see `chaosd --help`"
