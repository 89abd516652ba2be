"""ECS in memory, as far as chaosd uses it; time comes from the fake clock."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from daemon.core.cloud import Deployment, Instance, Service, Task
from daemon.core.errors import TargetAbsentError


@dataclass
class _Service:
    desired: int
    tags: dict[str, str]
    replace_s: float | None
    tasks: dict[str, Task] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def wanted(self) -> list[Task]:
        return [t for t in self.tasks.values() if t.desired_status == "RUNNING"]


class FakeEcs:
    """Clusters of services that replace a stopped task ``replace_s`` later, with a new id; None: never.

    A deployment is over ``replace_s`` later as well, as ``deploys`` says: COMPLETED, FAILED, or ROLLED_BACK.
    """

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._services: dict[tuple[str, str], _Service] = {}
        self._ids = itertools.count(1)
        self._hosts: dict[str, str] = {}
        self.others: dict[str, int] = {}
        self.reasons: dict[str, str] = {}
        self.deploys = "COMPLETED"

    def add(
        self,
        cluster: str,
        service: str,
        desired: int,
        *,
        tags: Mapping[str, str] | None = None,
        replace_s: float | None = 3.0,
        hosts: Sequence[str] = (),
        **facts: Any,
    ) -> None:
        """Add a service, on container instances when ``hosts`` are given."""
        self._hosts.update(dict.fromkeys(hosts, "ACTIVE"))
        made = _Service(desired, dict(tags or {}), replace_s, facts=facts)
        made.deployments.append(self._deployment("PRIMARY", "COMPLETED"))
        self._services[cluster, service] = made
        for _ in range(desired):
            self._start(made)
            self._clock.advance(1.0)  # so that oldest and newest mean something

    def remove(self, cluster: str, service: str) -> None:
        del self._services[cluster, service]

    def service(self, cluster: str, service: str) -> Service:
        found = self._found(cluster, service)
        wanted = tuple(found.wanted())
        running = sum(t.last_status == "RUNNING" for t in wanted)
        return Service(
            desired=found.desired,
            running=running,
            pending=len(wanted) - running,
            tasks=wanted,
            tags=found.tags,
            deployments=tuple(found.deployments),
            **found.facts,
        )

    def tasks(self, cluster: str, ids: Sequence[str]) -> tuple[Task, ...]:
        known = {t.id: t for s in self._of(cluster) for t in s.tasks.values()}
        return tuple(known[i] for i in ids if i in known)

    def stop_task(self, cluster: str, task: str, reason: str) -> None:
        name = task.rsplit("/", 1)[-1]
        for service in self._of(cluster):
            if name in service.tasks:
                if service.tasks[name].desired_status == "STOPPED":
                    return
                self.reasons[name] = reason
                self._end(service, name, reason)
                return
        raise TargetAbsentError(f"no task {task} in cluster {cluster}")

    def scale(self, cluster: str, service: str, desired: int) -> None:
        found = self._found(cluster, service)
        found.desired = desired
        for task in found.wanted()[desired:]:
            self._end(found, task.id, "scaled in")
        self._refill(found)

    def redeploy(self, cluster: str, service: str) -> None:
        found = self._found(cluster, service)
        found.deployments = [replace(one, status="ACTIVE") for one in found.deployments]
        found.deployments.insert(0, self._deployment("PRIMARY", "IN_PROGRESS"))
        if found.replace_s is not None:
            self._clock.at(found.replace_s, lambda: self._deployed(found))

    def instances(self, cluster: str, ids: Sequence[str]) -> tuple[Instance, ...]:
        tasks = [t.instance for s in self._of(cluster) for t in s.wanted()]
        return tuple(
            Instance(id=i, status=self._hosts[i], running=tasks.count(i) + self.others.get(i, 0), pending=0)
            for i in ids
            if i in self._hosts
        )

    def set_instances(self, cluster: str, ids: Sequence[str], status: str) -> None:
        for one in ids:
            self._hosts[one] = status
        for service in self._of(cluster):
            for task in service.wanted():
                if status == "DRAINING" and task.instance in ids:
                    self._end(service, task.id, "drained")
            self._refill(service)

    def terminate(self, instance: str) -> None:
        """Take an instance away, with its tasks."""
        del self._hosts[instance]
        for service in self._services.values():
            for task in service.wanted():
                if task.instance == instance:
                    self._end(service, task.id, "terminated")

    def state(self) -> dict[str, Any]:
        """Return what must be back, whatever the ids: desired and running of every service, and the instances."""
        counts = {f"{c}/{s}": (self.service(c, s).desired, self.service(c, s).running) for c, s in self._services}
        return {**counts, **self._hosts}

    def _found(self, cluster: str, service: str) -> _Service:
        found = self._services.get((cluster, service))
        if found is None:
            raise TargetAbsentError(f"no service {service} in cluster {cluster}")
        return found

    def _of(self, cluster: str) -> Iterator[_Service]:
        return (s for (name, _), s in self._services.items() if name == cluster)

    def _deployment(self, status: str, rollout: str, **facts: Any) -> Deployment:
        told = {"reason": "", "failed": 0, **facts}
        return Deployment(id=f"ecs-svc/{next(self._ids)}", status=status, rollout=rollout, **told)

    def _deployed(self, service: _Service) -> None:
        new, *old = service.deployments
        if self.deploys == "COMPLETED":
            service.deployments = [replace(new, rollout="COMPLETED")]
            for task in service.wanted():
                self._end(service, task.id, "deployed")
            self._fill(service)
            return
        failed = replace(new, rollout="FAILED", reason="tasks failed to start", failed=3)
        service.deployments = [failed, *old]
        if self.deploys == "ROLLED_BACK":
            back = self._deployment("PRIMARY", "COMPLETED")
            service.deployments = [back, replace(failed, status="ACTIVE")]

    def _end(self, service: _Service, name: str, reason: str) -> None:
        service.tasks[name] = replace(
            service.tasks[name],
            desired_status="STOPPED",
            last_status="STOPPED",
            stop_code="UserInitiated",
            stopped_reason=reason,
        )
        self._refill(service)

    def _refill(self, service: _Service) -> None:
        if service.replace_s is not None:
            self._clock.at(service.replace_s, lambda: self._fill(service))

    def _fill(self, service: _Service) -> None:
        while len(service.wanted()) < service.desired and self._start(service):
            pass

    def _start(self, service: _Service) -> bool:
        """Start a task, on the active instance that has fewest; False when none of the instances is active."""
        active = [i for i, status in self._hosts.items() if status == "ACTIVE"]
        if self._hosts and not active:
            return False
        load = [t.instance for t in service.wanted()]
        name = f"{next(self._ids):032x}"
        service.tasks[name] = Task(
            id=name,
            arn=f"arn:aws:ecs:us-west-2:000000000000:task/{name}",
            last_status="RUNNING",
            desired_status="RUNNING",
            health="HEALTHY",
            started_s=self._clock.instant().wall_s,
            instance=min(active, key=load.count, default=""),
        )
        return True
