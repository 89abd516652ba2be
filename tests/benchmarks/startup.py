"""Whole processes: what one call of the command line costs."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.harness import Bench, Limit, Row, at_most, cpu, in_turns, spawn, wall
from tests.benchmarks.places import new_repository, peer
from tests.benchmarks.running import CHAOSD, daemon

BARE, VERSION, RUN = "python -c pass", "chaos --version", "chaos run"
OF_BARE, OF_VERSION, OF_RUN = at_most(6), at_most(0.35), at_most(0.6)
ROUNDS = 15
Words = Sequence[str | Path]

QUIET = """
version: 1
targets: {{clone: {{repository: {{worktree: {repository}}}}}}}
probes: [{{name: health, probe: git-health, target: clone, every: 1h}}]
steady_state: {{clone: [health]}}
guard: {{allow: {{repositories: [{repository}]}}}}
"""


def help_page(bench: Bench) -> list[Row]:
    """``chaosd --help`` against bare Python and against the peer."""
    return _compare(bench, "chaosd --help", (CHAOSD, "--help"), _versions(bench))


def status(bench: Bench) -> list[Row]:
    """``chaosd status``, answered by a running daemon."""
    config = QUIET.format(repository=new_repository(bench.scratch / "clone"))
    with daemon(bench, config):
        return _compare(bench, "chaosd status", (CHAOSD, "status"), _versions(bench))


def inject(bench: Bench) -> list[Row]:
    """One whole injection without a daemon, against the peer's smallest experiment."""
    repository = new_repository(bench.scratch / "clone")
    words = (CHAOSD, "inject", "git-lock", "--repository", repository, "--for", "0s")
    yardsticks: dict[str, tuple[Words, Limit | None]] = {BARE: ((sys.executable, "-c", "pass"), None)}
    if bench.peer:
        experiment = bench.directory("cwd") / "experiment.json"
        experiment.write_text(json.dumps(trivial()))
        # The peer asks the network for a newer version of itself: that is not what is compared.
        yardsticks[RUN] = ((peer(bench), "--no-version-check", "run", experiment), OF_RUN)
    return _compare(bench, "chaosd inject git-lock", words, yardsticks)


def trivial() -> dict[str, object]:
    """The peer's smallest whole experiment: a hypothesis, an action, a rollback."""
    provider = {"type": "python", "module": "os.path", "func": "exists", "arguments": {"path": "."}}
    probe = {"type": "probe", "name": "there", "tolerance": True, "provider": provider}
    action = {"type": "action", "name": "act", "provider": provider}
    return {
        "title": "trivial",
        "description": "nothing is disturbed",
        "steady-state-hypothesis": {"title": "it is there", "probes": [probe]},
        "method": [action],
        "rollbacks": [action],
    }


def _versions(bench: Bench) -> dict[str, tuple[Words, Limit | None]]:
    found: dict[str, tuple[Words, Limit | None]] = {BARE: ((sys.executable, "-c", "pass"), OF_BARE)}
    if bench.peer:
        found[VERSION] = ((peer(bench), "--version"), OF_VERSION)
    return found


def _compare(
    bench: Bench, what: str, words: Words, yardsticks: Mapping[str, tuple[Words, Limit | None]]
) -> list[Row]:
    where, env = bench.directory("cwd"), bench.environment()
    commands = {what: words, **{name: yardstick for name, (yardstick, _) in yardsticks.items()}}
    bench.say("in turns: " + ", ".join(commands))
    found = in_turns(
        bench.rounds(ROUNDS),
        {name: lambda run=run: spawn(run, cwd=where, env=env) for name, run in commands.items()},  # type: ignore[misc]
    )
    return [
        Row(
            what=f"{what}, {kind}",
            chaosd=figure(found[what]),
            yardstick=name,
            theirs=figure(found[name]),
            limit=limit,
        )
        for name, (_, limit) in yardsticks.items()
        for kind, figure in (("wall", wall), ("CPU", cpu))
    ]
