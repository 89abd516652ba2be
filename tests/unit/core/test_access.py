"""Who may, without a server: every token compared in one way, hosts and origins."""

import hashlib
import hmac

import pytest

from daemon.core import access
from daemon.core.access import Keyring, Token, bearer, from_elsewhere, known_host


def token(name: str, secret: str, *, control: bool = True) -> Token:
    return Token(name=name, control=control, digest=hashlib.sha256(secret.encode()).digest())


@pytest.mark.parametrize("offered", ["first", "second", "third", "none of them", "", "x" * 100_000, "\udcff"])
def test_every_token_is_compared_whatever_is_offered(monkeypatch: pytest.MonkeyPatch, offered: str) -> None:
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    class Hmac:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(access, "hmac", Hmac)
    ring = Keyring([token(name, name) for name in ("first", "second", "third")])
    found = ring.find(offered)
    assert (found.name if found else None) == (offered if offered in ("first", "second", "third") else None)
    assert compared == [(32, 32)] * 3


def test_a_keyring_is_replaced_at_once_and_shows_no_secret() -> None:
    ring = Keyring([token("a", "old", control=False)])
    assert not ring.controls
    ring.replace([token("b", "new")])
    assert ring.controls
    assert ring.find("old") is None
    assert repr(ring.find("new")) == "Token('b', control=True)"


@pytest.mark.parametrize(
    ("header", "offered"),
    [
        ("Bearer x", "x"),
        ("bearer  x ", "x"),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic x", None),
        ("x", None),
        ("", None),
    ],
)
def test_only_a_bearer_token_is_one(header: str, offered: str | None) -> None:
    assert bearer(header) == offered


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("localhost", True),
        ("LOCALHOST:9876", True),
        ("localhost.", True),
        ("10.1.2.3:80", True),
        ("[::1]:80", True),
        ("[fe80::1]", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost:80:90", False),
        ("localhost@evil.example", False),
        ("[localhost]", False),
        ("", False),
        ("::1", False),
    ],
)
def test_a_name_must_be_known_and_an_address_need_not(header: str, known: bool) -> None:
    assert known_host(header, ("localhost",)) is known


@pytest.mark.parametrize(
    ("origin", "site", "elsewhere"),
    [
        (None, None, False),
        ("http://h:1", None, False),
        ("http://h:1", "same-origin", False),
        (None, "none", False),
        ("http://h:2", None, True),
        ("http://h", None, True),
        ("null", None, True),
        ("", None, True),
        (None, "cross-site", True),
        (None, "same-site", True),
        ("http://h:1", "cross-site", True),
        (None, "", True),
    ],
)
def test_a_page_from_elsewhere_is_known_by_what_the_browser_says(
    origin: str | None, site: str | None, elsewhere: bool
) -> None:
    assert from_elsewhere(origin, site, "h:1") is elsewhere
