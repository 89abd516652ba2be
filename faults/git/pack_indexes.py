"""Damage to the indexes of packs, to the multi-pack-index and to bitmaps."""

from daemon.core.errors import TargetAbsentError
from daemon.core.gitobjects import ID_BYTES, IDX_HEAD_BYTES
from faults.git.entry import Scheme
from faults.git.kinds import Edit
from faults.git.packs import PREFIX_BYTES_MAX, flip_at_end, row, told
from faults.git.prey import Packed, packed_object
from faults.git.sight import Look

_IDX_CUT = 1000


_HEAL_IDX = "git index-pack on the pack writes the index anew"


def _idx(found: Packed) -> str:
    return found.place.pack.removesuffix(".pack") + ".idx"


def _idx_scheme(look: Look, found: Packed, edits: tuple[Edit, ...], action: str) -> Scheme:
    return Scheme(edits=edits, action=f"{action} {look.clone.shown(_idx(found))}", victim=told(look, found))


def idx_missing(look: Look) -> Scheme:
    """Move the index of a pack away."""
    found = packed_object(look)
    return _idx_scheme(look, found, (look.away(_idx(found)),), "move away")


def _idx_empty(look: Look) -> Scheme:
    found = packed_object(look)
    return _idx_scheme(look, found, look.instead(_idx(found), b""), "empty")


def _idx_truncate(look: Look) -> Scheme:
    found = packed_object(look)
    prefix = look.files.read(_idx(found), limit=_IDX_CUT)
    return _idx_scheme(look, found, look.instead(_idx(found), prefix), f"leave only {_IDX_CUT} bytes of")


def _idx_checksum(look: Look) -> Scheme:
    found = packed_object(look)
    return _idx_scheme(look, found, flip_at_end(look, _idx(found)), "flip one bit of the checksum of")


def _idx_fanout(look: Look) -> Scheme:
    found = packed_object(look)
    at = 8 + 4 * look.dice.randrange(32, 224)
    edits = look.patch(_idx(found), [(at, b"\x7f")])
    return _idx_scheme(look, found, edits, "let the fan-out table point too far in")


def _idx_id(look: Look) -> Scheme:
    """Change the last bit of an id: the list stays sorted, and the object is no longer found."""
    found = packed_object(look)
    size = ID_BYTES[look.clone.algorithm]
    at = IDX_HEAD_BYTES + (found.place.position + 1) * size - 1
    edits = look.patch(_idx(found), [(at, bytes((int(found.named.id[-2:], 16) ^ 1,)))])
    return _idx_scheme(look, found, edits, f"change one bit of the id {found.named.id} in")


def _idx_swap(look: Look) -> Scheme:
    """Let two blobs change places: git does not hash what it reads from a pack."""
    found = packed_object(look, "blob")
    other = packed_object(
        look, "blob", fits=lambda one: one.named.id != found.named.id and one.place.pack == found.place.pack
    )
    path = _idx(found)
    total = int.from_bytes(look.files.read(path, offset=IDX_HEAD_BYTES - 4, limit=4), "big")
    table = IDX_HEAD_BYTES + total * (ID_BYTES[look.clone.algorithm] + 4)
    one, two = (table + 4 * place.position for place in (found.place, other.place))
    edits = look.patch(
        path, [(one, look.files.read(path, offset=two, limit=4)), (two, look.files.read(path, offset=one, limit=4))]
    )
    return _idx_scheme(look, found, edits, f"let {found.named.id} and {other.named.id} change places in")


def _midx(look: Look) -> str:
    path = look.clone.path("objects", "pack", "multi-pack-index")
    if look.stat(path) is None:
        raise TargetAbsentError(
            f"nothing was touched: {look.clone.root} has no multi-pack-index",
            hint="`git multi-pack-index write` makes one",
        )
    return path


def _midx_garbage(look: Look) -> Scheme:
    path = _midx(look)
    return Scheme(edits=look.patch(path, [(0, b"garbage!")]), action="overwrite the head of the multi-pack-index")


def _midx_truncate(look: Look) -> Scheme:
    path = _midx(look)
    prefix = look.files.read(path, limit=min(look.existing(path).size // 2, PREFIX_BYTES_MAX))
    return Scheme(
        edits=look.instead(path, prefix), action=f"leave only {len(prefix)} bytes of the multi-pack-index"
    )


def _midx_missing_pack(look: Look) -> Scheme:
    path = _midx(look)
    found = packed_object(look)
    edits = (look.away(found.place.pack), look.away(_idx(found)))
    victim = {**told(look, found), "midx": look.clone.shown(path)}
    return Scheme(edits=edits, action="move a pack away that the multi-pack-index names", victim=victim)


def _midx_checksum(look: Look) -> Scheme:
    path = _midx(look)
    return Scheme(edits=flip_at_end(look, path), action="flip one bit of the checksum of the multi-pack-index")


ENTRIES = (
    row(
        "idx-missing",
        "move the index of a pack away",
        "every object of the pack is gone",
        idx_missing,
        repair=_HEAL_IDX,
    ),
    row(
        "idx-empty",
        "empty the index of a pack",
        "every object of the pack is gone: 'index file ... is too small'",
        _idx_empty,
        says="is too small",
        repair=_HEAL_IDX,
    ),
    row(
        "idx-truncate",
        "leave only the beginning of the index of a pack",
        "every object of the pack is gone: 'index file ... is too small'",
        _idx_truncate,
        says="is too small",
        repair=_HEAL_IDX,
    ),
    row(
        "idx-checksum",
        "flip one bit of the checksum of a pack's index",
        "only fsck and verify-pack: 'Packfile index ... hash mismatch'",
        _idx_checksum,
        tells="fsck",
        says="hash mismatch",
        repair=_HEAL_IDX,
    ),
    row(
        "idx-fanout",
        "let the fan-out table of a pack's index point too far",
        "every object of the pack is gone: 'non-monotonic index'",
        _idx_fanout,
        says="non-monotonic index",
        repair=_HEAL_IDX,
    ),
    row(
        "idx-id-flip",
        "change one bit of an id in a pack's index",
        "the object is gone: 'Not a valid object name'",
        _idx_id,
        says="Not a valid object name",
        repair=_HEAL_IDX,
        seen="pack-broken",
    ),
    row(
        "idx-swap",
        "let two blobs change places in a pack's index",
        "nothing: git does not hash what it reads, and shows and checks out the other blob's content",
        _idx_swap,
        tells="cat-file blob {object}",
        repair=_HEAL_IDX,
        seen="object-corrupt",
        silent=True,
    ),
    row(
        "midx-garbage",
        "overwrite the head of the multi-pack-index",
        "every command that reads objects says 'multi-pack-index signature ... does not match'",
        _midx_garbage,
        tells="fsck",
        says="signature",
        repair="delete the multi-pack-index",
        seen="midx-broken",
    ),
    row(
        "midx-truncate",
        "leave only the beginning of the multi-pack-index",
        "every command that reads objects complains or dies",
        _midx_truncate,
        tells="fsck",
        repair="delete the multi-pack-index",
        seen="midx-broken",
    ),
    row(
        "midx-checksum",
        "flip one bit of the checksum of the multi-pack-index",
        "only `git multi-pack-index verify` and fsck: 'incorrect checksum'",
        _midx_checksum,
        tells="multi-pack-index verify",
        says="checksum",
        repair="delete the multi-pack-index",
        seen="midx-broken",
    ),
    row(
        "midx-pack-missing",
        "move a pack with its index away that the multi-pack-index names",
        "every object of the pack is gone",
        _midx_missing_pack,
        seen="object-missing",
    ),
)
