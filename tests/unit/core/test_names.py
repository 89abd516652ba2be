"""What is remembered of the names in git objects: a limit, the youngest, and what versions have in common once."""

from daemon.core.gitwalk import Named, Names


def version(number: int, *, files: int = 50) -> list[Named]:
    """Return the entries of a directory in which every version changes one file."""
    changed = number % files
    return [Named(f"{number if n == changed else n:040x}", "blob", f"page-{n}.html") for n in range(files)]


def test_what_two_versions_of_a_directory_have_in_common_is_held_once() -> None:
    names = Names()
    one, two = names.put("tree-1", "/", version(1001)), names.put("tree-2", "/", version(1002))
    assert sum(a is b for a, b in zip(one, two, strict=True)) == 48
    assert two == tuple(version(1002))


def test_never_more_names_are_held_than_allowed_and_the_oldest_go_first() -> None:
    names = Names(most=510)
    for number in range(1000, 1100):
        names.put(f"tree-{number}", "/", version(number))
        assert names.get("tree-1000") is not None or number > 1000
        assert len(names) <= 510
    assert names.get("tree-1099") == tuple(version(1099))
    assert names.get("tree-1000") is not None, "what is asked for again and again stays"
    assert names.get("tree-1050") is None


def test_a_directory_too_large_to_be_remembered_is_read_all_the_same() -> None:
    names = Names(most=10)
    assert names.put("tree", "/", version(1)) == tuple(version(1))
    assert names.get("tree") is None
    assert len(names) == 0


def test_the_number_of_objects_can_be_limited_as_well() -> None:
    names = Names()
    for number in range(5):
        names.put(f"tree-{number}", "/", version(number))
    assert names.get("tree-0") is not None
    names.limit(2)
    assert [n for n in range(5) if names.get(f"tree-{n}") is not None] == [0, 4]
    assert len(names) == 2 * 51
