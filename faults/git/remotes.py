"""How the modes that strike the remote see it."""

from dataclasses import replace

from daemon.core.errors import TargetAbsentError
from daemon.core.gitclone import read_ref
from faults.git.entry import Entry
from faults.git.sight import Look


def branch(look: Look) -> tuple[str, str]:
    """Return the branch that the worker has checked out, and its commit on the remote."""
    ref = replace(look, clone=look.worker).branch()
    identity = read_ref(look.files, look.clone, ref)
    if identity is None:
        raise TargetAbsentError(f"nothing was touched: the remote {look.clone.root} has no {ref}")
    return ref, identity


def told(ref: str, **more: str) -> dict[str, str]:
    """Return what people are told of what was struck."""
    return {"ref": ref, "branch": ref.removeprefix("refs/heads/"), **more}


def row(name: str, summary: str, fails: str, scheme: object, tells: str, **more: object) -> Entry:
    """Return a line of the table; what most of these lines have in common is filled in."""
    alike = {
        "repair": "retry later, or ask who runs the remote",
        "seen": "remote-broken",
        "often": "seen",
        "tells": tells,
        "remote": True,
    }
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


PUSH, FETCH = "push origin HEAD", "fetch origin"
