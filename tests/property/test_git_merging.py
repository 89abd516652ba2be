"""What the worker wrote while a fault was there stays, what we took away comes back, and only once."""

from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.core.seams import FileStat
from faults.git.kinds import FileEdit, Recipe, Snapshot
from faults.git.merging import without

STAT = FileStat(kind="file", size=0, mode=0o644, mtime_ns=1, uid=0, gid=0, inode=1, links=1)


def edit(merge: str, before: bytes, after: bytes | None, name: str = "x") -> FileEdit:
    recipe = Recipe(action="unlink") if after is None else Recipe(action="write", content=after)
    snapshot = Snapshot(stat=STAT, content=before)
    return FileEdit(path=f"/r/.git/{name}", before=snapshot, like=STAT, recipe=recipe, merge=merge)


# --- logs ------------------------------------------------------------------------------------------------

lines = st.binary(min_size=1, max_size=6).map(lambda text: text.replace(b"\n", b"") + b"\n")
logs = st.lists(lines, max_size=4).map(b"".join)


@given(before=logs, after=st.none() | logs, added=logs.filter(bool), cut=st.integers(0, 20) | st.none())
def test_lines_added_to_a_log_stay_behind_those_that_come_back(
    before: bytes, after: bytes | None, added: bytes, cut: int | None
) -> None:
    after = after if cut is None else before[:cut]
    one = edit("log", before, after)
    now = (after or b"") + added
    assume(now != before and not now.startswith(before))
    merged = without(one, now)
    assert merged == before + added
    assume(not (after and len(after) >= len(before) and merged.startswith(after)))  # the worker wrote it again
    assert without(one, merged) is None, "a second undo adds nothing"
