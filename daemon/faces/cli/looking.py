"""``chaosd probe``: one look, with the configured probes or at a repository."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.core.errors import UsageError
from daemon.faces.cli import complete
from daemon.faces.cli.session import Session, config_option, output_option
from daemon.faces.cli.text import write_json
from daemon.faces.cli.types import PLACE

if TYPE_CHECKING:
    from daemon.core.settings import ProbeSetting, Settings

WORKERS = 8


@click.command(short_help="One look with the probes.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.configured_probes)
@click.option(
    "--repository", type=PLACE, metavar="PATH", help="A repository on this machine; NAME is a kind of probe then."
)
@config_option
@output_option
@click.pass_obj
def probe(session: Session, names: tuple[str, ...], repository: str | None) -> int:
    """Look once with every configured probe, or with those NAMEd, and print what they see.

    Exit 0 when all are ok, 1 when one is failing or cannot tell.
    """
    settings, chosen = _at(repository, names) if repository else _configured(session, names)
    found = look(settings, chosen)
    if session.json:
        write_json({"observations": found})
    else:
        from daemon.faces.cli import tables

        tables.show(tables.of_observations(found))
    unknown = [o["probe"] for o in found if o["status"] == "unknown"]
    if unknown:
        click.echo(f"chaosd: unknown counts as not ok: {', '.join(unknown)}", err=True)
    return 0 if all(o["status"] == "ok" for o in found) else 1


def look(settings: "Settings", chosen: "Sequence[ProbeSetting]") -> list[dict[str, Any]]:
    """Return one look of each probe, in the order given; they look at the same time."""
    import tempfile
    from concurrent.futures import ThreadPoolExecutor

    from daemon import wiring
    from daemon.core.parameters import build
    from daemon.engine.prober import Lookout
    from daemon.faces import shapes
    from daemon.ports.world import LocalWorld

    kinds = wiring.probes()
    lookouts = [
        Lookout(
            name=p.name,
            target=settings.targets[p.target],
            probe=build(kinds[p.probe], p.parameters, where=f"probe {p.name}"),
            every_s=p.every_s,
        )
        for p in chosen
    ]
    # A private directory of its own: a running daemon may be using the mirrors in the state directory.
    with tempfile.TemporaryDirectory(prefix="chaosd-probe-") as private:
        world = LocalWorld(aws=settings.aws, private=Path(private))
        with ThreadPoolExecutor(WORKERS) as pool:
            return [shapes.observation(o) for o in pool.map(lambda lookout: lookout.look(world), lookouts)]


def _at(repository: str, names: Sequence[str]) -> "tuple[Settings, list[ProbeSetting]]":
    from dataclasses import replace

    from daemon import wiring
    from daemon.core.parameters import nearest

    settings = wiring.ad_hoc(str(Path(repository).absolute()))
    kinds = wiring.probes()
    for name in names:
        if name not in kinds:
            raise UsageError(f"not looking: unknown probe {name!r}{nearest(name, dict(kinds))}", hint=_HINT)
    first = settings.probes[0]
    return settings, [replace(first, name=name, probe=name) for name in names] or [first]


def _configured(session: Session, names: Sequence[str]) -> "tuple[Settings, list[ProbeSetting]]":
    from daemon.core.parameters import nearest

    settings = session.settings()
    if not settings.probes:
        raise UsageError("not looking: no probe is configured", hint="add some, or use --repository PATH")
    known = {p.name for p in settings.probes} | {p.probe for p in settings.probes}
    for name in names:
        if name not in known:
            raise UsageError(
                f"not looking: no probe {name!r} is configured{nearest(name, tuple(known))}", hint=_HINT
            )
    return settings, [p for p in settings.probes if not names or p.name in names or p.probe in names]


_HINT = "see `chaosd probes list`"
