"""Tells others what became of faults: a listener that hands every notice to its couriers and returns at once."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daemon.core.errors import ConfigError
from daemon.core.events import Event, Injection
from daemon.core.notices import Mark, Notice, NoticeReader
from daemon.core.settings import DestinationSetting, GrafanaSetting, Settings
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Who carries what to whom under one configuration. The threads of the new ones do not run yet."""

    news: Mapping[DestinationSetting, Courier[Notice]]
    marks: Mapping[GrafanaSetting, Courier[Mark]]

    def couriers(self) -> tuple[Courier[Any], ...]:
        return (*self.news.values(), *self.marks.values())


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
        self._http, self._environment = http, environment
        self._source, self._told, self._pace = source, told, pace
        self._staff = Staff(news={}, marks={})
        self._leaving: tuple[Courier[Any], ...] = ()
        self._staff = self.staff(settings)

    def start(self) -> None:
        for courier in self._staff.couriers():
            courier.start()

    def staff(self, settings: Settings) -> Staff:
        """Return who is needed under these settings, nothing changed yet; raises ConfigError.

        A destination that stays as it was keeps its courier, with what waits there.
        """
        now = self._staff
        posts = {d: post_to(d, self._http, self._environment) for d in settings.notify}
        drawn = {g: Annotations(g, self._http, self._environment) for g in (settings.grafana,) if g is not None}
        _check([(d.name, post) for d, post in posts.items()] + [(GRAFANA, a.post) for a in drawn.values()])
        return Staff(
            news={d: now.news.get(d) or self._courier(d.name, self._speaks(d, post)) for d, post in posts.items()},
            marks={g: now.marks.get(g) or self._courier(GRAFANA, _draws(a)) for g, a in drawn.items()},
        )

    def adopt(self, staff: Staff) -> None:
        """Let others carry from the next notice on; who is not needed any more gives what waits one last try."""
        before = self._staff.couriers()
        for courier in staff.couriers():
            if courier not in before:
                courier.start()
        with self._order:
            self._staff = staff
        gone = tuple(courier for courier in before if courier not in staff.couriers())
        for courier in gone:
            courier.end()
        self._leaving = (*(courier for courier in self._leaving if courier.alive), *gone)

    def resume(self, outstanding: Iterable[Injection]) -> None:
        """Take over what an earlier life of the daemon left."""
        self._reader.resume(outstanding)

    def __call__(self, injection: str, event: Event) -> None:
        """Take one event; never waits for anybody."""
        with self._order:
            for one in self._reader.take(injection, event):
                if isinstance(one, Notice):
                    self._announce(one)
                else:
                    for courier in self._staff.marks.values():
                        courier.take(one)

    def _announce(self, notice: Notice) -> None:
        for destination, courier in self._staff.news.items():
            if notice.news.wanted(destination.on):
                courier.take(notice)

    def close(self, within_s: float = LAST_WORDS_S) -> None:
        """Give what waits one last try, all destinations at the same time; what is left then is dropped."""
        couriers = (*self._staff.couriers(), *self._leaving)
        for courier in couriers:
            courier.end()
        patience_s = within_s
        for courier in couriers:
            if not courier.wait(patience_s):
                patience_s = 0.0  # the others had the same time meanwhile

    def _courier(self, name: str, deliver: Callable[[Any], None]) -> Courier[Any]:
        return Courier(name, deliver, told=_by_key(self._told), pace=self._pace)

    def _speaks(self, destination: DestinationSetting, post: Post) -> Callable[[Notice], None]:
        form = _FORMS[destination.kind]

        def deliver(notice: Notice) -> None:
            post(form(notice, source=self._source))

        return deliver


def _draws(annotations: Annotations) -> Callable[[Mark], None]:
    def deliver(mark: Mark) -> None:
        annotations.deliver(mark, letters.annotation(mark))

    return deliver


def _by_key(told: Told) -> Callable[[str, Outcome, Notice | Mark, str], None]:
    def tell(destination: str, outcome: Outcome, thing: Notice | Mark, why: str) -> None:
        told(destination, outcome, thing.key, why)

    return tell


def _check(posts: Iterable[tuple[str, Post]]) -> None:
    problems = []
    for name, post in posts:
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
