"""Damage to the checked-out branch's ref."""

from daemon.core.gitobjects import ID_BYTES
from faults.git.branches import row, vanished, write_ref
from faults.git.entry import Scheme
from faults.git.prey import packed_object
from faults.git.refs import path_of
from faults.git.sight import Look

_ZEROS = bytes(41)


def _nobody(look: Look) -> str:
    return look.dice.randbytes(ID_BYTES[look.clone.algorithm]).hex()


def _empty(look: Look) -> Scheme:
    return write_ref(look, look.branch(), b"", "empty")


def _missing_object(look: Look) -> Scheme:
    nobody = _nobody(look)
    return write_ref(look, look.branch(), f"{nobody}\n".encode(), f"write {nobody}, the id of no object, to")


def _zeros(look: Look) -> Scheme:
    return write_ref(look, look.branch(), _ZEROS, "fill with zeros")


def _garbage(look: Look) -> Scheme:
    return write_ref(look, look.branch(), b"not an id\n", "write garbage to")


def _null_id(look: Look) -> Scheme:
    return write_ref(
        look, look.branch(), b"0" * (2 * ID_BYTES[look.clone.algorithm]) + b"\n", "write the null id to"
    )


def _short(look: Look) -> Scheme:
    return write_ref(look, look.branch(), f"{look.tip()[:20]}\n".encode(), "cut the id off in")


def _to_blob(look: Look) -> Scheme:
    blob = packed_object(look, "blob").named.id
    return write_ref(look, look.branch(), f"{blob}\n".encode(), f"write {blob}, the id of a blob, to", object=blob)


def _current_vanished(look: Look) -> Scheme:
    return vanished(look, look.branch())


def _directory(look: Look) -> Scheme:
    ref = look.branch()
    look.tip()
    edits = look.directory_instead(path_of(look, ref))
    return Scheme(edits=edits, action=f"put a directory in the place of .git/{ref}", victim={"ref": ref})


def _unreadable(look: Look) -> Scheme:
    ref = look.branch()
    edits = look.chmod(path_of(look, ref), 0)
    return Scheme(edits=edits, action=f"take all rights to .git/{ref} away", victim={"ref": ref})


_BROKEN = "log, commit, fetch, pull and push fail: 'your current branch appears to be broken', 'bad object'"


ENTRIES = (
    row(
        "ref-empty",
        "empty the file of the checked-out branch's ref",
        _BROKEN,
        _empty,
        says="broken",
        fsck=True,
        often="daily",
    ),
    row(
        "ref-missing-object",
        "let the checked-out branch's ref name an object that does not exist",
        "status, log, commit and checkout die with 'bad object HEAD'",
        _missing_object,
        says="bad object HEAD",
        fsck=True,
    ),
    row("ref-zeros", "fill the checked-out branch's ref with zeros", _BROKEN, _zeros, fsck=True, often="seen"),
    row("ref-garbage", "write garbage to the checked-out branch's ref", _BROKEN, _garbage, fsck=True),
    row(
        "ref-null-id",
        "write the null id to the checked-out branch's ref",
        "log and commit fail, push says 'rejected'",
        _null_id,
        fsck=True,
        often="common",
    ),
    row("ref-short", "cut the id off in the checked-out branch's ref", _BROKEN, _short, fsck=True),
    row(
        "ref-to-blob",
        "let the checked-out branch's ref name a blob",
        "log, commit and gc fail: 'is not a commit' or 'bad object'",
        _to_blob,
        fsck=True,
        tells="rev-parse --verify HEAD^{{commit}}",
    ),
    row(
        "ref-current-vanished",
        "delete the checked-out branch",
        "nothing: HEAD is unborn, and a commit begins a history of its own",
        _current_vanished,
        tells="status --branch --porcelain",
        says="No commits yet",
        silent=True,
    ),
    row(
        "ref-directory",
        "put a directory in the place of the checked-out branch's ref",
        "commit, pull and checkout fail: 'there is a non-empty directory blocking reference'",
        _directory,
        tells="update-ref {ref} origin/main",
        says="update_ref failed for ref",
        fsck=True,
    ),
    row(
        "ref-unreadable",
        "take all rights to the checked-out branch's ref away; a worker that is root does not notice",
        _BROKEN,
        _unreadable,
        repair="chmod 644 the file",
        seen="permission-lost",
        rights=True,
        fsck=True,
    ),
)
