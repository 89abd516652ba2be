"""``chaosd scenario git``: situations of a clone, a worker command, and what it makes of them."""

from typing import TYPE_CHECKING, Any

import click

from daemon.core.errors import UsageError
from daemon.faces.cli.session import Session, output_option
from daemon.faces.cli.types import DURATION, PLACE, SETTING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.core.gitcases import GitScenario

    Chosen = Sequence[tuple[GitScenario, str]]

ALL = "all"


@click.command("git", short_help="Git situations for a worker command.")
@click.argument("names", nargs=-1, metavar="[NAME...|all]")
@click.option(
    "--repository", type=PLACE, metavar="PATH", help="Where it takes place; only read. Without it, a fresh one."
)
@click.option(
    "--worker", metavar="'COMMAND...'", help="Started in the clone for each message; `lab`: the lab's own."
)
@click.option("--mainline", help="Where new branches start; main, master, or what is checked out.")
@click.option("--branch", default="thread-{chatThreadId}", show_default=True, help="The branch a message asks for.")
@click.option("--timeout", type=DURATION, default="60s", show_default=True, help="The longest run of the worker.")
@click.option("--set", "settings", type=SETTING, multiple=True, metavar="case=NAME|NAME", help="Only these cases.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Repeats the choices of an earlier run.")
@click.option("--keep", is_flag=True, help="Keep the sandbox, to look at it.")
@output_option
@click.pass_obj
def git(session: Session, /, **words: Any) -> int:
    """Put a clone into each situation of the git scenarios NAME..., and let the worker handle a message in it.

    Everything happens in a private sandbox: the repository given is only read. Exit 0 when every case passed, 1
    when one failed or is unknown, 5 when none did but some were skipped.
    """
    from daemon.faces.cli import gitrun

    return gitrun.run(session, _chosen(words["names"] or (ALL,), dict(words["settings"])), words)


def _chosen(names: "Sequence[str]", settings: "dict[str, str]") -> "Chosen":
    from daemon.core.gittable import GIT_SCENARIOS
    from daemon.core.parameters import nearest

    for name in names:
        if name not in GIT_SCENARIOS and name != ALL:
            raise UsageError(
                f"nothing was started: unknown git scenario {name!r}{nearest(name, dict(GIT_SCENARIOS))}",
                hint="see `chaosd scenario list`",
            )
    scenarios = [s for s in GIT_SCENARIOS.values() if ALL in names or s.name in names]
    cases = [(s, case) for s in scenarios for case in s.cases]
    unknown = [key for key in settings if key != "case"]
    if unknown:
        raise UsageError(f"nothing was started: unknown parameter {unknown[0]!r}; known: case")
    if "case" not in settings:
        return cases
    wanted, known = settings["case"].split("|"), tuple(case for _, case in cases)
    for name in wanted:
        if name not in known:
            raise UsageError(f"nothing was started: unknown case {name!r}{nearest(name, known)}")
    return [(s, case) for s, case in cases if case in wanted]
