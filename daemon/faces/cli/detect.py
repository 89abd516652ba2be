"""What `chaosd config init` finds by itself, and what it asks for."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.config import Found
from daemon.core.errors import UnreachableError
from daemon.core.seams import Http

if TYPE_CHECKING:
    from daemon.core.whereabouts import OwnTask

REGIONS = ("CHAOSD_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")
# Which queue a variable's name speaks of; what fits none is the input.
_ROLES = (
    ("dead_letter", re.compile(r"DLQ|DEAD")),
    ("responses", re.compile(r"RESPONSE|OUTPUT|RESULT|REPLY|OUT_QUEUE")),
)
_QUEUE = re.compile(r"https?://[^\s/]+/(?:queue/)?\d{12}/[\w.-]+")
_ASKED = {
    "target": "What to call the worker",
    "worktree": "Its git clone (a path or a pattern; - for none)",
    "queue": "The URL of its input queue (- for none)",
    "cluster": "Its ECS cluster (- for none)",
    "service": "Its ECS service (- for none)",
}
NONE = "-"


def found(given: Mapping[str, str | None], *, ask: bool) -> Found:
    """Return what was given, else detected; with ``ask`` everything is put to the person at the terminal first."""
    from daemon.ports.local import LocalHttp

    named = {name: text for name, text in given.items() if text is not None}
    known = replace(detected(os.environ, Path.cwd(), LocalHttp()), **named)
    for field in fields(known):
        text = getattr(known, field.name)
        if text is not None and field.name not in named and field.name != "target":
            click.echo(f"chaosd: found {field.name.replace('_', ' ')}: {text}", err=True)
    return _asked(known, named) if ask else known


def detected(environment: Mapping[str, str], here: Path, http: Http) -> Found:
    """Return what the environment, the directory and the ECS metadata endpoint say; what is silent is not there."""
    task = _task(environment, http)
    clone = _clone(here)
    return Found(
        region=next((environment[n] for n in REGIONS if environment.get(n)), None)
        or (task.region if task else None),
        worktree=str(clone) if clone else None,
        mainline=_mainline(clone) if clone else None,
        cluster=task.cluster if task else None,
        service=task.service if task else None,
        **_queues(environment),
    )


def _asked(known: Found, named: Mapping[str, str]) -> Found:
    answers: dict[str, Any] = {}
    for name, question in _ASKED.items():
        if name in named or (name == "service" and answers.get("cluster", known.cluster) is None):
            continue
        answer = click.prompt(question, default=getattr(known, name) or NONE, err=True)
        answers[name] = None if answer == NONE and name != "target" else answer
    return replace(known, **answers)


def _task(environment: Mapping[str, str], http: Http) -> "OwnTask | None":
    """Return the task this is typed in; one that does not tell is as good as none: then the person does."""
    from daemon.ports.metadata import discover

    try:
        return discover(environment, http)
    except UnreachableError as error:
        click.echo(f"chaosd: {error.message}", err=True)
        return None


def _clone(here: Path) -> Path | None:
    return next((place for place in (here, *here.parents) if (place / ".git").exists()), None)


def _mainline(clone: Path) -> str | None:
    """Return the branch that the remote calls its own, as far as the clone knows."""
    try:
        text = (clone / ".git/refs/remotes/origin/HEAD").read_text()
    except OSError:
        return None
    found = re.fullmatch(r"ref: refs/remotes/origin/(\S+)\s*", text)
    return found[1] if found else None


def _queues(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the queues that variables hold; the first by name where several hold the same role."""
    queues: dict[str, str] = {}
    for name, value in sorted(environment.items()):
        if _QUEUE.fullmatch(value):
            role = next((role for role, spoken in _ROLES if spoken.search(name.upper())), "queue")
            queues.setdefault(role, value)
    return queues if "queue" in queues else {}
