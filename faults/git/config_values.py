"""Settings that make sound commands fail or do something else; attributes and what is ignored."""

from collections.abc import Callable

from faults.git.entry import Scheme
from faults.git.settings import EVERY, add, added, heeded, row
from faults.git.sight import Look


def _worktree_wrong(look: Look) -> Scheme:
    made = look.make(look.clone.path("chaosd-empty"), "directory")
    edits = (made, add(look, "[core]\n\tworktree = {git}/chaosd-empty\n"))
    return Scheme(edits=edits, action="let core.worktree name an empty directory")


def _hooks_path(look: Look) -> Scheme:
    hook = look.create(look.clone.path("chaosd-hooks", "pre-commit"), b"#!/bin/sh\nexit 1\n", mode=0o755)
    edits = (hook, add(look, "[core]\n\thooksPath = {git}/chaosd-hooks\n"))
    return Scheme(edits=edits, action="let core.hooksPath name a directory with a failing pre-commit")


def _ignore_all(look: Look) -> Scheme:
    path = look.clone.path("info", "exclude")
    edit = look.append(path, b"*\n") if look.stat(path) is not None else look.create(path, b"*\n")
    return Scheme(edits=(edit,), action="let .git/info/exclude ignore everything that is new")


def _attributes(text: bytes, action: str, config: str = "") -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        path = look.clone.path("info", "attributes")
        edit = look.append(path, text) if look.stat(path) is not None else look.create(path, text)
        return Scheme(edits=(edit, add(look, config)) if config else (edit,), action=action)

    return scheme


def _sparse(look: Look) -> Scheme:
    """Let the next checkout leave everything out but one directory."""
    path = look.clone.path("info", "sparse-checkout")
    edits = (look.create(path, b"/docs/\n"), add(look, "[core]\n\tsparseCheckout = true\n"))
    return Scheme(edits=edits, action="let core.sparseCheckout leave out everything but docs")


ENTRIES = (
    row(
        "config-bare",
        "call the clone bare in its configuration",
        "status, add, commit and checkout die with 'this operation must be run in a work tree'",
        heeded("core.bare", added("[core]\n\tbare = true\n", "set core.bare")),
        says="must be run in a work tree",
        often="seen",
    ),
    row(
        "config-worktree-wrong",
        "let core.worktree name an empty directory",
        "nothing: status calls every file deleted, and add -A commits the deletion of everything",
        heeded("core.worktree", _worktree_wrong),
        tells="status --porcelain",
        silent=True,
    ),
    row(
        "config-worktree-missing",
        "let core.worktree name a path that does not exist",
        f"{EVERY} 'cannot chdir to ...'",
        heeded(
            "core.worktree",
            added(
                "[core]\n\tworktree = {root}-no-such-place\n", "let core.worktree name a path that does not exist"
            ),
        ),
    ),
    row(
        "config-format",
        "name a format of the repository that does not exist",
        f"{EVERY} 'Expected git repo version <= 1, found 99'",
        added("[core]\n\trepositoryformatversion = 99\n", "set core.repositoryformatversion to 99"),
        says="99",
        fsck=True,
    ),
    row(
        "config-extension",
        "name an extension of the repository that does not exist",
        f"{EVERY} 'unknown repository extension found: madeup'",
        added(
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tmadeUp = true\n", "name an unknown extension"
        ),
        says="madeup",
        fsck=True,
    ),
    row(
        "config-bad-boolean",
        "give a switch a value that is neither true nor false",
        f"{EVERY} 'bad boolean config value 'maybe' for 'core.filemode''",
        added("[core]\n\tfileMode = maybe\n", "set core.fileMode to maybe"),
        says="maybe",
        fsck=True,
    ),
    row(
        "config-bad-number",
        "give core.compression a value out of range",
        f"{EVERY} 'bad zlib compression level -5'",
        added("[core]\n\tcompression = -5\n", "set core.compression to -5"),
        says="compression level",
        fsck=True,
    ),
    row(
        "config-filemode-off",
        "let git not look at the executable bit",
        "nothing: chmod +x is never committed",
        added("[core]\n\tfileMode = false\n", "switch core.fileMode off"),
        tells="config core.fileMode",
        silent=True,
    ),
    row(
        "config-no-identity",
        "let git insist on an identity that is not configured",
        "commit, merge and stash die with 'Please tell me who you are' or 'no email was given'",
        added("[user]\n\tuseConfigOnly = true\n\tname =\n\temail =\n", "empty user.name and user.email"),
        tells="-c user.useConfigOnly=true var GIT_AUTHOR_IDENT",
        says="empty ident name",
        often="common",
    ),
    row(
        "config-sign",
        "let every commit be signed by a program that fails",
        "commit dies with 'gpg failed to sign the data'",
        added(
            "[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n",
            "let commits be signed by a program that fails",
        ),
        tells="commit --allow-empty -m x",
        says="gpg failed to sign",
    ),
    row(
        "config-hooks-path",
        "let core.hooksPath name a directory with a failing pre-commit",
        "commit fails without a word",
        _hooks_path,
        tells="commit --allow-empty -m x",
    ),
    row(
        "exclude-all",
        "let .git/info/exclude ignore everything that is new",
        "nothing: add -A adds no new file",
        _ignore_all,
        tells="check-ignore --no-index new-file",
        repair="remove the line from .git/info/exclude",
        seen="everything-ignored",
        silent=True,
    ),
    row(
        "attributes-crlf",
        "let .git/info/attributes write every text file with CRLF",
        "nothing: every file that is checked out has other line ends",
        _attributes(b"* text eol=crlf\n", "let .git/info/attributes write CRLF"),
        tells="check-attr eol README.md",
        repair="remove the line from .git/info/attributes",
        seen="attributes-suspicious",
        silent=True,
    ),
    row(
        "attributes-filter",
        "let .git/info/attributes send every file through a filter that fails",
        "add and checkout die with 'external filter ... failed'",
        _attributes(
            b"* filter=chaosd\n",
            "let a required filter fail",
            '[filter "chaosd"]\n\tclean = false\n\tsmudge = false\n\trequired = true\n',
        ),
        tells="hash-object --path=README.md --stdin",
        says="failed",
        repair="remove the line from .git/info/attributes",
        seen="attributes-suspicious",
    ),
    row(
        "attributes-filter-lossy",
        "let .git/info/attributes empty every file that is added",
        "nothing: commits record empty files",
        _attributes(
            b"* filter=chaosd\n", "let a filter empty every file", '[filter "chaosd"]\n\tclean = head -c 0\n'
        ),
        tells="hash-object --path=README.md README.md",
        repair="remove the line from .git/info/attributes",
        seen="attributes-suspicious",
        silent=True,
    ),
    row(
        "config-sparse",
        "let the next checkout leave out everything but docs",
        "nothing: files vanish from the work tree at the next checkout, and status is clean",
        _sparse,
        tells="read-tree -m -u HEAD",
        repair="git sparse-checkout disable",
        silent=True,
    ),
)
