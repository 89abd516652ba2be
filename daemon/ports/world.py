"""The real world: every port, each built when first asked for, so that a git fault never loads an AWS client."""

import os
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.core.seams import Commands, Files, Git, Holders, Http, ProcessTable
from daemon.core.settings import Aws
from daemon.core.watching import FileEvents
from daemon.ports.clock import SystemClock
from daemon.ports.files import LocalFiles
from daemon.ports.state import boot_id

VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"

if TYPE_CHECKING:
    from daemon.core.cgroups import Cgroups
    from daemon.core.cloud import S3, CloudWatchLogs, Ecs, Levers, Sqs
    from daemon.core.proxying import FaultProxy
    from daemon.core.whereabouts import OwnTask
    from daemon.core.wire import Agent, Names
    from daemon.ports.aws import AwsPort
    from daemon.ports.local import LocalCommands

# The imports inside the properties are the point of this module: boto3 and GitPython cost more than all the rest.


class LocalWorld:
    """seams.World on this machine and in the configured AWS."""

    def __init__(self, *, aws: Aws, private: Path) -> None:
        self._aws_settings = aws
        self._private = private
        self._state = private.parent  # a room within ``private`` has the same proxy
        self.clock = SystemClock()
        self.boot = boot_id()

    @property
    def private(self) -> str:
        return str(self._private)

    def within(self, private: Path) -> "LocalWorld":
        """Return this world with another private directory; what was built already is shared."""
        other = copy(self)
        other.__dict__["_private"] = private
        return other

    @property
    def own_task(self) -> str:
        if not os.environ.get(VARIABLE):
            return ""
        found = self.whereabouts
        return found.id if found else ""

    @cached_property
    def whereabouts(self) -> "OwnTask | None":
        """Return the ECS task this runs in, None outside ECS; raises UnreachableError when it cannot be told."""
        from daemon.ports.metadata import discover

        return discover(os.environ, self.http)

    @cached_property
    def files(self) -> Files:
        return LocalFiles()

    @cached_property
    def processes(self) -> ProcessTable:
        from daemon.ports.processes import LocalProcesses

        # A `pgrep -f` that a command probe runs carries the worker's name in its own command line.
        return LocalProcesses(spare=self._commands.pids)

    @cached_property
    def holders(self) -> Holders:
        from daemon.ports.marked import LocalHolders

        return LocalHolders(self.clock, self.processes)

    @cached_property
    def cgroups(self) -> "Cgroups":
        from daemon.ports.cgroups import LocalCgroups

        return LocalCgroups()

    @cached_property
    def git(self) -> Git:
        from daemon.ports.git import LocalGit

        return LocalGit()

    @cached_property
    def events(self) -> FileEvents:
        from daemon.ports.watching import InotifyEvents

        return InotifyEvents()

    @cached_property
    def proxy(self) -> "FaultProxy":
        from daemon.ports.proxying import LocalProxy

        return LocalProxy(self._state / "proxy", self.clock)

    @cached_property
    def agent(self) -> "Agent":
        from daemon.ports.agent import LocalAgent
        from daemon.ports.local import LocalHttp

        return LocalAgent(os.environ, LocalHttp(), self.clock, lambda: self.whereabouts)

    @cached_property
    def names(self) -> "Names":
        from daemon.ports.names import LocalNames

        return LocalNames(self._aws_settings.endpoint_url, os.environ)

    @cached_property
    def http(self) -> Http:
        from daemon.ports.local import LocalHttp

        return LocalHttp()

    @cached_property
    def _commands(self) -> "LocalCommands":
        from daemon.ports.local import LocalCommands

        return LocalCommands(self.clock)

    @property
    def commands(self) -> Commands:
        return self._commands

    @cached_property
    def _aws(self) -> "AwsPort":
        from daemon.ports.aws import AwsPort

        return AwsPort(region=self._aws_settings.region, endpoint_url=self._aws_settings.endpoint_url)

    @property
    def ecs(self) -> "Ecs":
        return self._aws.ecs

    @property
    def sqs(self) -> "Sqs":
        return self._aws.sqs

    @property
    def s3(self) -> "S3":
        return self._aws.s3

    @property
    def logs(self) -> "CloudWatchLogs":
        return self._aws.logs

    @property
    def levers(self) -> "Levers":
        return self._aws.levers
