"""Damage to the configuration as a file, and to the remote in it."""

from collections.abc import Callable
from dataclasses import replace

from faults.git.entry import Scheme
from faults.git.kinds import Recipe
from faults.git.settings import EVERY, added, in_origin, origin, row, set_origin
from faults.git.sight import Look


def _whole(recipe: Callable[[bytes], Recipe | bytes], action: str) -> Callable[[Look], Scheme]:
    """Damage the file as a whole."""

    def scheme(look: Look) -> Scheme:
        path = look.clone.path("config")
        content = look.snapshot(path).content
        return Scheme(edits=(look.rewrite(path, recipe(content), guarded=True, merge="config"),), action=action)

    return scheme


def _no_remote(look: Look) -> Scheme:
    start, end = origin(look)
    recipe = Recipe(action="splice", offset=start, size=end - start)
    edit = look.rewrite(look.clone.path("config"), recipe, guarded=True, merge="config")
    return Scheme(edits=(edit,), action="take the remote out of .git/config")


def _no_fetch(look: Look) -> Scheme:
    edit = replace(set_origin(look, "fetch", None), merge="config")
    return Scheme(edits=(edit,), action="take the remote's fetch refspec out of .git/config")


def _truncate(look: Look) -> Scheme:
    start, end = origin(look)
    content = look.snapshot(look.clone.path("config")).content
    url = content.index(b"url", start, end)
    size = url + (content.index(b"\n", url) - url) * 3 // 4
    recipe = Recipe(action="truncate", size=size)
    edit = look.rewrite(look.clone.path("config"), recipe, guarded=True, merge="config")
    return Scheme(edits=(edit,), action="cut .git/config off in the middle of the remote's address")


def _unreadable(look: Look) -> Scheme:
    return Scheme(edits=look.chmod(look.clone.path("config"), 0), action="take all rights to .git/config away")


ENTRIES = (
    row(
        "config-garbage",
        "add garbage to the configuration",
        f"{EVERY} 'bad config line N in file .git/config'",
        added("[[[garbage\n", "add garbage to .git/config"),
        says="bad config line",
        seen="config-broken",
        fsck=True,
    ),
    row(
        "config-missing",
        "delete the configuration",
        "fetch and push fail: 'origin does not appear to be a git repository'; fetch --all exits 0",
        _whole(lambda _: Recipe(action="unlink"), "delete .git/config"),
        tells="fetch origin",
        says="does not appear to be a git repository",
        seen="remote-unknown",
    ),
    row(
        "config-empty",
        "empty the configuration",
        "fetch and push fail: 'origin does not appear to be a git repository'; fetch --all exits 0",
        _whole(lambda _: b"", "empty .git/config"),
        tells="fetch origin",
        says="does not appear to be a git repository",
        seen="remote-unknown",
        often="seen",
    ),
    row(
        "config-zeros",
        "fill the configuration with zeros",
        f"{EVERY} 'bad config line 1 in file .git/config'",
        _whole(lambda content: bytes(len(content)), "fill .git/config with zeros"),
        says="bad config line",
        seen="config-broken",
        fsck=True,
    ),
    row(
        "config-truncate",
        "cut the configuration off in the middle of the remote's address",
        "fetch and push fail or go elsewhere",
        _truncate,
        tells="fetch origin",
        seen="remote-gone",
    ),
    row(
        "config-unreadable",
        "take all rights to the configuration away; a worker that is root does not notice",
        f"{EVERY} 'unable to access .git/config: Permission denied'",
        _unreadable,
        says="Permission denied",
        repair="chmod 644 the file",
        seen="permission-lost",
        rights=True,
        fsck=True,
    ),
    row(
        "config-url-gone",
        "let the remote's url name a path that does not exist",
        "fetch, pull and push fail: 'does not appear to be a git repository'",
        in_origin("url", "{root}-no-such-remote", "let the remote's url name a path that does not exist"),
        tells="fetch origin",
        says="does not appear to be a git repository",
        seen="remote-gone",
        often="seen",
    ),
    row(
        "config-url-self",
        "let the remote's url name the clone itself",
        "nothing: fetch brings nothing, push says 'Everything up-to-date', and nothing arrives anywhere",
        in_origin("url", "{root}", "let the remote's url name the clone itself"),
        tells="ls-remote origin",
        seen="remote-is-self",
        silent=True,
    ),
    row(
        "config-push-url-self",
        "let the remote's push url name the clone itself",
        "nothing: push says 'Everything up-to-date', and nothing arrives anywhere",
        in_origin("pushurl", "{root}", "let the remote's push url name the clone itself"),
        tells="push origin HEAD",
        says="up-to-date",
        seen="remote-is-self",
        silent=True,
    ),
    row(
        "config-no-fetch",
        "take the remote's fetch refspec out of the configuration",
        "nothing: fetch exits 0, and the remote branches never move",
        _no_fetch,
        tells="config --get-regexp remote.origin",
        silent=True,
    ),
    row(
        "config-no-remote",
        "take the remote out of the configuration",
        "fetch and push fail: 'origin does not appear to be a git repository'; fetch --all exits 0",
        _no_remote,
        tells="fetch origin",
        says="does not appear to be a git repository",
        seen="remote-unknown",
    ),
    row(
        "config-include-loop",
        "let the configuration include itself",
        f"{EVERY} 'exceeded maximum include depth'",
        added("[include]\n\tpath = config\n", "let .git/config include itself"),
        says="include depth",
        seen="config-broken",
        fsck=True,
    ),
)
