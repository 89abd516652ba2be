"""``chaosd scenario``: the workloads with their expectations, and running them."""

from typing import TYPE_CHECKING, Any

import click

from daemon.core.errors import UsageError
from daemon.faces.cli import complete
from daemon.faces.cli.gitcases import git
from daemon.faces.cli.group import Suggesting
from daemon.faces.cli.session import Session, common, output_option
from daemon.faces.cli.text import number, pairs, seconds, write_json
from daemon.faces.cli.types import SETTING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.core.scenario import Parameters, Scenario
    from daemon.core.settings import Settings
    from daemon.core.target import Target

ALL = "all"
SHOWN_MOST = 3  # pieces of evidence for one invariant; all of them are in the JSON
LONG = frozenset({"soak"})  # half an hour: only by name


@click.group(cls=Suggesting, short_help="Workloads with their checks.")
def scenario() -> None:
    """Send a known workload, follow every message to the end, and check twelve invariants from outside."""


scenario.add_command(git)


@scenario.command("list")
@output_option
@click.pass_obj
def list_scenarios(session: Session) -> int:
    """List the scenarios with what they expect."""
    from daemon.core.gittable import GIT_SCENARIOS
    from daemon.core.workloads import SCENARIOS
    from daemon.faces import courses, gitcourses

    found = [courses.scenario(s) for s in SCENARIOS.values()]
    cases = [gitcourses.scenario(s) for s in GIT_SCENARIOS.values()]
    if session.json:
        write_json({"scenarios": found, "git_scenarios": cases})
        return 0
    from daemon.faces.cli import tables

    rows = [
        [s["name"], s["summary"], "\n".join(s["expects"]), pairs(SCENARIOS[s["name"]].defaults) or "-"]
        for s in found
    ]
    tables.show(tables.table([tables.Column("scenario", whole=True), "what is sent", "expects", "defaults"], rows))
    rows = [[s["name"], s["summary"], "\n".join(s["expects"]), "\n".join(s["cases"])] for s in cases]
    name, case = tables.Column("git scenario", whole=True), tables.Column("cases", whole=True)
    tables.show(tables.table([name, "the situation", "expects", case], rows))
    return 0


@scenario.command("run")
@click.argument("names", nargs=-1, required=True, metavar="NAME...|all", shell_complete=complete.scenarios)
@click.option(
    "--target",
    shell_complete=complete.targets,
    help="A target of the configuration; not needed when there is only one.",
)
@click.option("--set", "settings", type=SETTING, multiple=True, metavar="K=V", help="A parameter of the scenario.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Repeats the choices of an earlier run.")
@common
@click.pass_obj
def run(session: Session, /, **words: Any) -> int:
    """Run scenarios NAME..., one after the other; `all` is all but the soak.

    Exit 0 when every check held, 1 when one is violated or cannot be told.
    """
    from daemon.faces.cli import workload

    settings = session.settings()
    chosen = _chosen(words["names"])
    ordered = [(one, _parameters(one, dict(words["settings"]))) for one in chosen]
    return workload.run(session, settings, _target(settings, words["target"]), ordered, words["seed"])


def _chosen(names: "Sequence[str]") -> "list[Scenario]":
    from daemon.core.gittable import GIT_SCENARIOS
    from daemon.core.parameters import nearest
    from daemon.core.workloads import SCENARIOS

    for name in names:
        if name in GIT_SCENARIOS:
            raise UsageError(
                f"nothing was sent: {name} is a git scenario", hint=f"`chaosd scenario git {name} --worker ...`"
            )
        if name not in SCENARIOS and name != ALL:
            raise UsageError(
                f"nothing was sent: unknown scenario {name!r}{nearest(name, dict(SCENARIOS))}",
                hint="see `chaosd scenario list`",
            )
    if ALL in names:
        return [s for s in SCENARIOS.values() if s.name not in LONG or s.name in names]
    return [SCENARIOS[name] for name in names]


def _parameters(one: "Scenario", given: "Mapping[str, object]") -> "Parameters":
    from daemon.core.errors import ConfigError
    from daemon.core.parameters import build
    from daemon.core.scenario import Parameters

    try:
        return build(Parameters, one.parameters(given), where=f"scenario {one.name}")
    except ConfigError as error:
        raise UsageError(error.message, hint="see `chaosd scenario list -o json`") from error


def _target(settings: "Settings", named: str | None) -> "Target":
    from daemon.core.parameters import nearest

    able = {n: t for n, t in settings.targets.items() if t.queue is not None and t.repository is not None}
    if named is None and len(able) == 1:
        return next(iter(able.values()))
    if named is None:
        raise UsageError(
            "nothing was sent: which target? give --target NAME",
            hint=f"with a queue and a repository: {', '.join(sorted(able)) or 'none is configured'}",
        )
    if named not in settings.targets:
        raise UsageError(f"nothing was sent: unknown target {named!r}{nearest(named, dict(settings.targets))}")
    return settings.targets[named]


def described(document: "Mapping[str, Any]") -> "list[Any]":
    """Return what people see of one run: expectations, messages, invariants with evidence, key figures."""
    verdict = "passed" if document["passed"] else "stopped" if document["stopped"] else "not passed"
    took = f"{seconds(document['took'])}, seed {document['seed']}"
    title = f"{document['name']} on {document['target']}: {verdict}, {took}"
    expects = [f"  expects: {sentence}" for sentence in document["expects"]]
    shown: list[Any] = ["\n".join([title, *expects]), _messages(document["messages"])]
    if document["invariants"]:
        shown += [_invariants(document), _kpis(document["kpi"])]
    if document["not_checked"]:
        left = ", ".join(f"{n['invariant']} ({n['reason']})" for n in document["not_checked"])
        shown.append(f"not checked: {left}")
    if not document["settled"] and not document["stopped"]:
        shown.append("it was still moving at the longest wait (--set most=...)")
    return shown


def _messages(found: "Sequence[Mapping[str, Any]]") -> Any:
    from daemon.faces.cli import tables

    rows = [
        [
            m["command"],
            m["kind"],
            m["branch"] or "-",
            m["sent_at"][11:23],
            (m["committed_at"] or "-")[11:19] or "-",
            *(_at(m[stage]) for stage in ("pushed", "deployed", "answered")),
            m["refused"] or m["answer"] or "-",
        ]
        for m in found
    ]
    heads = ("kind", "branch", "sent", "committed", "pushed", "deployed", "answered", "answer")
    return tables.table([tables.Column("message", whole=True), *heads], rows)


def _at(after_s: float | None) -> str:
    return "-" if after_s is None else f"+{seconds(after_s)}"


def _invariants(document: "Mapping[str, Any]") -> Any:
    from daemon.faces.cli import tables

    evidence: dict[str, list[str]] = {}
    for v in document["violations"]:
        see = v["evidence"].get("see")
        evidence.setdefault(v["invariant"], []).append(v["evidence"]["detail"] + (f"\n  {see}" if see else ""))
    for said in evidence.values():
        if len(said) > SHOWN_MOST:
            said[SHOWN_MOST:] = [f"and {len(said) - SHOWN_MOST} more (-o json)"]
    rows = [
        [i["name"], i["standing"], "\n".join(evidence.get(i["name"], [i["reason"] or i["summary"]]))]
        for i in document["invariants"]
    ]
    return tables.table(
        [tables.Column("invariant", whole=True), tables.Column("standing", whole=True), "evidence"], rows
    )


def _kpis(found: "Mapping[str, Mapping[str, Any]]") -> Any:
    from daemon.faces.cli import tables

    rows = [
        [
            name,
            "unknown" if k["value"] is None else _value(k),
            k["goal"] or "-",
            {None: "-", True: "met", False: "missed"}[k["met"]],
            k["note"] or "-",
        ]
        for name, k in found.items()
    ]
    return tables.table([tables.Column("key figure", whole=True), "measured", "goal", "goal is", "note"], rows)


def _value(figure: "Mapping[str, Any]") -> str:
    if figure["goal"] == "yes":
        return "yes" if figure["value"] else "no"
    return f"{number(figure['value'])} {figure['unit']}".rstrip()
