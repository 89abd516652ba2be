"""Which target is meant by who names none."""

import pytest

from daemon.core.errors import UsageError
from daemon.core.plan import aimed


@pytest.mark.parametrize("targets", [("editor",), ("editor", "other"), ()])
def test_the_one_that_was_named_is_meant_whatever_there_is(targets: tuple[str, ...]) -> None:
    assert aimed("editor", targets) == "editor"


def test_without_a_name_the_only_one_is_meant() -> None:
    assert aimed(None, {"editor": 1}) == "editor"


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (("b", "a"), ["which target? 2 are configured", "--target NAME", "targets: a, b"]),
        ((), ["no target is configured", "--repository PATH"]),
    ],
)
def test_nobody_is_guessed_among_several_or_none(targets: tuple[str, ...], said: list[str]) -> None:
    with pytest.raises(UsageError) as told:
        aimed(None, targets)
    for words in said:
        assert words in str(told.value)
