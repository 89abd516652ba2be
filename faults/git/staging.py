"""How the index is read and written by the modes that damage it."""

from collections.abc import Callable

from daemon.core import gitindex
from daemon.core.errors import TargetAbsentError
from daemon.core.gitindex import Index, UnsupportedError
from daemon.core.gitobjects import MalformedError
from faults.git.entry import Entry
from faults.git.kinds import FileEdit, Recipe
from faults.git.sight import Look

REGULAR, EXECUTABLE, NO_TYPE = 0o100644, 0o100755, 0o170000


RESET = "rm .git/index && git reset"


def read_index(look: Look) -> Index:
    """Return the clone's index; raises TargetAbsentError, or RefusedError when it is of a kind not read here."""
    try:
        return gitindex.parse(look.snapshot(look.clone.path("index")).content, look.clone.algorithm)
    except UnsupportedError as error:
        hint = "`git update-index --index-version 2 --no-split-index` makes one that is"
        raise look.refused(str(error), "index-format", hint) from None
    except MalformedError as error:
        raise TargetAbsentError(f"nothing was touched: the index of {look.clone.root}: {error}") from None


def plain_entry(look: Look, index: Index, fits: Callable[[gitindex.Entry], bool] | None = None) -> gitindex.Entry:
    """Choose a plain file of the index by dice."""
    found = [e for e in index.entries if e.stage == 0 and e.mode == REGULAR and (fits is None or fits(e))]
    if not found:
        raise TargetAbsentError(f"nothing was touched: no file in the index of {look.clone.root} fits")
    return found[look.dice.randrange(len(found))]


def write_index(look: Look, index: Index, entries: list[gitindex.Entry], *, cache: bool = False) -> FileEdit:
    """Replace the index by other entries; ``cache`` keeps the cache of trees, which git then believes."""
    ordered = sorted(entries, key=lambda e: (e.path, e.stage))
    extensions = index.extensions if cache else gitindex.needed(index)
    content = gitindex.build(look.clone.algorithm, ordered, extensions)
    return index_edit(look, content)


def index_edit(look: Look, recipe: Recipe | bytes) -> FileEdit:
    """Change the index so that single entries can be taken out of it again."""
    path, algorithm = look.clone.path("index"), look.clone.algorithm
    return look.rewrite(path, recipe, guarded=True, merge="index", algorithm=algorithm)


def trust_size(look: Look) -> tuple[FileEdit, ...]:
    """Let git believe a file unchanged by size and whole seconds alone, as on many network file systems."""
    text = b"[core]\n\ttrustctime = false\n\tcheckstat = minimal\n"
    return (look.append(look.clone.path("config"), text, guarded=True, merge="text"),)


def row(name: str, summary: str, fails: str, scheme: object, **more: object) -> Entry:
    """Return a line of the table; what most of these lines have in common is filled in."""
    alike = {"repair": RESET, "tells": "status --porcelain", "seen": "index-broken", "often": "rare"}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]
