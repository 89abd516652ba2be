"""Damage to packs and their indexes: in place, with only the touched bytes kept in the undo record."""

import posixpath

from daemon.core import gitpacks
from daemon.core.errors import TargetAbsentError
from daemon.core.gitobjects import ID_BYTES, IDX_HEAD_BYTES
from faults.git.entry import Entry, Scheme
from faults.git.kinds import Edit
from faults.git.prey import Packed, packed_object
from faults.git.sight import Look

_PAGE = 4096
_PREFIX_BYTES_MAX = 65536
_CUT_BYTES_MAX = 16 << 20
_IDX_CUT = 1000
_HEAL_PACK = "copy the pack from another clone, or clone anew; what was pushed comes back with fetch --refetch"
_HEAL_IDX = "git index-pack on the pack writes the index anew"


def _victim(look: Look, found: Packed) -> dict[str, str]:
    named = found.named
    return {
        "object": named.id,
        "kind": named.kind,
        "name": named.name,
        "pack": look.clone.shown(found.place.pack),
        "packpath": found.place.pack,
    }


def _scheme(look: Look, found: Packed, edits: tuple[Edit, ...], action: str) -> Scheme:
    return Scheme(edits=edits, action=f"{action} {look.clone.shown(found.place.pack)}", victim=_victim(look, found))


def bitflip(look: Look) -> Scheme:
    """Flip a bit of the deflated bytes, not among the last, which may not matter."""
    found = packed_object(look)
    entry = gitpacks.entry_at(look.files, look.clone, found.place)
    length = gitpacks.deflated(look.files, found.place, entry)[1]
    at = entry.data + 2 + look.dice.randrange(max(1, length - 8))
    old = look.files.read(found.place.pack, offset=at, limit=1)
    new = bytes((old[0] ^ 1 << look.dice.randrange(8),))
    return _scheme(look, found, look.patch(found.place.pack, [(at, new)]), f"flip one bit of {found.named.id} in")


def _type(look: Look) -> Scheme:
    found = packed_object(look)
    old = look.files.read(found.place.pack, offset=found.place.offset, limit=1)[0]
    edits = look.patch(found.place.pack, [(found.place.offset, bytes((old & 0x8F | 0x50,)))])  # type 5 is no type
    return _scheme(look, found, edits, f"give {found.named.id} a type that does not exist in")


def _delta_base(look: Look) -> Scheme:
    def is_delta(one: Packed) -> bool:
        return gitpacks.entry_at(look.files, look.clone, one.place).type == gitpacks.OFS_DELTA

    found = packed_object(look, fits=is_delta)
    entry = gitpacks.entry_at(look.files, look.clone, found.place)
    at = entry.data - 1  # the last byte of the distance to the base
    old = look.files.read(found.place.pack, offset=at, limit=1)[0]
    edits = look.patch(found.place.pack, [(at, bytes((old ^ 1,)))])
    return _scheme(look, found, edits, f"let the delta {found.named.id} name another base in")


def _zero_page(look: Look) -> Scheme:
    found = packed_object(look)
    stat = look.existing(found.place.pack)
    start = max(12, found.place.offset // _PAGE * _PAGE)
    end = min(start + _PAGE, stat.size - ID_BYTES[look.clone.algorithm])
    edits = look.patch(found.place.pack, [(start, bytes(end - start))])
    return _scheme(look, found, edits, "zero the page around an object of")


def _magic(look: Look) -> Scheme:
    found = packed_object(look)
    return _scheme(look, found, look.patch(found.place.pack, [(0, b"QACK")]), "damage the signature of")


def _count(look: Look) -> Scheme:
    found = packed_object(look)
    count = int.from_bytes(look.files.read(found.place.pack, offset=8, limit=4), "big")
    edits = look.patch(found.place.pack, [(8, (count + 1).to_bytes(4, "big"))])
    return _scheme(look, found, edits, "add one to the number of objects in the header of")


def _trailer(look: Look) -> Scheme:
    found = packed_object(look)
    return _scheme(look, found, _flip_at_end(look, found.place.pack), "flip one bit of the checksum of")


def _flip_at_end(look: Look, path: str) -> tuple[Edit, ...]:
    at = look.existing(path).size - 1 - look.dice.randrange(ID_BYTES[look.clone.algorithm])
    old = look.files.read(path, offset=at, limit=1)[0]
    return look.patch(path, [(at, bytes((old ^ 1 << look.dice.randrange(8),)))])


def _cut_off(look: Look) -> Scheme:
    found = packed_object(look)
    size = min(look.existing(found.place.pack).size // 2, _PREFIX_BYTES_MAX)
    prefix = look.files.read(found.place.pack, limit=size)
    return _scheme(look, found, look.instead(found.place.pack, prefix), f"leave only {size} bytes of")


def _trailer_cut(look: Look) -> Scheme:
    found = packed_object(look)
    size = look.existing(found.place.pack).size
    if size > _CUT_BYTES_MAX:
        raise TargetAbsentError(
            f"nothing was touched: {found.place.pack} has {size} bytes, too many to be copied",
            hint="choose pack-truncate",
        )
    content = look.files.read(found.place.pack)[:-10]
    return _scheme(look, found, look.instead(found.place.pack, content), "cut the last 10 bytes off")


def _empty(look: Look) -> Scheme:
    found = packed_object(look)
    return _scheme(look, found, look.instead(found.place.pack, b""), "empty")


def missing(look: Look) -> Scheme:
    """Move a pack away and leave its index."""
    found = packed_object(look)
    return _scheme(look, found, (look.away(found.place.pack),), "move away")


def _unreadable(look: Look) -> Scheme:
    found = packed_object(look)
    return _scheme(look, found, (look.chmod(found.place.pack, 0),), "take all rights away from")


# --- the index of a pack ---------------------------------------------------------------------------------


def _idx(found: Packed) -> str:
    return found.place.pack.removesuffix(".pack") + ".idx"


def _idx_scheme(look: Look, found: Packed, edits: tuple[Edit, ...], action: str) -> Scheme:
    return Scheme(edits=edits, action=f"{action} {look.clone.shown(_idx(found))}", victim=_victim(look, found))


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
    return _idx_scheme(look, found, _flip_at_end(look, _idx(found)), "flip one bit of the checksum of")


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


# --- the multi-pack-index --------------------------------------------------------------------------------


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
    prefix = look.files.read(path, limit=min(look.existing(path).size // 2, _PREFIX_BYTES_MAX))
    return Scheme(
        edits=look.instead(path, prefix), action=f"leave only {len(prefix)} bytes of the multi-pack-index"
    )


def _midx_missing_pack(look: Look) -> Scheme:
    path = _midx(look)
    found = packed_object(look)
    edits = (look.away(found.place.pack), look.away(_idx(found)))
    victim = {**_victim(look, found), "midx": look.clone.shown(path)}
    return Scheme(edits=edits, action="move a pack away that the multi-pack-index names", victim=victim)


def _midx_checksum(look: Look) -> Scheme:
    path = _midx(look)
    return Scheme(edits=_flip_at_end(look, path), action="flip one bit of the checksum of the multi-pack-index")


def _bitmap_truncate(look: Look) -> Scheme:
    directory = look.clone.path("objects", "pack")
    names = [name for name in look.files.names(directory) if name.endswith(".bitmap")]
    if not names:
        raise TargetAbsentError(f"nothing was touched: {look.clone.root} has no bitmap")
    path = posixpath.join(directory, names[0])
    prefix = look.files.read(path, limit=min(look.existing(path).size // 2, _PREFIX_BYTES_MAX))
    return Scheme(edits=look.instead(path, prefix), action=f"leave only {len(prefix)} bytes of {names[0]}")


_CAT = "cat-file -p {object}"


def _row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    """Return a line about a pack; most are alike in what does not matter to them."""
    alike = {"repair": _HEAL_PACK, "tells": _CAT, "seen": "pack-broken", "fsck": True, "often": "rare"}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


ENTRIES = (
    _row(
        "pack-bitflip",
        "flip one bit of a packed object that HEAD reaches",
        "reading the object says 'inflate: data stream error' and 'cannot unpack'; push and gc fail",
        bitflip,
        seen="object-corrupt",
    ),
    _row(
        "pack-object-type",
        "give a packed object that HEAD reaches a type that does not exist",
        "reading the object says 'unknown object type'; push and gc fail",
        _type,
        seen="object-corrupt",
    ),
    _row(
        "pack-delta-base",
        "let a packed delta name another base",
        "reading the object says 'failed to validate delta base reference' or 'failed to apply delta'",
        _delta_base,
        seen="object-corrupt",
    ),
    _row(
        "pack-zero-page",
        "zero one page of a pack, around an object that HEAD reaches, as after a crash",
        "reading the object says 'unknown object type 0' or 'inflate: data stream error'",
        _zero_page,
        seen="object-corrupt",
        often="seen",
    ),
    _row(
        "pack-magic",
        "damage the signature of a pack",
        "every object of the pack is gone: 'file ... is not a GIT packfile'",
        _magic,
        says="is not a GIT packfile",
    ),
    _row(
        "pack-count",
        "let the header of a pack name one object too many",
        "every object of the pack is gone: 'packfile ... claims to have N objects while index indicates M'",
        _count,
        says="claims to have",
    ),
    _row(
        "pack-checksum",
        "flip one bit of a pack's checksum",
        "every object of the pack is gone: 'packfile ... does not match index'",
        _trailer,
        says="does not match index",
    ),
    _row(
        "pack-truncate",
        "leave only the beginning of a pack",
        "every object of the pack is gone: 'packfile ... does not match index'",
        _cut_off,
        says="does not match index",
        often="seen",
    ),
    _row(
        "pack-checksum-cut",
        "cut the last 10 bytes off a pack",
        "every object of the pack is gone: 'packfile ... does not match index'",
        _trailer_cut,
        says="does not match index",
    ),
    _row(
        "pack-empty",
        "empty a pack",
        "every object of the pack is gone: 'file ... is far too short to be a packfile'",
        _empty,
        says="too short",
        often="seen",
    ),
    _row("pack-missing", "move a pack away and leave its index", "every object of the pack is gone", missing),
    _row(
        "pack-unreadable",
        "take all rights to a pack away; a worker that is root does not notice",
        "every object of the pack is gone",
        _unreadable,
        repair="chmod 444 the file",
        seen="permission-lost",
        rights=True,
    ),
    _row(
        "idx-missing",
        "move the index of a pack away",
        "every object of the pack is gone",
        idx_missing,
        repair=_HEAL_IDX,
    ),
    _row(
        "idx-empty",
        "empty the index of a pack",
        "every object of the pack is gone: 'index file ... is too small'",
        _idx_empty,
        says="is too small",
        repair=_HEAL_IDX,
    ),
    _row(
        "idx-truncate",
        "leave only the beginning of the index of a pack",
        "every object of the pack is gone: 'index file ... is too small'",
        _idx_truncate,
        says="is too small",
        repair=_HEAL_IDX,
    ),
    _row(
        "idx-checksum",
        "flip one bit of the checksum of a pack's index",
        "only fsck and verify-pack: 'Packfile index ... hash mismatch'",
        _idx_checksum,
        tells="fsck",
        says="hash mismatch",
        repair=_HEAL_IDX,
    ),
    _row(
        "idx-fanout",
        "let the fan-out table of a pack's index point too far",
        "every object of the pack is gone: 'non-monotonic index'",
        _idx_fanout,
        says="non-monotonic index",
        repair=_HEAL_IDX,
    ),
    _row(
        "idx-id-flip",
        "change one bit of an id in a pack's index",
        "the object is gone: 'Not a valid object name'",
        _idx_id,
        says="Not a valid object name",
        repair=_HEAL_IDX,
        seen="object-missing",
    ),
    _row(
        "idx-swap",
        "let two blobs change places in a pack's index",
        "nothing: git does not hash what it reads, and shows and checks out the other blob's content",
        _idx_swap,
        tells="cat-file blob {object}",
        repair=_HEAL_IDX,
        seen="object-corrupt",
        silent=True,
    ),
    _row(
        "midx-garbage",
        "overwrite the head of the multi-pack-index",
        "every command that reads objects says 'multi-pack-index signature ... does not match'",
        _midx_garbage,
        tells="fsck",
        says="signature",
        repair="delete the multi-pack-index",
        seen="midx-broken",
    ),
    _row(
        "midx-truncate",
        "leave only the beginning of the multi-pack-index",
        "every command that reads objects complains or dies",
        _midx_truncate,
        tells="fsck",
        repair="delete the multi-pack-index",
        seen="midx-broken",
    ),
    _row(
        "midx-checksum",
        "flip one bit of the checksum of the multi-pack-index",
        "only `git multi-pack-index verify` and fsck: 'incorrect checksum'",
        _midx_checksum,
        tells="multi-pack-index verify",
        says="checksum",
        repair="delete the multi-pack-index",
        seen="midx-broken",
    ),
    _row(
        "midx-pack-missing",
        "move a pack with its index away that the multi-pack-index names",
        "every object of the pack is gone",
        _midx_missing_pack,
        seen="pack-broken",
    ),
)
REMOTE_ENTRIES = (
    _row(
        "bitmap-truncate",
        "leave only the beginning of the remote's bitmap",
        "clone and fetch complain 'corrupted bitmap index' and may die",
        _bitmap_truncate,
        tells="fetch",
        repair="git repack -adb on the remote",
        seen="bitmap-broken",
        remote=True,
    ),
)
