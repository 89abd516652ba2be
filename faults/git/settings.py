"""Damage to a clone's configuration, its attributes and its list of what to ignore."""

from collections.abc import Callable

from daemon.core.errors import TargetAbsentError
from faults.git.entry import Entry, Scheme
from faults.git.kinds import FileEdit, Recipe
from faults.git.sight import Look

_HEADING = b'[remote "origin"]'


def _whole(recipe: Callable[[bytes], Recipe | bytes], action: str) -> Callable[[Look], Scheme]:
    """Damage the file as a whole."""

    def scheme(look: Look) -> Scheme:
        path = look.clone.path("config")
        content = look.snapshot(path).content
        return Scheme(edits=(look.rewrite(path, recipe(content), guarded=True),), action=action)

    return scheme


def added(text: str, action: str) -> Callable[[Look], Scheme]:
    """Make a scheme that adds lines to the configuration; ``{root}`` and ``{git}`` stand for the clone's paths."""

    def scheme(look: Look) -> Scheme:
        return Scheme(edits=(add(look, text),), action=action)

    return scheme


def add(look: Look, text: str) -> FileEdit:
    """Add lines to the configuration; what the worker sets meanwhile stays when they are taken out again."""
    lines = text.format(root=look.clone.root, git=look.clone.git_dir)
    return look.append(look.clone.path("config"), lines.encode(), guarded=True, merge="text")


def origin(look: Look) -> tuple[int, int]:
    """Return where the remote's section begins and ends; raises TargetAbsentError when there is none."""
    content = look.snapshot(look.clone.path("config")).content
    start = content.find(_HEADING)
    if start < 0:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no remote 'origin'")
    end = content.find(b"\n[", start)
    return start, len(content) if end < 0 else end + 1


def in_origin(key: str, value: str | None, action: str) -> Callable[[Look], Scheme]:
    """Make a scheme that sets a key of the remote in place of what it was; None takes the key out."""

    def scheme(look: Look) -> Scheme:
        return Scheme(edits=(set_origin(look, key, value),), action=action)

    return scheme


def set_origin(look: Look, key: str, value: str | None) -> FileEdit:
    """Set a key in the remote's section; ``{root}`` stands for the clone."""
    path = look.clone.path("config")
    start, end = origin(look)
    before = look.snapshot(path)
    lines = before.content[start:end].splitlines(keepends=True)
    kept = [line for line in lines if line.split(b"=")[0].strip().lower() != key.encode()]
    new = [] if value is None else [f"\t{key} = {value.format(root=look.clone.root)}\n".encode()]
    recipe = Recipe(action="splice", offset=start, size=end - start, content=b"".join([kept[0], *new, *kept[1:]]))
    return FileEdit(path=path, recipe=recipe, before=before, like=before.stat, guarded=True, merge="text")


def _no_remote(look: Look) -> Scheme:
    start, end = origin(look)
    recipe = Recipe(action="splice", offset=start, size=end - start)
    edit = look.rewrite(look.clone.path("config"), recipe, guarded=True)
    return Scheme(edits=(edit,), action="take the remote out of .git/config")


def _truncate(look: Look) -> Scheme:
    start, end = origin(look)
    content = look.snapshot(look.clone.path("config")).content
    url = content.index(b"url", start, end)
    size = url + (content.index(b"\n", url) - url) * 3 // 4
    edit = look.rewrite(look.clone.path("config"), Recipe(action="truncate", size=size), guarded=True)
    return Scheme(edits=(edit,), action="cut .git/config off in the middle of the remote's address")


def _unreadable(look: Look) -> Scheme:
    return Scheme(edits=(look.chmod(look.clone.path("config"), 0),), action="take all rights to .git/config away")


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


def _row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    alike = {
        "repair": "git config --unset the key, or take .git/config from a fresh clone",
        "tells": "status",
        "seen": "config-suspicious",
        "often": "rare",
    }
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


_EVERY = "every git command dies with"

ENTRIES = (
    _row(
        "config-garbage",
        "add garbage to the configuration",
        f"{_EVERY} 'bad config line N in file .git/config'",
        added("[[[garbage\n", "add garbage to .git/config"),
        says="bad config line",
        seen="config-broken",
        fsck=True,
    ),
    _row(
        "config-missing",
        "delete the configuration",
        "fetch and push fail: 'origin does not appear to be a git repository'; fetch --all exits 0",
        _whole(lambda _: Recipe(action="unlink"), "delete .git/config"),
        tells="fetch origin",
        says="does not appear to be a git repository",
        seen="remote-unknown",
    ),
    _row(
        "config-empty",
        "empty the configuration",
        "fetch and push fail: 'origin does not appear to be a git repository'; fetch --all exits 0",
        _whole(lambda _: b"", "empty .git/config"),
        tells="fetch origin",
        says="does not appear to be a git repository",
        seen="remote-unknown",
        often="seen",
    ),
    _row(
        "config-zeros",
        "fill the configuration with zeros",
        f"{_EVERY} 'bad config line 1 in file .git/config'",
        _whole(lambda content: bytes(len(content)), "fill .git/config with zeros"),
        says="bad config line",
        seen="config-broken",
        fsck=True,
    ),
    _row(
        "config-truncate",
        "cut the configuration off in the middle of the remote's address",
        "fetch and push fail or go elsewhere",
        _truncate,
        tells="fetch origin",
        seen="remote-gone",
    ),
    _row(
        "config-unreadable",
        "take all rights to the configuration away; a worker that is root does not notice",
        f"{_EVERY} 'unable to access .git/config: Permission denied'",
        _unreadable,
        says="Permission denied",
        repair="chmod 644 the file",
        seen="permission-lost",
        rights=True,
        fsck=True,
    ),
    _row(
        "config-url-gone",
        "let the remote's url name a path that does not exist",
        "fetch, pull and push fail: 'does not appear to be a git repository'",
        in_origin("url", "{root}-no-such-remote", "let the remote's url name a path that does not exist"),
        tells="fetch origin",
        says="does not appear to be a git repository",
        seen="remote-gone",
        often="seen",
    ),
    _row(
        "config-url-self",
        "let the remote's url name the clone itself",
        "nothing: fetch brings nothing, push says 'Everything up-to-date', and nothing arrives anywhere",
        in_origin("url", "{root}", "let the remote's url name the clone itself"),
        tells="ls-remote origin",
        seen="remote-is-self",
        silent=True,
    ),
    _row(
        "config-push-url-self",
        "let the remote's push url name the clone itself",
        "nothing: push says 'Everything up-to-date', and nothing arrives anywhere",
        in_origin("pushurl", "{root}", "let the remote's push url name the clone itself"),
        tells="push origin HEAD",
        says="up-to-date",
        seen="remote-is-self",
        silent=True,
    ),
    _row(
        "config-no-fetch",
        "take the remote's fetch refspec out of the configuration",
        "nothing: fetch exits 0, and the remote branches never move",
        in_origin("fetch", None, "take the remote's fetch refspec out of .git/config"),
        tells="config --get-regexp remote.origin",
        silent=True,
    ),
    _row(
        "config-no-remote",
        "take the remote out of the configuration",
        "fetch and push fail: 'origin does not appear to be a git repository'; fetch --all exits 0",
        _no_remote,
        tells="fetch origin",
        says="does not appear to be a git repository",
        seen="remote-unknown",
    ),
    _row(
        "config-bare",
        "call the clone bare in its configuration",
        "status, add, commit and checkout die with 'this operation must be run in a work tree'",
        added("[core]\n\tbare = true\n", "set core.bare"),
        says="must be run in a work tree",
        often="seen",
    ),
    _row(
        "config-worktree-wrong",
        "let core.worktree name an empty directory",
        "nothing: status calls every file deleted, and add -A commits the deletion of everything",
        _worktree_wrong,
        tells="status --porcelain",
        silent=True,
    ),
    _row(
        "config-worktree-missing",
        "let core.worktree name a path that does not exist",
        f"{_EVERY} 'cannot chdir to ...'",
        added("[core]\n\tworktree = {root}-no-such-place\n", "let core.worktree name a path that does not exist"),
        fsck=True,
    ),
    _row(
        "config-format",
        "name a format of the repository that does not exist",
        f"{_EVERY} 'Expected git repo version <= 1, found 99'",
        added("[core]\n\trepositoryformatversion = 99\n", "set core.repositoryformatversion to 99"),
        says="99",
        fsck=True,
    ),
    _row(
        "config-extension",
        "name an extension of the repository that does not exist",
        f"{_EVERY} 'unknown repository extension found: madeup'",
        added(
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tmadeUp = true\n", "name an unknown extension"
        ),
        says="madeup",
        fsck=True,
    ),
    _row(
        "config-bad-boolean",
        "give a switch a value that is neither true nor false",
        f"{_EVERY} 'bad boolean config value 'maybe' for 'core.filemode''",
        added("[core]\n\tfileMode = maybe\n", "set core.fileMode to maybe"),
        says="maybe",
        fsck=True,
    ),
    _row(
        "config-bad-number",
        "give core.compression a value out of range",
        f"{_EVERY} 'bad zlib compression level -5'",
        added("[core]\n\tcompression = -5\n", "set core.compression to -5"),
        says="compression level",
        fsck=True,
    ),
    _row(
        "config-include-loop",
        "let the configuration include itself",
        f"{_EVERY} 'exceeded maximum include depth'",
        added("[include]\n\tpath = {git}/config\n", "let .git/config include itself"),
        says="include depth",
        seen="config-broken",
        fsck=True,
    ),
    _row(
        "config-filemode-off",
        "let git not look at the executable bit",
        "nothing: chmod +x is never committed",
        added("[core]\n\tfileMode = false\n", "switch core.fileMode off"),
        tells="config core.fileMode",
        silent=True,
    ),
    _row(
        "config-no-identity",
        "let git insist on an identity that is not configured",
        "commit, merge and stash die with 'Please tell me who you are' or 'no email was given'",
        added("[user]\n\tuseConfigOnly = true\n\tname =\n\temail =\n", "empty user.name and user.email"),
        tells="-c user.useConfigOnly=true var GIT_AUTHOR_IDENT",
        says="empty ident name",
        often="common",
    ),
    _row(
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
    _row(
        "config-hooks-path",
        "let core.hooksPath name a directory with a failing pre-commit",
        "commit fails without a word",
        _hooks_path,
        tells="commit --allow-empty -m x",
    ),
    _row(
        "exclude-all",
        "let .git/info/exclude ignore everything that is new",
        "nothing: add -A adds no new file",
        _ignore_all,
        tells="check-ignore --no-index new-file",
        repair="remove the line from .git/info/exclude",
        seen="everything-ignored",
        silent=True,
    ),
    _row(
        "attributes-crlf",
        "let .git/info/attributes write every text file with CRLF",
        "nothing: every file that is checked out has other line ends",
        _attributes(b"* text eol=crlf\n", "let .git/info/attributes write CRLF"),
        tells="check-attr eol README.md",
        repair="remove the line from .git/info/attributes",
        seen="attributes-suspicious",
        silent=True,
    ),
    _row(
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
    _row(
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
    _row(
        "config-sparse",
        "let the next checkout leave out everything but docs",
        "nothing: files vanish from the work tree at the next checkout, and status is clean",
        _sparse,
        tells="read-tree -m -u HEAD",
        repair="git sparse-checkout disable",
        silent=True,
    ),
)
