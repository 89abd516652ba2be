"""``chaosd proxy``: the fault proxy alone, in the foreground."""

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from daemon.faces.cli.session import Session, config_option, state_option

if TYPE_CHECKING:
    from daemon.core.settings import ProxySetting


@click.command(short_help="The fault proxy alone, in the foreground.")
@click.option("--listen", metavar="HOST:PORT", help="Where AWS calls come in; port 0 lets the system choose.")
@click.option("--upstream", metavar="URL", help="Where they go; an emulator's address. Without: AWS.")
@config_option
@state_option
@click.pass_obj
def proxy(session: Session, listen: str | None, upstream: str | None) -> int:
    """Run the fault proxy in the foreground: forward the worker's AWS calls, and do to them what faults ask for.

    It needs no daemon, and no configuration: `proxy` of chaosd.yaml says what the flags do not. SIGTERM or Ctrl-C
    ends it, once what is under way has ended.
    """
    setting = _setting(session, listen, upstream)
    state = session.state.make()
    logging.basicConfig(level=logging.WARNING, format="chaosd proxy: %(levelname)s: %(message)s")
    from daemon.ports.supervisor import Supervisor
    from daemon.proxy import process

    def started(lanes: Mapping[str, str]) -> None:
        _tell(setting, lanes)
        Supervisor(os.environ).ready("forwarding")

    return process.run(state.path, setting, started=started)


def _setting(session: Session, listen: str | None, upstream: str | None) -> "ProxySetting":
    from daemon.core.settings import ProxySetting

    flags = {"proxy.listen": listen, "proxy.upstream": upstream}
    if session.config_path() is not None:
        settings = session.settings(flags)
        return settings.proxy or ProxySetting(upstream=settings.aws.endpoint_url)
    from daemon.config.proxying import given

    return given(listen, upstream or os.environ.get("CHAOSD_AWS_ENDPOINT_URL"))


def _tell(setting: "ProxySetting", lanes: Mapping[str, str]) -> None:
    """Say where it listens, and what makes a worker go through it."""
    from daemon.core.proxying import AWS, ENDPOINTS, SERVICES

    if AWS in lanes:
        url = f"{lanes[AWS]}/SECRET" if setting.secret_file else lanes[AWS]
        click.echo(f"AWS calls go from {url} to {setting.upstream or 'AWS'}. Let the worker have:")
        for service in setting.services or SERVICES:
            click.echo(f"  {ENDPOINTS[service]}={url}")
        click.echo(f"A Node worker also wants its queue's URL so: {url}/ACCOUNT/QUEUE")
    for name, address in lanes.items():
        if name != AWS:
            click.echo(f"The git remote {name!r} is at {address}.")
