"""``chaosd inject``: one fault, through the running daemon or with the same engine in this process."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from daemon.core.errors import UsageError
from daemon.core.model import Json
from daemon.core.moments import WITHIN_S, read
from daemon.faces.cli import complete
from daemon.faces.cli.session import Session, common
from daemon.faces.cli.types import DURATION, PLACE, SETTING, who

if TYPE_CHECKING:
    from daemon.engine.watchman import OnWatch

DEFAULT_S = 30.0


@click.command(short_help="Inject one fault, watch, undo, judge.")
@click.argument("fault", shell_complete=complete.faults)
@click.option(
    "--mode", shell_complete=complete.modes, help="The way it strikes; `chaosd faults show FAULT` lists them."
)
@click.option(
    "--target",
    shell_complete=complete.targets,
    help="A target of the configuration; not needed when there is only one.",
)
@click.option(
    "--repository",
    type=PLACE,
    shell_complete=complete.directories,
    metavar="PATH",
    help="A repository on this machine instead of a target.",
)
@click.option("--set", "settings", type=SETTING, multiple=True, metavar="K=V", help="A parameter of the fault.")
@click.option(
    "--object", "wanted", metavar="ID", help="The object a git fault strikes, or its kind; as --set object=."
)
@click.option("--for", "duration_s", type=DURATION, default=DEFAULT_S, metavar="30s", help="How long it stays.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Repeats the choices of an earlier injection.")
@click.option(
    "--scenario",
    shell_complete=complete.scenarios,
    metavar="NAME",
    help="Messages sent meanwhile, and judged; see `chaosd scenario list`.",
)
@click.option("--scenario-set", type=SETTING, multiple=True, metavar="K=V", help="A parameter of the scenario.")
@click.option("--strike", type=DURATION, metavar="2s", help="When the fault strikes, from the first message sent.")
@click.option(
    "--when",
    metavar="EVENT[:PATTERN]",
    help="Strike on an event: commit, push, index-lock, switch, stash, file:PATTERN, message, log:REGEX.",
)
@click.option("--within", type=DURATION, metavar="60s", help="How long the event is waited for.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, touch nothing.")
@click.option("--no-wait", is_flag=True, help="Print the id and leave the rest to the running daemon.")
@common
@click.pass_obj
def inject(session: Session, /, **words: Any) -> int:
    """Inject FAULT, watch the system, undo everything, and judge what was seen.

    Through the running daemon when there is one for the state directory, else with the same engine here.
    """
    asked = _asked(words)
    client = None if words["repository"] or words["dry_run"] else session.daemon()
    if client is not None:
        from daemon.faces.cli import remote

        return remote.inject(session, client, asked, wait=not words["no_wait"])
    if words["no_wait"]:
        raise UsageError("not injecting: --no-wait needs a running daemon", hint="start one with `chaosd run`")
    watchman = None if words["dry_run"] else on_watch(session)
    from daemon.faces.cli import standalone

    settings = standalone.settings(session, words["repository"])
    request = standalone.request(settings, asked, words["repository"])
    if words["dry_run"]:
        return standalone.dry_run(session, settings, request)
    return standalone.inject(session, settings, request, watchman)


def on_watch(session: Session) -> "OnWatch":
    """Start the guardian: now, because it is a copy of this process, and small while nothing else is imported."""
    from daemon.engine.watchman import OnWatch

    return OnWatch(session.state.path)


def _asked(words: Mapping[str, Any]) -> dict[str, Json]:
    """Return the request as the API takes it."""
    if words["target"] and words["repository"]:
        raise UsageError("not injecting: --target and --repository exclude each other")
    if words["dry_run"] and words["no_wait"]:
        raise UsageError("not injecting: --dry-run and --no-wait exclude each other")
    if words["scenario"] and words["repository"]:
        raise UsageError("not injecting: --scenario needs a --target with a queue, not a --repository")
    if not words["scenario"] and (words["scenario_set"] or words["strike"] is not None):
        raise UsageError("not injecting: --scenario-set and --strike need --scenario")
    if words["when"] is None and words["within"] is not None:
        raise UsageError("not injecting: --within needs --when")
    if words["when"] is not None and words["strike"] is not None:
        raise UsageError("not injecting: --when and --strike exclude each other")
    return {
        "fault": words["fault"],
        "target": words["target"],
        "parameters": _parameters(words),
        "duration_s": words["duration_s"],
        "seed": words["seed"],
        "by": who(),
        "workload": _workload(words),
        "when": _when(words),
    }


def _parameters(words: Mapping[str, Any]) -> dict[str, Json]:
    """Return what --set says, and the options that stand for a parameter."""
    parameters = dict(words["settings"])
    for name, word in (("mode", words["mode"]), ("object", words["wanted"])):
        if word is not None and parameters.setdefault(name, word) != word:
            raise UsageError(f"not injecting: --{name} and --set {name}= say different things")
    return parameters


def _when(words: Mapping[str, Any]) -> Json:
    """Return the event as the API takes it; raises UsageError for one that cannot be waited for."""
    if words["when"] is None:
        return None
    within_s = WITHIN_S if words["within"] is None else words["within"]
    found = read(words["when"], within_s)
    if found.problem:
        raise UsageError(f"not injecting: --when: {found.problem}", hint="see `chaosd inject --help`")
    return {"event": found.event, "matching": found.matching, "within": within_s}


def _workload(words: Mapping[str, Any]) -> Json:
    if not words["scenario"]:
        return None
    return {"scenario": words["scenario"], "set": dict(words["scenario_set"]), "strike": words["strike"]}
