"""Damage to packs: in place, with only the touched bytes kept in the undo record."""

from daemon.core import gitpacks
from daemon.core.errors import TargetAbsentError
from daemon.core.gitobjects import ID_BYTES
from faults.git.entry import Scheme
from faults.git.kinds import Edit
from faults.git.packs import PREFIX_BYTES_MAX, flip_at_end, row, told
from faults.git.prey import Packed, packed_object
from faults.git.sight import Look

_PAGE = 4096


_CUT_BYTES_MAX = 16 << 20


def _scheme(look: Look, found: Packed, edits: tuple[Edit, ...], action: str) -> Scheme:
    return Scheme(edits=edits, action=f"{action} {look.clone.shown(found.place.pack)}", victim=told(look, found))


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
    return _scheme(look, found, flip_at_end(look, found.place.pack), "flip one bit of the checksum of")


def _cut_off(look: Look) -> Scheme:
    found = packed_object(look)
    size = min(look.existing(found.place.pack).size // 2, PREFIX_BYTES_MAX)
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
    return _scheme(look, found, look.chmod(found.place.pack, 0), "take all rights away from")


ENTRIES = (
    row(
        "pack-bitflip",
        "flip one bit of a packed object that HEAD reaches",
        "reading the object says 'inflate: data stream error' and 'cannot unpack'; push and gc fail",
        bitflip,
        seen="object-corrupt",
    ),
    row(
        "pack-object-type",
        "give a packed object that HEAD reaches a type that does not exist",
        "reading the object says 'unknown object type'; push and gc fail",
        _type,
        seen="object-corrupt",
    ),
    row(
        "pack-delta-base",
        "let a packed delta name another base",
        "reading the object says 'failed to validate delta base reference' or 'failed to apply delta'",
        _delta_base,
        seen="object-corrupt",
    ),
    row(
        "pack-zero-page",
        "zero one page of a pack, around an object that HEAD reaches, as after a crash",
        "reading the object says 'unknown object type 0' or 'inflate: data stream error'",
        _zero_page,
        seen="object-corrupt",
        often="seen",
    ),
    row(
        "pack-magic",
        "damage the signature of a pack",
        "every object of the pack is gone: 'file ... is not a GIT packfile'",
        _magic,
        says="is not a GIT packfile",
    ),
    row(
        "pack-count",
        "let the header of a pack name one object too many",
        "every object of the pack is gone: 'packfile ... claims to have N objects while index indicates M'",
        _count,
        says="claims to have",
    ),
    row(
        "pack-checksum",
        "flip one bit of a pack's checksum",
        "every object of the pack is gone: 'packfile ... does not match index'",
        _trailer,
        says="does not match index",
    ),
    row(
        "pack-truncate",
        "leave only the beginning of a pack",
        "every object of the pack is gone: 'packfile ... does not match index'",
        _cut_off,
        says="does not match index",
        often="seen",
    ),
    row(
        "pack-checksum-cut",
        "cut the last 10 bytes off a pack",
        "every object of the pack is gone: 'packfile ... does not match index'",
        _trailer_cut,
        says="does not match index",
    ),
    row(
        "pack-empty",
        "empty a pack",
        "every object of the pack is gone: 'file ... is far too short to be a packfile'",
        _empty,
        says="too short",
        often="seen",
    ),
    row("pack-missing", "move a pack away and leave its index", "every object of the pack is gone", missing),
    row(
        "pack-unreadable",
        "take all rights to a pack away; a worker that is root does not notice",
        "every object of the pack is gone",
        _unreadable,
        repair="chmod 444 the file",
        seen="permission-lost",
        rights=True,
    ),
)
