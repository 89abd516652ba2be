"""What the parts of the file say about one another: names that must exist, parameters that must fit.

Works on the plain data, so that these mistakes are found together with those of shape.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from daemon.config.guard_relations import problems_in_guard
from daemon.config.notifying import problems_in_notify
from daemon.config.problems import NOTHING, Path, Problem, key_path
from daemon.config.proxying import problems_in_proxy
from daemon.config.scalars import LONE_TOKEN, read_address
from daemon.config.schema import TRIGGERS
from daemon.config.shape import keys_at
from daemon.config.whens import problems_in_when
from daemon.core.addresses import Tcp
from daemon.core.calendar import zone
from daemon.core.errors import ConfigError
from daemon.core.model import Resource
from daemon.core.parameters import build, declared, nearest
from daemon.core.scenario import Parameters
from daemon.core.workloads import SCENARIOS

Data: TypeAlias = Mapping[str, Any]
# PROCESS and DISK are absent: such faults may be told where by their own parameters.
_TOUCHED = {
    Resource.ECS: ("ecs",),
    Resource.QUEUE: ("queue",),
    Resource.REPOSITORY: ("repository",),
    Resource.NETWORK: ("network",),
    Resource.AWS_API: ("proxy.aws",),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """What is installed, by name. ``check_cron`` takes expression and zone and raises ValueError."""

    faults: Mapping[str, type[Any]]
    probes: Mapping[str, type[Any]]
    check_cron: Callable[[str, str], object] | None = None


def problems_in(data: Data, plugins: Plugins) -> Iterator[Problem]:
    """Yield what does not fit together."""
    targets = _mapping(data.get("targets"))
    yield from _processes(targets)
    yield from _entries(data, "probe", plugins.probes, targets)
    yield from _entries(data, "fault", plugins.faults, targets)
    for path, entry in _list(data, "experiments"):
        yield from _trigger(path, entry, plugins.check_cron)
        yield from _workload(path, entry, targets)
        yield from problems_in_when(path, entry, targets)
    probes = {e["name"]: e.get("target") for _, e in _list(data, "probes") if isinstance(e.get("name"), str)}
    yield from _steady_state(data, targets, probes)
    yield from problems_in_guard(_mapping(data.get("guard")), probes)
    yield from _api(_mapping(data.get("api")))
    yield from problems_in_notify(data)
    yield from problems_in_proxy(data)


def parameters_of(entry: Data, path: Path) -> dict[str, tuple[Any, Path]]:
    """Return the parameters of a probe or experiment and where each stands: under ``set`` or beside it."""
    known = keys_at(path)
    inside = _mapping(entry.get("set"))
    beside = {k: (v, (*path, k)) for k, v in entry.items() if k not in known}
    return beside | {k: (v, (*path, "set", k)) for k, v in inside.items()}


def _mapping(value: object) -> Data:
    return value if isinstance(value, Mapping) else {}


def _list(data: Data, key: str) -> Iterator[tuple[Path, Data]]:
    """Yield the entries of a list that are mappings; the others are mistakes of shape."""
    found = data.get(key)
    for i, entry in enumerate(found if isinstance(found, list) else []):
        if isinstance(entry, Mapping):
            yield (key, i), entry


def _known(path: Path, name: object, known: Data, what: str) -> Iterator[Problem]:
    if isinstance(name, str) and name not in known:
        yield Problem(path, f"unknown {what}{nearest(name, known)}", name)


def _entries(data: Data, kind: str, plugins: Mapping[str, type[Any]], targets: Data) -> Iterator[Problem]:
    seen: dict[str, Path] = {}
    for path, entry in _list(data, "probes" if kind == "probe" else "experiments"):
        name, word = entry.get("name"), entry.get(kind)
        if isinstance(name, str):
            if name in seen:
                yield Problem((*path, "name"), f"the name is taken by {key_path(seen[name])}", name)
            seen.setdefault(name, path)
        yield from _known((*path, "target"), entry.get("target"), targets, "target")
        yield from _known((*path, kind), word, plugins, kind)
        if isinstance(word, str) and word in plugins:
            yield from _parameters(plugins[word], entry, path)
            yield from _needs(plugins[word], entry, path, targets)


def _parameters(plugin: type[Any], entry: Data, path: Path) -> Iterator[Problem]:
    found, accepted = parameters_of(entry, path), declared(plugin)
    if "experiments" in path:  # there parameters stand under `set` only
        for name in (n for n, (_, at) in found.items() if "set" not in at and n in accepted):
            yield Problem((*path, name), f"is a parameter of {entry['fault']}: write it under set")
        found = {k: (v, at) for k, (v, at) in found.items() if "set" in at}
    for name, (_, at) in found.items():
        if name in accepted:
            continue
        beside = "set" not in at
        text = "unknown key" if beside else "unknown parameter"
        yield Problem(at, f"{text}{nearest(name, (*(keys_at(path) if beside else ()), *accepted))}")
    for name in _mapping(entry.get("set")):
        if name in entry and name not in keys_at(path):
            yield Problem((*path, name), "is given twice, here and under set")
    yield from _values(plugin, {k: v for k, v in found.items() if k in accepted}, path)


def _values(plugin: type[Any], found: Mapping[str, tuple[Any, Path]], path: Path) -> Iterator[Problem]:
    try:
        made = build(plugin, {k: v for k, (v, _) in found.items()}, where=key_path(path))
    except ConfigError as error:
        for line in error.problems:
            name, colon, text = line.partition(": ")
            if colon and name in found:
                yield Problem(found[name][1], text, found[name][0])
            elif colon and name in declared(plugin):
                yield Problem((*path, name), text)
            else:  # a rule over several parameters
                yield Problem(path, line)
    except (TypeError, OverflowError) as error:  # a value no conversion foresaw, in a third party's plug-in
        yield Problem(path, f"the parameters do not fit: {error}")
    else:
        modes = tuple(m.name for m in getattr(plugin, "modes", ()))
        mode = getattr(made, "mode", None)
        if modes and "mode" in found and mode not in modes:
            yield Problem(found["mode"][1], f"unknown mode{nearest(str(mode), modes)}", mode)


def _needs(plugin: type[Any], entry: Data, path: Path, targets: Data) -> Iterator[Problem]:
    """Compare what the plug-in needs (``needs``, else what it touches) with what its target has."""
    name = entry.get("target")
    if not isinstance(name, str) or not isinstance(targets.get(name), Mapping):
        return
    needs: tuple[str, ...] = getattr(plugin, "needs", None) or _TOUCHED.get(getattr(plugin, "touches", None), ())  # type: ignore[arg-type]
    for part in needs:
        if not _given(targets[name], part):
            kind = entry.get("fault") or entry.get("probe")
            yield Problem((*path, "target"), f"{kind} needs targets.{name}.{part}, which is not given", name)


def _given(target: Data, part: str) -> bool:
    """Tell whether a target has a part; of a part of a part (``proxy.aws``), whether it says so."""
    whole, dot, detail = part.partition(".")
    return bool(_mapping(target.get(whole)).get(detail)) if dot else whole in target


def _workload(path: Path, entry: Data, targets: Data) -> Iterator[Problem]:
    given, here = entry.get("workload"), (*path, "workload")
    if not isinstance(given, Mapping):
        return
    yield from _known((*here, "scenario"), given.get("scenario"), SCENARIOS, "scenario")
    found = {k: (v, (*here, "set", k)) for k, v in _mapping(given.get("set")).items()}
    accepted = declared(Parameters)
    for name in (n for n in found if n not in accepted):
        yield Problem((*here, "set", name), f"unknown parameter{nearest(str(name), accepted)}")
    yield from _values(Parameters, {k: v for k, v in found.items() if k in accepted}, here)
    target = entry.get("target")
    if isinstance(target, str) and isinstance(targets.get(target), Mapping):
        for part in ("queue", "repository"):
            if part not in targets[target]:
                text = f"a workload needs targets.{target}.{part}, which is not given"
                yield Problem((*path, "target"), text, target)


def _trigger(path: Path, entry: Data, check_cron: Callable[[str, str], object] | None) -> Iterator[Problem]:
    given = [key for key in TRIGGERS if key in entry]
    if len(given) != 1:
        found = "none" if not given else " and ".join(given)
        yield Problem(path, f"expected exactly one of {', '.join(TRIGGERS)}; found {found}")
    if "first_after" in entry and "every" not in entry:
        yield Problem((*path, "first_after"), "only every has a first start of its own", entry["first_after"])
    expression, where = entry.get("cron"), entry.get("timezone", "UTC")
    if "timezone" in entry and "cron" not in entry:
        yield Problem((*path, "timezone"), "only cron has a time zone", where)
    if check_cron and isinstance(expression, str) and isinstance(where, str):
        try:
            zone(where)
        except ValueError:
            return  # a mistake of shape
        try:
            check_cron(expression, where)
        except ValueError as error:
            yield Problem((*path, "cron"), str(error), expression)


def _steady_state(data: Data, targets: Data, probes: Data) -> Iterator[Problem]:
    for target, names in _mapping(data.get("steady_state")).items():
        path: Path = ("steady_state", target)
        if target not in targets:
            yield from _known(path, target, targets, "target")
            continue
        for i, name in enumerate(names if isinstance(names, list) else []):
            yield from _known((*path, i), name, probes, "probe")
            owner = probes.get(name) if isinstance(name, str) else target
            if (
                owner != target and isinstance(owner, str) and owner in targets
            ):  # else its own target is the mistake
                yield Problem((*path, i), f"is a probe of target {owner!r}, not of {target!r}", name)


def _processes(targets: Data) -> Iterator[Problem]:
    for name, target in targets.items():
        given = _mapping(target).get("processes")
        if isinstance(given, Mapping) and not given:
            yield Problem(("targets", name, "processes"), "expected match, pid_file or port")


def _api(api: Data) -> Iterator[Problem]:
    yield from _tokens(api)
    if api.get("read") == "token" and not _has_tokens(api):
        yield Problem(("api", "read"), "nobody could read: set api.tokens", "token")
    address = api.get("listen")
    try:
        where = read_address(address) if isinstance(address, str) else None
    except ValueError:
        return  # a mistake of shape
    if isinstance(where, Tcp) and not where.loopback and not _has_tokens(api):
        text = "others than this machine could reach it: set api.token_file, or listen on 127.0.0.1"
        yield Problem(("api", "listen"), text, NOTHING if address is None else address)


def _has_tokens(api: Data) -> bool:
    return bool(api.get("token_file") or api.get("tokens"))


def _tokens(api: Data) -> Iterator[Problem]:
    seen = {LONE_TOKEN: "api.token_file"} if api.get("token_file") else {}
    for path, entry in _list(api, "tokens"):
        at, name = ("api", *path), entry.get("name")
        given = [key for key in ("file", "credential") if entry.get(key) is not None]
        if len(given) != 1:
            yield Problem(at, f"expected exactly one of file, credential; found {' and '.join(given) or 'none'}")
        if isinstance(name, str):
            if name in seen:
                yield Problem((*at, "name"), f"the name is taken by {seen[name]}", name)
            seen.setdefault(name, key_path(at))
