"""Tells others what became of faults: a listener that hands every notice to its couriers and returns at once."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from daemon.core.errors import ConfigError
from daemon.core.events import Event, Injection
from daemon.core.notices import Mark, Notice, NoticeReader
from daemon.core.settings import DestinationSetting, Settings
from daemon.faces import letters
from daemon.ports.courier import Courier, Outcome, Pace
from daemon.ports.posting import Annotations, Post, Sending, post_to

GRAFANA = "grafana"
LAST_WORDS_S = 5.0
Told = Callable[[str, Outcome, str, str], None]
_FORMS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "webhook": letters.webhook,
    "slack": letters.slack,
    "cloudevents": letters.cloud_event,
}


class Heralds:
    """One courier for each destination, and one for Grafana's annotations.

    ``told`` learns of each delivery: destination, outcome, what it was, why not. ``source`` is who speaks. Raises
    ConfigError with every secret that cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        http: Sending,
        environment: Mapping[str, str],
        *,
        source: str,
        told: Told,
        pace: Pace | None = None,
    ) -> None:
        self._reader = NoticeReader()
        self._order = threading.Lock()
        self._source = source
        self._posts: dict[str, Post] = {d.name: post_to(d, http, environment) for d in settings.notify}
        self._wants = {d.name: frozenset(d.on) for d in settings.notify}
        self._news: dict[str, Courier[Notice]] = {
            d.name: Courier(d.name, self._speaks(d), told=_by_key(told), pace=pace) for d in settings.notify
        }
        self._marks: Courier[Mark] | None = None
        if settings.grafana is not None:
            drawn = Annotations(settings.grafana, http, environment)
            self._posts[GRAFANA] = drawn.post
            self._marks = Courier(
                GRAFANA, lambda mark: drawn.deliver(mark, letters.annotation(mark)), told=_by_key(told), pace=pace
            )
        _check(self._posts)

    def start(self) -> None:
        for courier in self._couriers():
            courier.start()

    def resume(self, outstanding: Iterable[Injection]) -> None:
        """Take over what an earlier life of the daemon left."""
        self._reader.resume(outstanding)

    def __call__(self, injection: str, event: Event) -> None:
        """Take one event; never waits for anybody."""
        with self._order:
            worth = self._reader.take(injection, event)
            for one in worth:
                if isinstance(one, Notice):
                    self._announce(one)
                elif self._marks is not None:
                    self._marks.take(one)

    def _announce(self, notice: Notice) -> None:
        for name, courier in self._news.items():
            if not self._wants[name] or notice.news in self._wants[name]:
                courier.take(notice)

    def close(self, within_s: float = LAST_WORDS_S) -> None:
        """Give what waits one last try, all destinations at the same time; what is left then is dropped."""
        for courier in self._couriers():
            courier.end()
        patience_s = within_s
        for courier in self._couriers():
            if not courier.wait(patience_s):
                patience_s = 0.0  # the others had the same time meanwhile

    def _couriers(self) -> tuple[Courier[Any], ...]:
        return (*self._news.values(), *([self._marks] if self._marks else []))

    def _speaks(self, destination: DestinationSetting) -> Callable[[Notice], None]:
        form, post = _FORMS[destination.kind], self._posts[destination.name]

        def deliver(notice: Notice) -> None:
            post(form(notice, source=self._source))

        return deliver


def _by_key(told: Told) -> Callable[[str, Outcome, Notice | Mark, str], None]:
    def tell(destination: str, outcome: Outcome, thing: Notice | Mark, why: str) -> None:
        told(destination, outcome, thing.key, why)

    return tell


def _check(posts: Mapping[str, Post]) -> None:
    problems = []
    for name, post in posts.items():
        try:
            post.check()
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ConfigError(
            "nothing was started: who is to be told cannot be reached",
            problems=problems,
            hint="an address or a token is one word in a file of mode 0600",
        )
