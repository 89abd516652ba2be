"""IAM as far as our policies use it, and a proxy that enforces one policy on everything that passes through it.

Actions and resources are read from the requests themselves (service target, body, path), with nothing of chaosd's.
"""

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

REGION, ACCOUNT = "us-west-2", "000000000000"
SERVICES = {"AmazonSQS": "sqs", "AmazonEC2ContainerServiceV20141113": "ecs", "Logs_20140328": "logs"}


@dataclass(frozen=True)
class Request:
    """One thing to be allowed."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


def _some(found: str | Sequence[str]) -> Sequence[str]:
    return [found] if isinstance(found, str) else found


def _fits(text: str, patterns: str | Sequence[str], *, case: bool = True) -> bool:
    def same(word: str) -> str:
        return word if case else word.lower()

    return any(fnmatchcase(same(text), same(pattern).replace("[", "[[]")) for pattern in _some(patterns))


def _holds(conditions: Mapping[str, Mapping[str, str]], context: Mapping[str, str]) -> bool:
    for operator, wanted in conditions.items():
        for key, value in wanted.items():
            found = context.get(key)
            match operator:
                case "StringEquals":
                    holds = found == value
                case "ArnEquals":
                    holds = found is not None and _fits(found, value)
                case "StringNotEquals":
                    holds = found != value  # also where the key is absent
                case _:
                    raise AssertionError(f"this test knows no {operator}")
            if not holds:
                return False
    return True


def allowed(policy: Mapping[str, Any], asked: Request) -> bool:
    """Tell whether the policy allows it: some statement does, and none denies it."""
    effects = {
        statement["Effect"]
        for statement in policy["Statement"]
        if _fits(asked.action, statement["Action"], case=False)
        and _fits(asked.resource, statement["Resource"])
        and _holds(statement.get("Condition", {}), dict(asked.context))
    }
    return effects == {"Allow"}


def requests(method: str, path: str, target: str, body: bytes, tags: Mapping[str, str]) -> list[Request]:
    """Return what one HTTP request to AWS asks for."""
    if not target:
        bucket, _, key = urlsplit(path).path.strip("/").partition("/")
        if not key:
            actions = {"HEAD": "s3:ListBucket", "GET": "s3:ListBucket", "DELETE": "s3:DeleteBucket"}
            return [Request(actions[method], f"arn:aws:s3:::{bucket}")]
        actions = {
            "HEAD": "s3:GetObject",
            "GET": "s3:GetObject",
            "PUT": "s3:PutObject",
            "DELETE": "s3:DeleteObject",
        }
        return [Request(actions[method], f"arn:aws:s3:::{bucket}/{key}")]
    service, _, operation = target.partition(".")
    action = f"{SERVICES[service]}:{operation.removesuffix('Batch')}"
    given = json.loads(body or b"{}")
    return [Request(action, *one) for one in _named(SERVICES[service], operation, given, tags)]


def _named(
    service: str, operation: str, given: Mapping[str, Any], tags: Mapping[str, str]
) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    if service == "sqs":
        yield f"arn:aws:sqs:{REGION}:{ACCOUNT}:{given['QueueUrl'].rpartition('/')[2]}", ()
    elif service == "logs":
        yield f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{given['logGroupName']}:*", ()
    else:
        cluster = str(given.get("cluster", "default")).rpartition("/")[2]
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
        context = (("ecs:cluster", f"{arn}:cluster/{cluster}"),)
        tagged = (*context, *((f"aws:ResourceTag/{k}", v) for k, v in tags.items()))
        one = given.get("service")
        for name in given.get("services") or ([one] if one else []):
            yield f"{arn}:service/{cluster}/{name.rpartition('/')[2]}", tagged
        for name in given.get("containerInstances", []):
            yield f"{arn}:container-instance/{cluster}/{name.rpartition('/')[2]}", context
        one = given.get("task")
        for name in given.get("tasks") or ([one] if one else []):
            yield f"{arn}:task/{cluster}/{name.rpartition('/')[2]}", tagged
        if operation == "ListTasks":
            yield f"{arn}:container-instance/{cluster}/*", context


@dataclass
class Enforcer:
    """What passed, and what did not."""

    policy: Mapping[str, Any]
    address: str = ""
    passed: set[Request] = field(default_factory=set)
    denied: set[Request] = field(default_factory=set)

    def actions(self) -> set[str]:
        return {one.action for one in self.passed}

    def admit(self, asked: Sequence[Request]) -> Request | None:
        """Note what is asked, and return the first that is not allowed."""
        for one in asked:
            if not allowed(self.policy, one):
                self.denied.add(one)
                return one
        self.passed.update(asked)
        return None


@contextmanager
def enforcing(policy: Mapping[str, Any], endpoint_url: str, tags: Mapping[str, str]) -> Iterator[Enforcer]:
    """Stand before an emulator: what the policy does not allow is answered as AWS would, the rest goes through.

    ``tags`` are those of every task and service.
    """
    enforcer = Enforcer(policy)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            target = self.headers.get("X-Amz-Target", "")
            refused = enforcer.admit(requests(self.command, self.path, target, body, tags))
            if refused is not None:
                text = {"__type": "AccessDeniedException", "message": f"not authorized to perform {refused.action}"}
                self._answer(
                    400 if target else 403, json.dumps(text).encode(), {"Content-Type": "application/json"}
                )
                return
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "content-length")}
            onward = urllib.request.Request(
                endpoint_url + self.path, data=body or None, method=self.command, headers=headers
            )
            try:
                with urllib.request.urlopen(onward, timeout=60) as answer:
                    self._answer(answer.status, answer.read(), dict(answer.headers))
            except urllib.error.HTTPError as error:
                self._answer(error.code, error.read(), dict(error.headers))

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _do  # noqa: N815  their names

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if not re.fullmatch("connection|transfer-encoding|content-length|date|server", name, re.IGNORECASE):
                    self.send_header(name, value)
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing of a client that has gone."""

    server = Server(("127.0.0.1", 0), Handler)
    enforcer.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield enforcer
    finally:
        server.shutdown()
        server.server_close()
