"""What is posted to whom: addresses and tokens from their files, bodies as JSON, answers as outcomes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from daemon.core.errors import ChaosdError
from daemon.core.notices import Mark
from daemon.core.settings import DestinationSetting, GrafanaSetting, SecretSetting
from daemon.ports import credentials
from daemon.ports.courier import UndeliveredError
from daemon.ports.local import Answer, Message

_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_ANSWER_SHOWN = 80


class Sending(Protocol):
    """One HTTP request and its answer; raises ChaosdError when there is none."""

    def send(self, message: Message, *, timeout_s: float) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Posts JSON to one address. Secrets are read anew for each try, so that a new one needs no restart."""

    url: str | SecretSetting
    token: SecretSetting | None
    timeout_s: float
    http: Sending
    environment: Mapping[str, str] = field(repr=False)
    content_type: str = "application/json"

    def check(self) -> None:
        """Read the secrets once; raises ValueError, which says what is wrong with a file, never what is in it."""
        self._address()
        self._headers()

    def __call__(self, body: Mapping[str, Any], *, method: str = "POST", path: str = "") -> bytes:
        """Send one body and return the answer's; raises UndeliveredError."""
        try:
            message = Message(
                method,
                self._address() + path,
                json.dumps(body, separators=(",", ":")).encode(),
                self._headers(),
                secret=True,
            )
            answer = self.http.send(message, timeout_s=self.timeout_s)
        except ValueError as error:  # a secret that cannot be read now may be in a second
            raise UndeliveredError(str(error), again=True) from None
        except ChaosdError as error:
            raise UndeliveredError(error.message, again=True) from None
        if not HTTPStatus(200).value <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise _refused(answer)
        return answer.body

    def _address(self) -> str:
        """Return the address as it is configured: to many receivers, one without its last slash is another."""
        if isinstance(self.url, SecretSetting):
            return _checked(credentials.secret(self.url, self.environment))
        return self.url

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": self.content_type}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {credentials.secret(self.token, self.environment)}"
        return headers


def _checked(address: str) -> str:
    if not address.startswith(("https://", "http://")):
        raise ValueError("the file with the address holds none: it begins with neither https:// nor http://")
    return address


def _refused(answer: Answer) -> UndeliveredError:
    after = answer.headers.get("retry-after", "")
    why = f"HTTP {answer.status} {answer.body[:_ANSWER_SHOWN].decode('ascii', 'replace')}".strip()
    again = answer.status in _AGAIN or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return UndeliveredError(why, again=again, after_s=float(after) if after.isascii() and after.isdigit() else 0.0)


def post_to(destination: DestinationSetting, http: Sending, environment: Mapping[str, str]) -> Post:
    """Return what posts to one destination."""
    structured = destination.kind == "cloudevents"
    return Post(
        url=destination.url,
        token=destination.token,
        timeout_s=destination.timeout_s,
        http=http,
        environment=environment,
        content_type="application/cloudevents+json; charset=UTF-8" if structured else "application/json",
    )


class Annotations:
    """Marks faults in Grafana: a point when one begins, made a region when it ends. Used by one thread."""

    def __init__(self, setting: GrafanaSetting, http: Sending, environment: Mapping[str, str]) -> None:
        self.post = Post(
            url=f"{setting.url.rstrip('/')}/api/annotations",
            token=setting.token,
            timeout_s=setting.timeout_s,
            http=http,
            environment=environment,
        )
        self._ids: dict[str, int] = {}

    def deliver(self, mark: Mark, body: Mapping[str, Any]) -> None:
        """Make or end one mark; raises UndeliveredError. What has no point yet becomes a region at once."""
        injection = mark.plan.injection
        if mark.end_s is None:
            made = _id(self.post(body))
            if made is not None:
                self._ids[injection] = made
            return
        known = self._ids.get(injection)
        if known is None:
            self.post(body)
        else:
            self.post({"timeEnd": body["timeEnd"]}, method="PATCH", path=f"/{known}")
            del self._ids[injection]


def _id(answer: bytes) -> int | None:
    try:
        found = json.loads(answer).get("id")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, int) else None
