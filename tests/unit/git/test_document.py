"""The page about git faults says what the code says."""

from tests.unit.git.document import PAGE, document


def test_the_page_is_made_from_the_tables() -> None:
    assert PAGE.read_text() == document(), "run `python -m tests.unit.git.document`"
