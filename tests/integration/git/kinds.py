"""Repositories built by plain git, each with a bare remote: small, packed, linked, shallow, sha256, and others."""

import subprocess
from pathlib import Path

from tests.integration.git.shed import ENVIRONMENT, commit, git
from tests.integration.git.yard import build_small, settle_in

KINDS = ("small", "packed", "linked", "shallow", "sha256", "submodule", "partial")
_COMMITS, _FILES = 200, 98  # with a tree for each commit, about 20,000 objects


def build_kind(which: str, directory: Path) -> Path:
    """Return a clone, beside its remote."""
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    if which == "packed":
        return _packed(directory)
    clone = build_small(directory, object_format="sha256" if which == "sha256" else "sha1")
    if which == "linked":
        git(clone, "worktree", "add", "-q", "-b", "thread-linked", "../linked", "thread-a")
        commit(directory / "linked", "in the linked tree", src__app_js="let a = 7;\n" * 20)
        git(directory / "linked", "push", "-q", "-u", "origin", "thread-linked")
        settle_in(directory / "linked", "main")
        # Named relatively, so that in a copy of all of it nothing leads back here.
        (directory / "linked/.git").write_text("gitdir: ../clone/.git/worktrees/linked\n")
        return directory / "linked"
    if which in ("shallow", "partial"):
        git(directory / "remote.git", "config", "uploadpack.allowFilter", "true")
        option = "--depth=1" if which == "shallow" else "--filter=blob:none"
        url = f"file://{directory}/remote.git"
        git(
            directory, "clone", "-q", option, "--no-single-branch", "--branch=thread-a", url, str(directory / which)
        )
        git(directory / which, "remote", "set-url", "origin", "../remote.git")
        _name(directory / which)
        commit(directory / which, "on top", src__app_js="let a = 8;\n" * 20)
        settle_in(directory / which, "origin/main")
        return directory / which
    if which == "submodule":
        git(clone, "submodule", "add", "-q", "../remote.git", "sub")
        git(clone, "commit", "-q", "-m", "with a submodule")
        _name(clone / "sub")
        git(clone / "sub", "remote", "set-url", "origin", "../../remote.git")
        git(clone / "sub", "checkout", "-q", "-b", "thread-sub")
        commit(clone / "sub", "in the submodule", src__app_js="let a = 9;\n" * 20)
        settle_in(clone / "sub", "origin/main")
        return clone / "sub"
    return clone


def _name(clone: Path) -> None:
    git(clone, "config", "user.name", "W")
    git(clone, "config", "user.email", "w@example.com")


def _packed(directory: Path) -> Path:
    remote, clone = directory / "remote.git", directory / "clone"
    git(directory, "init", "-q", "--bare", str(remote))
    git(directory, "init", "-q", str(clone))
    lines: list[str] = []
    for number in range(_COMMITS):
        text = f"commit {number}"
        lines += [
            "commit refs/heads/main",
            "committer C <c@example.com> 1767225600 +0000",
            f"data {len(text)}",
            text,
        ]
        for name in range(_FILES):
            body = f"file {name} of {number}\n" * 3
            lines += [f"M 100644 inline d{name % 10}/f{name}.txt", f"data {len(body)}", body]
    feed = "\n".join(lines) + "\n"
    subprocess.run(
        ["git", "-C", str(clone), "fast-import", "--quiet"], input=feed.encode(), env=ENVIRONMENT, check=True
    )
    git(clone, "reset", "-q", "--hard")
    git(clone, "remote", "add", "origin", "../remote.git")
    _name(clone)
    git(clone, "checkout", "-q", "-b", "thread-a")
    commit(clone, "with a page", README_md="# site\n")
    git(clone, "push", "-q", "-u", "origin", "main", "thread-a")
    git(clone, "remote", "set-head", "origin", "main")
    git(clone, "repack", "-adq")
    git(clone, "commit-graph", "write", "--reachable")
    git(clone, "pack-refs", "--all")
    settle_in(clone, "main~3")
    return clone
