"""A remote whose objects, rights or configuration are broken."""

from collections.abc import Callable

from daemon.core.errors import TargetAbsentError
from faults.git import loose_store, pack_bytes, pack_indexes
from faults.git.entry import Scheme
from faults.git.remotes import FETCH, PUSH, branch, row, told
from faults.git.sight import Look


def _head(content: bytes, action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        return Scheme(edits=(look.rewrite(look.clone.path("HEAD"), content, guarded=True),), action=action)

    return scheme


def _object_missing(look: Look) -> Scheme:
    """Delete the loose object that the branch names; the remote no longer can give it to anybody."""
    ref, tip = branch(look)
    path = look.clone.object_path(tip)
    if look.stat(path) is None:
        raise TargetAbsentError(f"nothing was touched: {tip} is not loose in {look.clone.root}")
    edit = look.delete(path, immutable=True)
    return Scheme(edits=(edit,), action=f"delete the commit {tip} of {ref}", victim=told(ref, object=tip))


def _chmod(name: str, mode: int) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        return Scheme(edits=look.chmod(look.clone.path(name), mode), action=f"make {name} read-only")

    return scheme


def _owner(look: Look) -> Scheme:
    return Scheme(
        edits=look.chown(look.clone.root, int(look.parameters.owner)), action="give the remote to another user"
    )


def _config_garbage(look: Look) -> Scheme:
    edit = look.append(look.clone.path("config"), b"[[[garbage\n", guarded=True, merge="text")
    return Scheme(edits=(edit,), action="add garbage to the remote's config")


ENTRIES = (
    row(
        "head-dangling",
        "point the remote's HEAD to a branch that is gone",
        "nothing: clone exits 0 with an empty work tree",
        _head(b"ref: refs/heads/gone\n", "point HEAD to a branch that is gone"),
        "clone ../remote.git asked",
        says="nonexistent ref",
        silent=True,
    ),
    row(
        "head-garbage",
        "write garbage to the remote's HEAD",
        "fetch and push fail: 'does not appear to be a git repository'",
        _head(b"garbage\n", "write garbage to HEAD"),
        FETCH,
        says="does not appear to be a git repository",
    ),
    row(
        "object-missing",
        "delete the commit that the branch names",
        "clone and fetch of it die with 'bad object' or 'unable to read'",
        _object_missing,
        "clone --no-local ../remote.git asked",
        seen="remote-broken",
    ),
    row(
        "objects-unwritable",
        "make the remote's objects read-only",
        "push is rejected: 'unable to create temporary object directory' or 'unpacker error'",
        _chmod("objects", 0o555),
        PUSH,
        says="unpack",
        rights=True,
        seen="remote-rights",
    ),
    row(
        "refs-unwritable",
        "make the remote's branches read-only",
        "push is rejected: 'failed to update ref'",
        _chmod("refs/heads", 0o555),
        PUSH,
        says="failed",
        rights=True,
        seen="remote-rights",
    ),
    row(
        "owner",
        "let the remote belong to another user",
        "fetch and push die with 'detected dubious ownership'",
        _owner,
        FETCH,
        says="dubious ownership",
        rights=True,
        seen="remote-rights",
        often="common",
    ),
    row(
        "config-garbage",
        "add garbage to the remote's configuration",
        "fetch and push die with 'bad config line'",
        _config_garbage,
        FETCH,
        says="bad config line",
    ),
    row(
        "pack-missing",
        "move the remote's pack away",
        "fetch and clone die: 'remote did not send all necessary objects' or 'bad object'",
        pack_bytes.missing,
        "clone ../remote.git asked",
    ),
    row(
        "idx-missing",
        "move the index of the remote's pack away",
        "fetch and clone die: 'bad object'",
        pack_indexes.idx_missing,
        "clone ../remote.git asked",
    ),
    row(
        "pack-bitflip",
        "flip one bit in the remote's pack",
        "clone dies with 'inflate: data stream error' or 'index-pack failed'",
        pack_bytes.bitflip,
        "clone --no-local ../remote.git asked",
        seen="remote-broken",
    ),
    row(
        "objects-missing",
        "move all of the remote's objects away",
        "fetch and push fail: 'does not appear to be a git repository'",
        loose_store.gone,
        FETCH,
        says="does not appear to be a git repository",
    ),
)
