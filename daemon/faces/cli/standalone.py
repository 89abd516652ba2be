"""The engine in this process: for ``--repository``, and where no daemon runs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from daemon import wiring
from daemon.core import guard
from daemon.core.errors import BusyError, ChaosdError, ConfigError, NotNowError, RefusedError, UsageError
from daemon.core.events import Injection, State, Verdict
from daemon.core.moments import moment
from daemon.core.parameters import build, nearest
from daemon.core.plan import Request, aimed, workload
from daemon.core.settings import Settings, WorkloadSetting
from daemon.engine.facts import HALT
from daemon.engine.reverter import Recovered
from daemon.engine.watchman import OnWatch
from daemon.faces import shapes
from daemon.faces.cli.audit import note
from daemon.faces.cli.progress import Follower, Line
from daemon.faces.cli.session import Session
from daemon.faces.cli.signals import Caught, noted
from daemon.faces.cli.summary import show
from daemon.faces.cli.text import write_json
from daemon.faces.cli.undo import waiting
from daemon.ports.state import StateDirectory

POLL_S = 0.1


def settings(session: Session, repository: str | None) -> Settings:
    """Return what is in force: the ad-hoc settings for a path, the configuration, or both."""
    if repository is None:
        return session.settings()
    return with_repository(session, repository)


def with_repository(session: Session, repository: str) -> Settings:
    """Return the ad-hoc settings; a configuration that was named stays in force with its rules and allow-list."""
    path = str(Path(repository).absolute())
    alone = wiring.ad_hoc(path)
    if session.named_config is None:
        return alone
    configured = session.settings()
    if wiring.AD_HOC in configured.targets:
        raise UsageError(
            f"not injecting: the configuration has a target named {wiring.AD_HOC!r} itself",
            hint=f"use --target {wiring.AD_HOC}, or --repository without --config",
        )
    allow = configured.guard.allow
    if allow.repositories is None:  # then it means: what it names as targets, nothing else
        named = (p for t in configured.targets.values() if t.repository for p in t.repository.worktree)
        allow = replace(allow, repositories=tuple(named))
    return replace(
        configured,
        targets={**configured.targets, **alone.targets},
        probes=(*(p for p in configured.probes if p.name != alone.probes[0].name), *alone.probes),
        steady_state={**configured.steady_state, **alone.steady_state},
        guard=replace(configured.guard, allow=allow),
    )


def request(settings: Settings, asked: Mapping[str, Any], repository: str | None) -> Request:
    """Return the engine's request; raises UsageError for what no engine could understand."""
    kinds = wiring.faults()
    kind = kinds.get(asked["fault"])
    if kind is None:
        raise UsageError(
            f"not injecting: unknown fault {asked['fault']!r}{nearest(asked['fault'], dict(kinds))}",
            hint="see `chaosd faults list`",
        )
    try:
        build(kind, asked["parameters"], where=asked["fault"])
    except ConfigError as error:
        # The same words as for the file, but here they were typed: wrong usage, not a wrong configuration.
        raise UsageError(error.message, hint=f"see `chaosd faults show {asked['fault']}`") from error
    return Request(
        fault=asked["fault"],
        target=_target(settings, asked["target"], repository),
        parameters=asked["parameters"],
        duration_s=asked["duration_s"],
        origin="cli",
        by=asked["by"],
        seed=asked["seed"],
        workload=_workload(asked["workload"]),
        when=moment(asked.get("when")),
    )


def _workload(asked: Any) -> WorkloadSetting | None:
    setting = workload(asked)
    if setting is not None:
        from daemon.core.workloads import chosen

        try:
            chosen(setting.scenario, setting.parameters)
        except ConfigError as error:
            raise UsageError(error.message, hint="see `chaosd scenario list -o json`") from error
    return setting


def _target(settings: Settings, named: str | None, repository: str | None) -> str:
    if repository is not None:
        return wiring.AD_HOC
    found = aimed(named, settings.targets)
    if found not in settings.targets:
        raise UsageError(f"not injecting: unknown target {found!r}{nearest(found, tuple(settings.targets))}")
    return found


def owned(session: Session) -> StateDirectory:
    """Return the state directory to work in; raises BusyError, with the way out, when a daemon works there."""
    state = session.state
    if session.daemon() is not None:
        raise BusyError(
            f"nothing was done: a daemon works in {state.path} and injects into its own targets only",
            hint="name one of them with --target, or use another --state-dir",
        )
    return state


def dry_run(session: Session, settings: Settings, asked: Request) -> int:
    """Print what injecting would do; leaves no trace, not even a journal."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="chaosd-") as scratch:
        # The journal in force says what is halted and active; where there is none, an empty one serves.
        state = session.state if session.state.journal.exists() else StateDirectory(Path(scratch)).make()
        station = wiring.station(settings, state)
        try:
            undo = station.injector.preview(asked)
        finally:
            station.close()
    document = shapes.preview(asked.fault, asked.target, asked.seed, undo)
    if session.json:
        write_json(document)
    else:
        from daemon.faces.cli.summary import preview

        click.echo(preview(document))
    return 0


def inject(session: Session, settings: Settings, asked: Request, watchman: OnWatch | None) -> int:
    """Undo what an earlier run left, carry out one injection to its verdict, print it, return the exit code."""
    line = Line()
    with noted(halting=True) as caught, owned(session) as state:
        note(session, "inject", f"{asked.fault} on {asked.target}")
        follower = Follower(line)
        audience = replace(waiting(), listeners=(follower,), runs=(follower.ran,), watchman=watchman)
        station = wiring.station(settings, state, audience)
        try:
            tell_recovered(station.control.recover())
            look_first(station, asked)
            found = carry_out(station, asked, caught)
        finally:
            line.end()
            station.close()
    return show(session, shapes.injection(found), exit_code(found, caught))


def look_first(station: wiring.Station, asked: Request) -> None:
    """Raise at once for what cannot be hit at all, instead of waiting for its steady state first.

    What the guard's rules refuse is left to the engine, which journals it. What is not there at this moment is no
    mistake where another one is waited for.
    """
    try:
        station.injector.preview(asked)
    except NotNowError:
        if asked.when is None:
            raise
    except RefusedError as error:
        if error.rule not in guard.RULES:
            raise


def carry_out(station: wiring.Station, asked: Request, caught: Caught) -> Injection:
    """Carry out one injection in a thread; the first signal aborts it. Raises what ended it before a verdict."""
    if caught.numbers:
        error = ChaosdError(f"nothing was injected: {caught.reason}")
        error.exit_code = caught.exit_code(error.exit_code)
        raise error
    # In a thread of its own, so that a signal never meets the engine in the middle of a step.
    run = station.control.start(asked)
    while not run.done.wait(POLL_S):
        if caught.halted and station.journal.noted(HALT) is None:
            station.control.halt("SIGUSR1 received")
        if caught.numbers:
            station.control.stop_all(caught.reason)
    return run.outcome()


def exit_code(found: Injection, caught: Caught) -> int:
    """Return the exit code of a finished injection: residue first, then the signal, then the verdict."""
    verdict = found.judgement.verdict if found.judgement else Verdict.INCONCLUSIVE
    code = shapes.EXIT_OF[verdict]
    return code if verdict is Verdict.UNDO_FAILED else caught.exit_code(code)


def tell_recovered(found: Recovered) -> None:
    """Say on stderr what an earlier run had left."""
    for run in found.runs:
        state = "swept" if run.swept else "still open"
        click.echo(
            f"chaosd: an earlier run left messages of {run.opened.scenario} {run.opened.run}: {state}", err=True
        )
    for injection in found.injections:
        if injection.state in {State.REVERTED, State.SUPERSEDED, State.REVERT_FAILED}:
            click.echo(
                f"chaosd: an earlier run left {injection.plan.injection}: now {injection.state.value}", err=True
            )
