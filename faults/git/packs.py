"""What the modes that damage packs have in common."""

from daemon.core.gitobjects import ID_BYTES
from faults.git.entry import Entry
from faults.git.kinds import Edit
from faults.git.prey import Packed
from faults.git.sight import Look

PREFIX_BYTES_MAX = 65536


HEAL_PACK = "copy the pack from another clone, or clone anew; what was pushed comes back with fetch --refetch"


def told(look: Look, found: Packed) -> dict[str, str]:
    """Return what people are told of what was struck."""
    named = found.named
    return {
        "object": named.id,
        "kind": named.kind,
        "name": named.name,
        "pack": look.clone.shown(found.place.pack),
        "packpath": found.place.pack,
    }


def flip_at_end(look: Look, path: str) -> tuple[Edit, ...]:
    """Flip one bit of the checksum at the end of a file."""
    at = look.existing(path).size - 1 - look.dice.randrange(ID_BYTES[look.clone.algorithm])
    old = look.files.read(path, offset=at, limit=1)[0]
    return look.patch(path, [(at, bytes((old ^ 1 << look.dice.randrange(8),)))])


CAT = "cat-file -p {object}"


def row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    """Return a line about a pack; most are alike in what does not matter to them."""
    alike = {"repair": HEAL_PACK, "tells": CAT, "seen": "pack-broken", "fsck": True, "often": "rare"}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]
