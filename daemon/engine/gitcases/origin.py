"""The ground of all git cases: a bare copy of the repository given, which is only read, or a small fresh one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.core.errors import TargetAbsentError
from daemon.core.gitcases import NotConstructibleError
from daemon.core.seams import World
from daemon.engine.gitcases.desk import DRAFT, Desk
from daemon.engine.gitcases.stage import Ground

GIT_LEAST = (2, 31)  # older ones do not read the settings that keep us from the user's own
USUAL = ("main", "master")
FRESH = (("README.md", "# A site\n"), ("pages/index.md", "Hello.\n" * 20), ("pages/about.md", "About.\n" * 20))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the cases take place. ``repository`` None is a fresh one; ``mainline`` None is the usual one."""

    repository: str | None
    mainline: str | None
    branch: str


def lay(world: World, root: str, source: Source) -> Ground:
    """Make the ground below ``root``; raises TargetAbsentError, NotConstructibleError or UnbuiltError."""
    base = Desk(world=world, path=root)
    _insist_on_version(base)
    origin = f"{root}/origin.git"
    if source.repository is None:
        mainline = source.mainline or USUAL[0]
        _fresh(world, f"{root}/seed", mainline)
        base.git("clone", "--quiet", "--bare", f"{root}/seed", origin)
    else:
        _copy(base, source.repository, origin)
        mainline = _mainline(Desk(world=world, path=origin), source)
    _draft(world, root, origin, mainline)
    return Ground(origin=origin, mainline=mainline, branch=source.branch)


def _insist_on_version(base: Desk) -> None:
    said = base.git("version")
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < GIT_LEAST:
        raise NotConstructibleError(f"{said} is too old: 2.31 or later is needed")


def _copy(base: Desk, repository: str, origin: str) -> None:
    # --no-local: through git's own protocol, which only reads there, and copies no damage unseen.
    end = base.tries("clone", "--quiet", "--bare", "--no-local", "--", repository, origin)
    if end.code:
        said = (end.err.strip().splitlines() or [f"code {end.code}"])[-1]
        raise TargetAbsentError(
            f"nothing was started: {repository} cannot be cloned: {said}", hint="name a git repository"
        )


def _mainline(origin: Desk, source: Source) -> str:
    heads = origin.git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").split()
    standing = origin.tries("symbolic-ref", "--quiet", "--short", "HEAD").out.strip()
    wanted: Sequence[str] = (source.mainline,) if source.mainline else (*USUAL, standing)
    found = next((name for name in wanted if name in heads), None)
    if found is None:
        raise TargetAbsentError(
            f"nothing was started: {source.repository} has no branch {wanted[0]}",
            hint=f"give --mainline; it has: {', '.join(heads[:10]) or 'no commit at all'}",
        )
    return found


def _fresh(world: World, path: str, mainline: str) -> None:
    seed = Desk(world=world, path=path)
    seed.make_directory()
    seed.git("init", "--quiet", "--template=", f"--initial-branch={mainline}")
    for name, text in FRESH:
        seed.write(name, text)
    seed.commit("Begin", [name for name, _ in FRESH])


def _draft(world: World, root: str, origin: str, mainline: str) -> None:
    """Put a tracked file on the mainline of our copy, for the unfinished edits of the cases."""
    base, desk = Desk(world=world, path=root), Desk(world=world, path=f"{root}/ground")
    base.git("clone", "--quiet", "--branch", mainline, origin, desk.path)
    desk.write(DRAFT, "A draft.\n")
    desk.commit("A draft for the git scenarios", [DRAFT])
    desk.git("push", "--quiet", "origin", f"HEAD:refs/heads/{mainline}")
