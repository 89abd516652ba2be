"""The API's tokens in the file: what is read, what is a mistake, and who may read when nothing is said."""

from collections.abc import Callable

import pytest

from daemon.core.settings import Settings, TokenSetting

Read = Callable[..., Settings]
Problems = Callable[..., list[str]]


def test_tokens_and_the_lone_file_are_one_list(read: Read) -> None:
    found = read(
        "api: {token_file: /t, hosts: [Chaosd.Example], tokens: [{name: g, scope: read, file: /g},"
        " {name: o, scope: control, credential: ops}]}"
    ).api
    assert found.tokens == (
        TokenSetting(name="token", control=True, file="/t"),
        TokenSetting(name="g", control=False, file="/g"),
        TokenSetting(name="o", control=True, credential="ops"),
    )
    assert found.hosts == ("chaosd.example",)


@pytest.mark.parametrize(
    ("listen", "read_key", "is_open"),
    [
        ("127.0.0.1:1", "", True),
        ("'[::1]:1'", "", True),
        ("unix:/run/c.sock", "", True),
        ("0.0.0.0:1", "", False),
        ("10.0.0.1:1", ", read: open", True),
        ("127.0.0.1:1", ", read: token", False),
    ],
)
def test_reading_is_open_where_only_this_machine_looks(
    read: Read, listen: str, read_key: str, is_open: bool
) -> None:
    assert read(f"api: {{listen: {listen}, token_file: /t{read_key}}}").api.reading_is_open is is_open


@pytest.mark.parametrize(
    ("api", "says"),
    [
        ("tokens: [{name: a, scope: read}]", "expected exactly one of file, credential; found none"),
        ("tokens: [{name: a, scope: read, file: /a, credential: b}]", "found file and credential"),
        ("tokens: [{name: a, scope: admin, file: /a}]", "expected 'read' or 'control'"),
        ("tokens: [{name: a, scope: read, credential: ../../etc/shadow}]", "expected a name"),
        ("tokens: [{name: a, scope: read, file: a}]", "is no absolute path"),
        ("tokens: [{name: a, scope: read, file: /a}, {name: a, scope: read, file: /b}]", "the name is taken by"),
        ("token_file: /t, tokens: [{name: token, scope: read, file: /a}]", "the name is taken by api.token_file"),
        ("read: token", "nobody could read"),
        ("read: sometimes", "expected 'open' or 'token'"),
        ("hosts: ['http://x']", "is no host name"),
        ("listen: '0.0.0.0:1'", "others than this machine could reach it"),
    ],
)
def test_a_mistake_about_tokens_is_told(problems: Problems, api: str, says: str) -> None:
    assert any(says in line for line in problems(f"api: {{{api}}}"))
