"""The file's `proxy`, what targets say of it, and what goes together."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from daemon.config.part import Part
from daemon.config.problems import Path, Problem, key_path
from daemon.config.scalars import Absolute, Name, Url, checked, default, read_address, write_address
from daemon.core import settings
from daemon.core import target as core
from daemon.core.addresses import Tcp
from daemon.core.errors import UsageError
from daemon.core.parameters import nearest
from daemon.core.proxying import AWS, SERVICES

_SERVICES = tuple(SERVICES)


def _tcp(text: str) -> Tcp:
    found = read_address(text)
    if not isinstance(found, Tcp):
        raise ValueError(f"{text!r} is no TCP address: write 127.0.0.1:4510")  # noqa: TRY004  pydantic's own kind
    return found


def _remote(text: str) -> Tcp:
    found = _tcp(text)
    if found.port == 0 or text.startswith(":"):
        raise ValueError(f"{text!r} is no address to connect to: write HOST:PORT")
    return found


def _base(text: str) -> str:
    """Take a URL that is an address and nothing else: paths and queries are the client's."""
    if "?" in text or "#" in text or text.split("://", 1)[1].rstrip("/").count("/"):
        raise ValueError(f"{text!r} has a path or a query: write it without, like http://127.0.0.1:4566")
    return text


Address = Annotated[str, checked(_tcp)]
Remote = Annotated[str, checked(_remote)]


class Relay(Part):
    """A TCP relay in front of a git remote."""

    name: Name = Field(description="what targets and faults call it")
    listen: Address = Field(description="HOST:PORT of this machine that the worker's remote points at")
    upstream: Remote = Field(description="HOST:PORT of the real remote")


class Proxy(Part):
    """The fault proxy: the worker's AWS calls and git remotes go through it."""

    start: bool = Field(
        default=default(settings.ProxySetting, "start"),
        description="whether the daemon starts it; false: a unit or container of its own does",
    )
    listen: Address = Field(
        default=write_address(default(settings.ProxySetting, "listen")),
        description="HOST:PORT for AWS calls; not loopback needs secret_file",
    )
    upstream: Annotated[Url, AfterValidator(_base)] | None = Field(
        default=default(settings.ProxySetting, "upstream"),
        description="where AWS calls go; unset: aws.endpoint_url, else AWS",
    )
    services: tuple[Literal[_SERVICES], ...] = Field(  # type: ignore[valid-type]  # each stands once, in the core
        default=default(settings.ProxySetting, "services"), description="what it forwards; unset: all it knows"
    )
    secret_file: Absolute | None = Field(
        default=default(settings.ProxySetting, "secret_file"),
        description="file with a word that must begin every path, mode 0600",
    )
    relays: tuple[Relay, ...] = ()


class Routes(Part):
    """What of the worker's traffic goes through the fault proxy (`proxy`)."""

    aws: bool = Field(default=default(core.Routes, "aws"), description="its AWS calls (AWS_ENDPOINT_URL_*)")
    git: Name | None = Field(default=None, description="its git remote, by the name of one of proxy.relays")


def proxy(p: Proxy, endpoint_url: str | None) -> settings.ProxySetting:
    """Return the frozen form."""
    return settings.ProxySetting(
        start=p.start,
        listen=_tcp(p.listen),
        upstream=p.upstream or endpoint_url,
        services=tuple(p.services),
        secret_file=p.secret_file,
        relays=tuple(_relay(r) for r in p.relays),
    )


def given(listen: str | None, upstream: str | None) -> settings.ProxySetting:
    """Return the setting that two flags make without a file; raises UsageError for one that is no address."""
    words = {name: value for name, value in {"listen": listen, "upstream": upstream}.items() if value is not None}
    try:
        return proxy(Proxy.model_validate(words), None)
    except ValidationError as error:
        text = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise UsageError(f"no proxy was started: {text}") from error


def _relay(r: Relay) -> settings.RelaySetting:
    return settings.RelaySetting(name=r.name, listen=_tcp(r.listen), upstream=_remote(r.upstream))


def problems_in_proxy(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what does not fit together. Works on the plain data: mistakes of shape are somebody else's."""
    found = data.get("proxy")
    given = found if isinstance(found, Mapping) else {}
    relays = given.get("relays")
    entries = [r for r in relays if isinstance(r, Mapping)] if isinstance(relays, list) else []
    yield from _names(entries)
    yield from _addresses(given, entries)
    targets = data.get("targets")
    for name, target in (targets if isinstance(targets, Mapping) else {}).items():
        routes = target.get("proxy") if isinstance(target, Mapping) else None
        if isinstance(routes, Mapping):
            known = [r["name"] for r in entries if isinstance(r.get("name"), str)]
            yield from _routes(("targets", name, "proxy"), routes, known, there=isinstance(found, Mapping))


def _names(entries: list[Mapping[str, Any]]) -> Iterator[Problem]:
    seen: dict[str, str] = {AWS: "the lane of AWS calls"}
    for i, entry in enumerate(entries):
        name, path = entry.get("name"), ("proxy", "relays", i)
        if isinstance(name, str):
            if name in seen:
                yield Problem((*path, "name"), f"the name is taken by {seen[name]}", name)
            seen.setdefault(name, key_path(path))


def _addresses(given: Mapping[str, Any], entries: list[Mapping[str, Any]]) -> Iterator[Problem]:
    fields: list[tuple[Path, object]] = [(("proxy", "listen"), given.get("listen"))]
    fields += [(("proxy", "relays", i, "listen"), entry.get("listen")) for i, entry in enumerate(entries)]
    seen: dict[Tcp, Path] = {}
    for path, text in fields:
        try:
            at = _tcp(text) if isinstance(text, str) else None
        except ValueError:
            continue  # a mistake of shape
        if at is None:
            continue
        if path == ("proxy", "listen") and not at.loopback and not given.get("secret_file"):
            why = "others than this machine could use our AWS rights: set secret_file, or listen on 127.0.0.1"
            yield Problem(path, why, text)
        if at.port and at in seen:
            yield Problem(path, f"the address is taken by {key_path(seen[at])}", text)
        seen.setdefault(at, path)


def _routes(path: Path, routes: Mapping[str, Any], relays: list[str], *, there: bool) -> Iterator[Problem]:
    git = routes.get("git")
    if not there and (git is not None or routes.get("aws")):
        yield Problem(path, "there is no fault proxy to go through: give the file a proxy")
    elif isinstance(git, str) and git not in relays:
        yield Problem((*path, "git"), f"unknown relay{nearest(git, tuple(relays))}", git)
