"""`notify` and `grafana` in the file: what is read, and every mistake in its own words."""

from collections.abc import Callable

import pytest

from daemon.core.notices import News
from daemon.core.settings import DestinationSetting, GrafanaSetting, SecretSetting, Settings
from daemon.faces.heralds import _FORMS

Read = Callable[..., Settings]
Problems = Callable[..., list[str]]


TOKEN = "api: {{tokens: [{{name: o, scope: read, {}}}]}}"  # one of chaosd's own


def test_destinations_and_grafana_are_read(read: Read) -> None:
    found = read(
        "notify: [{name: chat, kind: slack, url_file: /u, on: [violated, undo-failed], timeout: 2s},"
        " {name: bus, kind: cloudevents, url: 'https://bus.example.com/in', token_credential: bus}]\n"
        "grafana: {url: 'http://127.0.0.1:3000', token_file: /g}"
    )
    assert found.notify == (
        DestinationSetting(
            name="chat",
            kind="slack",
            url=SecretSetting(file="/u"),
            on=("violated", "undo-failed"),
            timeout_s=2.0,
        ),
        DestinationSetting(
            name="bus",
            kind="cloudevents",
            url="https://bus.example.com/in",
            token=SecretSetting(credential="bus"),
        ),
    )
    assert found.grafana == GrafanaSetting(url="http://127.0.0.1:3000", token=SecretSetting(file="/g"))


def test_nobody_is_told_by_default(read: Read) -> None:
    assert read("version: 1").notify == ()
    assert read("version: 1").grafana is None


def test_every_kind_has_a_form_and_every_news_can_be_chosen(read: Read) -> None:
    for kind in _FORMS:
        for news in News:
            text = f"notify: [{{name: n, kind: {kind}, url: 'http://h/', on: [{news.value}]}}]"
            assert read(text).notify[0].on == (news.value,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "notify: [{name: a, kind: slack}]",
            "notify[0]: expected exactly one of url, url_file, url_credential; found none",
        ),
        (
            "notify: [{name: a, kind: slack, url: 'http://h', url_file: /u}]",
            "notify[0]: expected exactly one of url, url_file, url_credential; found url and url_file",
        ),
        (
            "notify: [{name: a, kind: pager, url: 'http://h'}]",
            "notify[0].kind: 'pager': expected",
        ),
        ("notify: [{name: a, kind: slack, url: 'h/x'}]", "notify[0].url: 'h/x' is no URL: write https://..."),
        (
            "notify: [{name: a, kind: slack, url: 'https://hooks.slack.com/services/T/B/x'}]",
            "notify[0].url: whoever reads it may write there, so put it into a file of mode 0600",
        ),
        (
            "notify: [{name: a, kind: webhook, url: 'https://me:pass@h/'}]",
            "notify[0].url: whoever reads it may write there, so put it into a file of mode 0600",
        ),
        (
            "notify: [{name: a, kind: slack, url: 'http://h', on: [recoverd]}]",
            "notify[0].on[0]: 'recoverd'",
        ),
        (
            "notify: [{name: a, kind: slack, url: 'http://h'}, {name: a, kind: slack, url: 'http://i'}]",
            "notify[1].name: 'a': the name is taken by notify[0]",
        ),
        (
            "notify: [{name: grafana, kind: slack, url: 'http://h'}]",
            "notify[0].name: 'grafana': the name is taken by grafana",
        ),
        (
            "notify: [{name: a, kind: slack, url: 'http://h', token_file: /t, token_credential: t}]",
            "notify[0]: give token_file or token_credential, not both",
        ),
        ("notify: [{name: a, kind: slack, url: 'http://h', ton: x}]", "notify[0].ton: unknown key"),
        ("grafana: {token_file: /t}", "grafana.url: is required"),
        (
            "api: {token_file: /t}\ngrafana: {url: 'http://h', token_file: /t}",
            "grafana: token_file lets into chaosd itself (api.token_file)",
        ),
        (
            f"{TOKEN.format('file: /t')}\nnotify: [{{name: a, kind: slack, url: 'http://h', token_file: /t}}]",
            "notify[0]: token_file lets into chaosd itself (api.tokens[0].file)",
        ),
        (
            f"{TOKEN.format('credential: t')}\ngrafana: {{url: 'http://h', token_credential: t}}",
            "grafana: token_credential lets into chaosd itself (api.tokens[0].credential)",
        ),
        ("api: {token_file: []}\ngrafana: {url: 'http://h', token_file: /t}", "api.token_file: "),
        (
            "grafana: {url: 'https://me:pass@h/'}",
            "grafana.url: whoever reads it may write there, so leave it out, and name a file with",
        ),
        (
            "grafana: {url: 'http://h', token_file: /t, token_credential: t}",
            "grafana: give token_file or token_credential, not both",
        ),
    ],
)
def test_one_mistake_is_one_line(problems: Problems, text: str, expected: str) -> None:
    (line,) = problems(text)
    assert line.partition(": ")[2].startswith(expected), line


def test_a_secret_address_is_not_printed_by_the_mistake(problems: Problems) -> None:
    (line,) = problems("notify: [{name: a, kind: slack, url: 'https://hooks.slack.com/services/T/B/x'}]")
    assert "services" not in line
