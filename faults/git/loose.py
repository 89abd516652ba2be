"""What the modes that damage loose objects have in common."""

from daemon.core.gitwalk import Named
from faults.git.entry import Scheme
from faults.git.kinds import FileEdit
from faults.git.sight import Look


def struck(look: Look, verb: str, named: Named, edit: FileEdit) -> Scheme:
    """Put one edit and what is said of it together."""
    return Scheme(
        edits=(edit,),
        action=f"{verb} the loose {named.kind} {named.id} ({named.name}), {look.clone.shown(edit.path)},",
        victim={"object": named.id, "kind": named.kind, "name": named.name},
    )


CAT = "cat-file -p {object}"
