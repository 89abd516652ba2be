"""``chaosd iam-policy``: what chaosd's role must be allowed, from the configuration, and nothing else."""

import json
from typing import TYPE_CHECKING

import click

from daemon.core.errors import UsageError
from daemon.core.parameters import nearest
from daemon.faces.cli.session import Session, config_option, output_option
from daemon.faces.cli.text import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.core.calls import Call
    from daemon.core.seams import Fault

BESIDES = ("scenario", "monitor")


@click.command("iam-policy", short_help="The IAM policy that the configuration needs.")
@click.option(
    "--with",
    "besides",
    multiple=True,
    metavar="NAME",
    help="Besides what is configured: a fault injected by hand, `scenario` or `monitor`; on every target.",
)
@click.option("--account", metavar="ID", help="The account, where the configuration does not name it.")
@click.option("--region", metavar="NAME", help="The region, where neither configuration nor queues name it.")
@config_option
@output_option
@click.pass_obj
def iam_policy(session: Session, besides: tuple[str, ...], account: str | None, region: str | None) -> int:
    """Print the least-privilege IAM policy for chaosd's role, made from the configuration.

    It allows what the configured probes, experiments, guard and levers ask of AWS, on the resources they name, and
    denies by name what chaosd must never do: purging and deleting. As text it is the policy document alone; what
    else you must know goes to standard error.
    """
    from daemon import wiring
    from daemon.core.iam import Role, policy

    faults = wiring.faults()
    calls = tuple(call for name in besides for call in _calls(name, faults))
    role = Role(account=account, region=region, calls=calls)
    made = policy(session.settings(), faults, wiring.probes(), role)
    if session.json:
        write_json({"policy": made.document, "notes": list(made.notes)})
        return 0
    click.echo(json.dumps(made.document, indent=2))
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    return 0


def _calls(name: str, faults: "Mapping[str, type[Fault]]") -> "tuple[Call, ...]":
    from daemon.core.calls import MONITOR, SCENARIO

    if name in BESIDES:
        return SCENARIO if name == "scenario" else MONITOR
    if name not in faults:
        known = nearest(name, dict.fromkeys((*faults, *BESIDES)))
        raise UsageError(f"no policy was made: {name!r} is no fault{known}", hint="see `chaosd faults list`")
    found: tuple[Call, ...] = getattr(faults[name], "calls", ())
    return found
