"""The file's `notify` and `grafana`: who is told, where the secrets are, and what goes together."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field

from daemon.config.part import Part
from daemon.config.problems import Path, Problem, key_path
from daemon.config.scalars import Absolute, Interval, Name, Url, default
from daemon.core import settings
from daemon.core.notices import News

ADDRESSES = ("url", "url_file", "url_credential")
TOKENS = ("token_file", "token_credential")
ANNOTATIONS = "grafana"  # what the annotations are called among the destinations, in metrics and the log
_NEWS = tuple(news.value for news in News)
_SECRET_HOSTS = ("hooks.slack.com",)


class Destination(Part):
    """Who is told; exactly one of `url`, `url_file`, `url_credential`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in ADDRESSES]})
    name: Name = Field(description="what metrics and the log call it")
    kind: Literal["webhook", "slack", "cloudevents"] = Field(description="the form of what is sent")
    url: Url | None = Field(default=None, description="the address, when it holds no secret")
    url_file: Absolute | None = Field(default=None, description="file with the address, mode 0600")
    url_credential: Name | None = Field(default=None, description="systemd credential with the address")
    token_file: Absolute | None = Field(default=None, description="file with a bearer token, mode 0600")
    token_credential: Name | None = Field(default=None, description="systemd credential with a bearer token")
    on: tuple[Literal[_NEWS], ...] = Field(  # type: ignore[valid-type]  # each word stands once, in the core
        default=default(settings.DestinationSetting, "on"), description="what it is told of; unset: everything"
    )
    timeout: Interval = Field(default=default(settings.DestinationSetting, "timeout_s"), description="for one try")


class Grafana(Part):
    """Where faults are marked (`POST /api/annotations`).

    There is no `url_file`: unlike a webhook's, Grafana's address is no secret, what lets one write is the token.
    """

    url: Url = Field(description="the server, without /api")
    token_file: Absolute | None = Field(default=None, description="file with a service account's token, mode 0600")
    token_credential: Name | None = Field(default=None, description="systemd credential with that token")
    timeout: Interval = Field(default=default(settings.GrafanaSetting, "timeout_s"), description="for one try")


def destination(d: Destination) -> settings.DestinationSetting:
    """Return the frozen form."""
    return settings.DestinationSetting(
        name=d.name,
        kind=d.kind,
        url=d.url or settings.SecretSetting(file=d.url_file, credential=d.url_credential),
        token=_token(d),
        on=tuple(d.on),
        timeout_s=d.timeout,
    )


def grafana(g: Grafana) -> settings.GrafanaSetting:
    """Return the frozen form."""
    return settings.GrafanaSetting(url=g.url, token=_token(g), timeout_s=g.timeout)


def _token(part: Destination | Grafana) -> settings.SecretSetting | None:
    if part.token_file is None and part.token_credential is None:
        return None
    return settings.SecretSetting(file=part.token_file, credential=part.token_credential)


def problems_in_notify(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what does not fit together. Works on the plain data: mistakes of shape are somebody else's."""
    seen: dict[str, str] = {ANNOTATIONS: "grafana"}
    own = dict(_own_tokens(data.get("api")))
    found = data.get("notify")
    for i, entry in enumerate(found if isinstance(found, list) else []):
        if not isinstance(entry, Mapping):
            continue
        path: Path = ("notify", i)
        given = [key for key in ADDRESSES if key in entry]
        if len(given) != 1:
            text = f"expected exactly one of {', '.join(ADDRESSES)}; found {' and '.join(given) or 'none'}"
            yield Problem(path, text)
        yield from _one_token(path, entry, own)
        yield from _no_secret(
            (*path, "url"), entry.get("url"), "put it into a file of mode 0600 and name that in url_file"
        )
        name = entry.get("name")
        if isinstance(name, str):
            if name in seen:
                yield Problem((*path, "name"), f"the name is taken by {seen[name]}", name)
            seen.setdefault(name, key_path(path))
    if isinstance(data.get("grafana"), Mapping):
        yield from _one_token(("grafana",), data["grafana"], own)
        instead = "leave it out, and name a file with a service account's token in token_file"
        yield from _no_secret(("grafana", "url"), data["grafana"].get("url"), instead)


def _one_token(path: Path, entry: Mapping[str, Any], own: Mapping[tuple[str, str], str]) -> Iterator[Problem]:
    if all(key in entry for key in TOKENS):
        yield Problem(path, f"give {TOKENS[0]} or {TOKENS[1]}, not both")
    for key in TOKENS:
        value = entry.get(key)
        if isinstance(value, str) and (key, value) in own:
            text = (
                f"{key} lets into chaosd itself ({own[key, value]}) and would be sent to others: name one of theirs"
            )
            yield Problem(path, text)


def _own_tokens(api: object) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield where chaosd's own tokens are, in the words of a destination, and which key names them."""
    if not isinstance(api, Mapping):
        return
    tokens = api.get("tokens")
    named = [("token_file", api.get("token_file"), "api.token_file")]
    for i, entry in enumerate(tokens if isinstance(tokens, list) else []):
        if isinstance(entry, Mapping):
            named += [(f"token_{key}", entry.get(key), f"api.tokens[{i}].{key}") for key in ("file", "credential")]
    yield from (((key, value), where) for key, value, where in named if isinstance(value, str))


def _no_secret(path: Path, url: object, instead: str) -> Iterator[Problem]:
    """Refuse an address that is known to be a secret: this file is read, shown and kept by many."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        secret = parts is not None and (parts.username is not None or parts.hostname in _SECRET_HOSTS)
    except ValueError:
        return  # a mistake of shape
    if secret:
        yield Problem(path, f"whoever reads it may write there, so {instead}")
