"""`proxy` in the file: what is read, and every mistake in its own words."""

from collections.abc import Callable

import pytest

from daemon.config.proxying import given
from daemon.core.addresses import Tcp
from daemon.core.errors import UsageError
from daemon.core.settings import ProxySetting, RelaySetting, Settings

Read = Callable[..., Settings]
RELAYS = "{relays: [{name: origin, listen: '127.0.0.1:7', upstream: 'h:2'}]}"
Problems = Callable[..., list[str]]


def test_a_proxy_with_all_its_keys(read: Read) -> None:
    found = read(
        "proxy: {start: false, listen: '0.0.0.0:4511', upstream: 'http://127.0.0.1:4566', services: [sqs, s3],"
        " secret_file: /s, relays: [{name: origin, listen: '127.0.0.1:9419', upstream: 'git.example.com:9418'}]}\n"
        "targets: {editor: {proxy: {aws: true, git: origin}}}"
    )
    relay = RelaySetting(name="origin", listen=Tcp(port=9419), upstream=Tcp(host="git.example.com", port=9418))
    assert found.proxy == ProxySetting(
        start=False,
        listen=Tcp(host="0.0.0.0", port=4511),  # noqa: S104 - that is the point
        upstream="http://127.0.0.1:4566",
        services=("sqs", "s3"),
        secret_file="/s",  # noqa: S106 - a path
        relays=(relay,),
    )


def test_what_is_left_out(read: Read) -> None:
    assert read("version: 1").proxy is None
    assert read("proxy: {}").proxy == ProxySetting()
    assert ProxySetting().listen == Tcp(host="127.0.0.1", port=4510)


def test_the_emulator_of_the_file_is_the_upstream_too(read: Read) -> None:
    found = read("aws: {endpoint_url: 'http://127.0.0.1:4566'}\nproxy: {}").proxy
    assert found is not None
    assert found.upstream == "http://127.0.0.1:4566"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("proxy: {listen: '0.0.0.0:4510'}", "proxy.listen: others than this machine could use our AWS rights"),
        ("proxy: {listen: 'unix:/s'}", "proxy.listen: 'unix:/s' is no TCP address"),
        ("proxy: {upstream: 'http://h/path'}", "proxy.upstream: 'http://h/path' has a path or a query"),
        ("proxy: {services: [ec2]}", "proxy.services[0]"),
        ("proxy: {relays: [{name: a, listen: '127.0.0.1:1', upstream: ':2'}]}", "is no address to connect to"),
        (
            "proxy: {relays: [{name: aws, listen: '127.0.0.1:1', upstream: 'h:2'}]}",
            "proxy.relays[0].name: the name is taken by the lane of AWS calls",
        ),
        (
            "proxy: {relays: [&a {name: a, listen: '127.0.0.1:1', upstream: 'h:2'}, *a]}",
            "proxy.relays[1].name: the name is taken by proxy.relays[0]",
        ),
        (
            "proxy: {listen: '127.0.0.1:7', relays: [{name: a, listen: '127.0.0.1:7', upstream: 'h:2'}]}",
            "proxy.relays[0].listen: the address is taken by proxy.listen",
        ),
        ("targets: {e: {proxy: {aws: true}}}", "targets.e.proxy: there is no fault proxy to go through"),
        (
            f"proxy: {RELAYS}\ntargets: {{e: {{proxy: {{git: orgin}}}}}}",
            "targets.e.proxy.git: unknown relay",
        ),
    ],
)
def test_mistakes(problems: Problems, text: str, expected: str) -> None:
    found = problems(text)
    where, _, what = expected.rpartition(": ")
    assert any(where in line and what in line for line in found), found


def test_flags_without_a_file() -> None:
    assert given("127.0.0.1:0", "http://127.0.0.1:9") == ProxySetting(
        listen=Tcp(port=0), upstream="http://127.0.0.1:9"
    )
    with pytest.raises(UsageError, match="no proxy was started: 'x' is no address"):
        given("x", None)
