"""The moment at which a fault strikes, as people write it."""

import pytest

from daemon.core.moments import EVENTS, Moment, moment, read


def test_an_event_and_an_event_with_a_pattern() -> None:
    assert moment("commit") == Moment(event="commit")
    assert moment("commit:thread-*") == Moment(event="commit", matching="thread-*")
    assert moment({"event": "file", "matching": "src/*.js", "within": "5s"}) == Moment(
        event="file", matching="src/*.js", within_s=5.0
    )
    assert moment(None) is None
    assert str(read("log: pushed: ok")) == "log:pushed: ok"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("comit", "unknown event 'comit'"),
        ("", "unknown event ''"),
        ("file", "file needs a pattern for its path"),
        ("push:main", "push takes no pattern"),
        ("log:(", "is no regular expression"),
        ({"event": "commit", "within": "0s"}, "more than 0s"),
        ({"event": "commit", "in": "5s"}, "expected EVENT"),
        ({"matching": "x"}, "expected EVENT"),
        (7, "expected EVENT"),
    ],
)
def test_what_could_never_be_waited_for_is_one_clear_error(asked: object, says: str) -> None:
    with pytest.raises(ValueError, match="when: ") as raised:
        moment(asked)
    assert says in str(raised.value)


def test_every_event_says_what_it_is_and_needs() -> None:
    for name, kind in EVENTS.items():
        assert kind.summary, name
        assert kind.needs in ("repository", "queue", "logs")
        assert kind.matching or not kind.required
