"""Read the file, lay environment and flags over it, check it, freeze it, and say where each value came from."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as File
from typing import Any

from daemon.config.document import BYTES_MAX, Document, parse
from daemon.config.freeze import freeze
from daemon.config.overlay import lay_over
from daemon.config.problems import Path, Place, key_path, raise_for
from daemon.config.relations import Plugins, parameters_of, problems_in
from daemon.config.schema import Root
from daemon.config.shape import validate
from daemon.config.whereabouts import Discover, fill_in
from daemon.core.errors import ConfigError
from daemon.core.moments import read
from daemon.core.parameters import declared
from daemon.core.scenario import Parameters
from daemon.core.settings import Settings
from daemon.core.workloads import SCENARIOS

CronCheck = Callable[[str, str], object]


def _nowhere() -> None:
    """Run outside ECS."""


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """One value in force. ``origin`` is ``default``, ``FILE:LINE``, a variable's name, ``metadata`` or ``flag``.

    Durations are seconds, except those among a plug-in's parameters, which stand as they were written.
    """

    key: str
    value: object
    origin: str


def load(  # noqa: PLR0913  each is one source
    path: File,
    *,
    environment: Mapping[str, str],
    overrides: Mapping[str, object],
    faults: Mapping[str, type[Any]],
    probes: Mapping[str, type[Any]],
    check_cron: CronCheck | None = None,
    discover: Discover = _nowhere,
) -> Settings:
    """Return the checked settings; raises ConfigError that names every mistake with its line.

    ``overrides`` are flags: dotted key paths (``aws.region``) to values, None when not given. ``check_cron``
    takes expression and zone and raises ValueError. ``discover`` is asked where a target leaves out its service.
    """
    plugins = Plugins(faults=faults, probes=probes, check_cron=check_cron)
    root, _ = _read(path, environment, overrides, plugins, discover)
    return freeze(root)


def origins(  # noqa: PLR0913  each is one source
    path: File,
    *,
    environment: Mapping[str, str],
    overrides: Mapping[str, object],
    faults: Mapping[str, type[Any]],
    probes: Mapping[str, type[Any]],
    check_cron: CronCheck | None = None,
    discover: Discover = _nowhere,
) -> tuple[Origin, ...]:
    """Return every value in force with its origin, in the order of the schema; raises as ``load`` does."""
    plugins = Plugins(faults=faults, probes=probes, check_cron=check_cron)
    root, places = _read(path, environment, overrides, plugins, discover)
    data = _filled(root, freeze(root), plugins)
    return tuple(
        Origin(key_path(at), value, str(places[at]) if at in places else "default")
        for at, value in _leaves(data, ())
    )


def schema() -> dict[str, Any]:
    """Return the JSON schema of the file, for editors and for `chaosd config schema`."""
    found = Root.model_json_schema(by_alias=True)
    found.update({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "chaosd.yaml"})
    return found


def _read(
    path: File,
    environment: Mapping[str, str],
    overrides: Mapping[str, object],
    plugins: Plugins,
    discover: Discover,
) -> tuple[Root, dict[Path, Place]]:
    name = str(path)
    document = parse(_bytes(path), name)
    data = _mapping(document, name)
    places = {at: Place(name, line) for at, line in document.lines.items()}
    _spell_out(data, places)
    problems = [*document.problems, *lay_over(data, places, environment, overrides)]
    problems += fill_in(data, places, discover)
    root, found = validate(data)
    related = list(problems_in(data, plugins))
    known_better = {problem.path for problem in related}
    found = [p for p in found if p.path not in known_better or not p.text.startswith("unknown key")]
    raise_for([*problems, *found, *related], places, name)
    if root is None:
        raise AssertionError("a file without a mistake has a shape")
    return root, places


def _bytes(path: File) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:  # ValueError: a path that holds a NUL
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = "name another file with --config; `chaosd config init` writes a commented one"
        text = f"{path}: cannot be read: {why}"
        raise ConfigError("nothing was started: no configuration", problems=[text], hint=hint) from None


def _mapping(document: Document, name: str) -> dict[str, Any]:
    if not isinstance(document.data, dict):
        found = {type(None): "nothing", list: "a list"}.get(type(document.data), "a single value")
        text = f"{name}:1: expected a mapping of keys to values, found {found}"
        hint = "`chaosd config init` writes a commented file"
        raise ConfigError("nothing was started: the configuration cannot be used", problems=[text], hint=hint)
    data: dict[str, Any] = _given(document.data)
    if isinstance(document.data.get("targets"), dict):  # a target without parts is still a target
        data["targets"] = {k: _given(v) if v is not None else {} for k, v in document.data["targets"].items()}
    return data


def _spell_out(data: dict[str, Any], places: dict[Path, Place]) -> None:
    """Turn a workload's bare name, and an event's, into the mapping that it stands for; the name keeps its line."""
    found = data.get("experiments")
    for i, entry in enumerate(found if isinstance(found, list) else []):
        at: Path = ("experiments", i, "workload")
        if isinstance(entry, dict) and isinstance(entry.get("workload"), str):
            entry["workload"] = {"scenario": entry["workload"]}
            places[(*at, "scenario")] = places[at]
        at = ("experiments", i, "when")
        if isinstance(entry, dict) and isinstance(entry.get("when"), str):
            named = read(entry["when"])
            entry["when"] = {"event": named.event} | ({"matching": named.matching} if named.matching else {})
            places |= {(*at, key): places[at] for key in entry["when"]}


def _given(data: Any) -> Any:
    """Leave out what is null: a key without a value is a key not given, except among parameters."""
    if isinstance(data, list):
        return [_given(item) for item in data]
    if not isinstance(data, dict):
        return data
    return {k: v if k == "set" else _given(v) for k, v in data.items() if v is not None}


def _filled(root: Root, settings: Settings, plugins: Plugins) -> dict[str, Any]:
    """Return the file as data with the defaults that depend on other values, and those of the plug-ins."""
    data = root.model_dump(by_alias=True)
    data["sampling"]["probe_every"] = settings.sampling.probe_every_s
    for i, (entry, probe) in enumerate(zip(data["probes"], root.probes, strict=True)):
        _add_parameters(entry, ("probes", i), plugins.probes[probe.probe])
    for i, (entry, experiment) in enumerate(zip(data["experiments"], root.experiments, strict=True)):
        _add_parameters(entry, ("experiments", i), plugins.faults[experiment.fault])
        entry["timeout"] = settings.experiments[i].timeout_s
        if experiment.workload:
            scenario = SCENARIOS[experiment.workload.scenario]
            defaults = {name: spec.default for name, spec in declared(Parameters).items()}
            entry["workload"]["set"] = {**defaults, **scenario.parameters(experiment.workload.parameters)}
    return data


def _add_parameters(entry: dict[str, Any], path: Path, plugin: type[Any]) -> None:
    given = parameters_of(entry, path)
    defaults = {name: spec.default for name, spec in declared(plugin).items() if name not in given}
    entry["set"] = {**entry["set"], **defaults}


def _leaves(data: Any, path: Path) -> Iterator[tuple[Path, object]]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(data, list | tuple) and any(isinstance(item, Mapping) for item in data):
        for i, item in enumerate(data):
            yield from _leaves(item, (*path, i))
    else:
        yield path, data
