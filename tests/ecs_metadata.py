"""A stand-in for the ECS task metadata endpoint, with answers of the recorded shape for EC2 and Fargate."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TASK = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
CLUSTER_ARN = "arn:aws:ecs:eu-west-1:111122223333:cluster/workers"


def container(
    name: str, *, kind: str = "NORMAL", group: str | None = None, docker_id: str = "f0" * 32
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "DockerId": docker_id,
        "Name": name,
        "DockerName": f"ecs-git-worker-7-{name}-d2bbf4cbc0f1f5e5f101",
        "Image": f"111122223333.dkr.ecr.eu-west-1.amazonaws.com/{name}:1",
        "ImageID": f"sha256:{'ab' * 32}",
        "Labels": {
            "com.amazonaws.ecs.cluster": "workers",
            "com.amazonaws.ecs.container-name": name,
            "com.amazonaws.ecs.task-arn": f"arn:aws:ecs:eu-west-1:111122223333:task/workers/{TASK}",
            "com.amazonaws.ecs.task-definition-family": "git-worker",
            "com.amazonaws.ecs.task-definition-version": "7",
        },
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": {"CPU": 2, "Memory": 512},
        "CreatedAt": "2026-11-28T09:00:00.000000000Z",
        "StartedAt": "2026-11-28T09:00:01.000000000Z",
        "Type": kind,
        "ContainerARN": "arn:aws:ecs:eu-west-1:111122223333:container/workers/0a1b/5f0e",
        "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.7.5"]}],
    }
    if group:
        found |= {"LogDriver": "awslogs", "LogOptions": {"awslogs-group": group, "awslogs-region": "eu-west-1"}}
    return found


def task(**given: Any) -> dict[str, Any]:
    return {
        "Cluster": "workers",
        "TaskARN": f"arn:aws:ecs:eu-west-1:111122223333:task/workers/{TASK}",
        "Family": "git-worker",
        "Revision": "7",
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "PullStartedAt": "2026-11-28T08:59:50.000000000Z",
        "PullStoppedAt": "2026-11-28T08:59:59.000000000Z",
        "AvailabilityZone": "eu-west-1b",
        "Containers": [
            container("~internal~ecs~pause", kind="CNI_PAUSE"),
            container("worker", group="/ecs/git-worker"),
            container("chaosd"),
        ],
        **given,
    }


# An older agent on EC2 names no service; its group does. Fargate names the cluster by its ARN.
EC2 = task(LaunchType="EC2", VPCID="vpc-1", Group="service:git-service")
FARGATE = task(
    LaunchType="FARGATE",
    Cluster=CLUSTER_ARN,
    ServiceName="git-service",
    FaultInjectionEnabled=False,
    ClockDrift={"ClockErrorBound": 0.5, "ClockSynchronizationStatus": "SYNCHRONIZED"},
    EphemeralStorageMetrics={"Utilized": 400, "Reserved": 20496},
    Containers=[
        container("chaosd", docker_id=f"{'0a' * 16}-0123456789"),
        container("worker", group="/ecs/git-worker", docker_id=f"{'0a' * 16}-1234567890"),
    ],
)


@contextmanager
def endpoint(answer: dict[str, Any], *, own: str = "chaosd", status: int = 200) -> Iterator[str]:
    """Serve one task's metadata on loopback and yield the address for the variable."""
    pages = {"/v4/id": next(c for c in answer["Containers"] if c["Name"] == own), "/v4/id/task": answer}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = pages.get(self.path)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v4/id"
    finally:
        server.shutdown()
        server.server_close()
