"""The cache of trees in the index: what the next commit records of directories nobody touched."""

from daemon.core import gitindex
from daemon.core.errors import TargetAbsentError
from daemon.core.gitobjects import ID_BYTES, commit_links
from faults.git.entry import Scheme
from faults.git.kinds import FileEdit
from faults.git.prey import content_of, packed_object
from faults.git.sight import Look
from faults.git.staging import (
    index_edit,
    read_index,
    row,
)


def _node(look: Look, path: bytes | None) -> tuple[bytes, gitindex.Node]:
    """Return the cache of trees and one of its valid nodes: the root's, or any other one."""
    index = read_index(look)
    body = next((body for name, body in index.extensions if name == b"TREE"), b"")
    found = [n for n in index.tree if n.count >= 0 and (n.path == path if path is not None else n.path)]
    if not found:
        raise TargetAbsentError(
            f"nothing was touched: the index of {look.clone.root} has no cache of trees that fits",
            hint="a commit makes one",
        )
    return body, found[look.dice.randrange(len(found))]


def _cache(look: Look, node: gitindex.Node, body: bytes, identity: str, *, sign: bool = True) -> FileEdit:
    path, algorithm = look.clone.path("index"), look.clone.algorithm
    content = look.snapshot(path).content
    data = content[: -ID_BYTES[algorithm]]
    start = data.index(body) + node.offset
    data = data[:start] + bytes.fromhex(identity) + data[start + len(identity) // 2 :]
    after = gitindex.signed(algorithm, data) if sign else data + content[-ID_BYTES[algorithm] :]
    return index_edit(look, after)


def _cache_root(look: Look) -> Scheme:
    body, node = _node(look, b"")
    parents = commit_links(content_of(look.files, look.clone, look.tip()), look.clone.algorithm)[1]
    if not parents:
        raise TargetAbsentError(f"nothing was touched: HEAD of {look.clone.root} has no parent")
    older = commit_links(content_of(look.files, look.clone, parents[0]), look.clone.algorithm)[0]
    edit = _cache(look, node, body, older)
    return Scheme(edits=(edit,), action=f"let the index's cache name the older tree {older}")


def _cache_directory(look: Look) -> Scheme:
    """Name another directory's tree: every commit that does not touch the directory records the wrong one."""
    body, node = _node(look, None)
    other = packed_object(look, "tree", fits=lambda one: one.named.id != node.id).named.id
    name = node.path.decode("utf-8", "surrogateescape")
    edit = _cache(look, node, body, other)
    return Scheme(edits=(edit,), action=f"let the index's cache name {other} for {name}", victim={"file": name})


def _cache_bitflip(look: Look) -> Scheme:
    body, node = _node(look, None)
    wrong = f"{int(node.id, 16) ^ 1:0{len(node.id)}x}"
    edit = _cache(look, node, body, wrong, sign=False)
    return Scheme(edits=(edit,), action="flip one bit of a tree's id in the index's cache")


ENTRIES = (
    row(
        "index-cache-root",
        "let the index's cache name an older tree for the whole",
        "nothing: a commit of nothing more records the older tree",
        _cache_root,
        tells="write-tree",
        silent=True,
    ),
    row(
        "index-cache-directory",
        "let the index's cache name another tree for a directory",
        "nothing: every commit that does not touch the directory records the wrong one",
        _cache_directory,
        tells="write-tree --prefix={file}/",
        silent=True,
    ),
    row(
        "index-cache-bitflip",
        "flip one bit of a tree's id in the index's cache, checksum left wrong",
        "only fsck at once; a commit records a tree that does not exist, or fails",
        _cache_bitflip,
        tells="fsck",
        fsck=True,
    ),
)
