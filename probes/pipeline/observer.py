"""The observer: fills the ledger from the remote, the clones, the queues, the answers and the deployment.

It reads nothing that the worker says about itself except its answers. Only its own mirror changes, and answers to
our own messages are taken from their queue. What cannot be seen is written down as such.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from daemon.core.errors import ChaosdError, TargetAbsentError
from daemon.core.ledger import (
    Condition,
    Counts,
    Deployed,
    Effect,
    Ledger,
    Part,
    QueueState,
    Sent,
    Sighting,
    Stages,
)
from daemon.core.model import Instant
from daemon.core.seams import World
from daemon.core.target import Queue, Target
from probes.pipeline.answers import Answers
from probes.pipeline.letters import dead_letters
from probes.pipeline.mirror import Mirror, remote_url
from probes.pipeline.published import Commit, Published
from probes.pipeline.site import Site, uncertain
from probes.pipeline.workshop import Workshop, unless

T = TypeVar("T")
AGAIN_S = 1.5  # what is wrong only for a moment, while a worker is at it, is not counted
LOOKS = 4  # at a site that others work on: what it shows and where the branches are is not seen in one moment


@dataclass(slots=True, kw_only=True)
class Observer:
    """Implements ``ledger.Witness`` for one run on one target."""

    world: World
    target: Target
    run: str
    published: Published
    workshop: Workshop
    queue: Queue
    template: str
    answers: Answers | None
    site: Site | None
    _blind: dict[Part, str] = field(default_factory=dict)
    _before: tuple[Condition, ...] = ()
    _unseen_before: dict[Part, str] = field(default_factory=dict)
    _counts: tuple[Counts, Counts] | None = None
    _emptied: Instant = field(default=Instant(0, 0))
    _stages: dict[str, Stages] = field(default_factory=dict)
    _commits: dict[str, str] = field(default_factory=dict)
    _asked: Instant = field(default=Instant(0, 0))

    @classmethod
    def of(cls, target: Target, run: str, world: World) -> "Observer":
        """Return an observer; raises TargetAbsentError without a queue or a repository, or without a remote."""
        if target.queue is None or target.repository is None:
            raise TargetAbsentError(f"nothing was sent: target {target.name} needs a queue and a repository")
        url = remote_url(target.repository, world)
        published = Published(mirror=Mirror.of(target, url, world, "ledger"), mainline=target.repository.mainline)
        responses, place = target.queue.responses, target.deployment
        return cls(
            world=world,
            target=target,
            run=run,
            published=published,
            workshop=Workshop(world=world, target=target, published=published),
            queue=target.queue,
            template=target.repository.branch,
            answers=Answers(world=world, url=responses) if responses else None,
            site=Site(world=world, place=place, published=published) if place else None,
        )

    def begin(self) -> None:
        self._asked = self.world.clock.instant()
        self.published.begin()
        counts = self._count()
        self._counts = (counts, counts)
        self._before = tuple(self._several(Part.CLONES, self.workshop.begin))
        self._unseen_before = dict(self._blind)
        self._seen(Part.DEPLOYMENT, self._look_at_deployment, False)  # it may come back, and be looked at then

    def look(self, sent: Sequence[Sent]) -> bool:
        self._blind = {}
        changed = self._seen(Part.REMOTE, self._look_at_remote, False)
        changed |= self._seen(Part.QUEUE, self._look_at_queue, False)
        changed |= self._look_at_site()
        if self._seen(Part.RESPONSES, lambda: self._look_at_answers(sent), False):
            # What is answered should be there by now: looking at once tells the times apart.
            changed = True
            self._seen(Part.REMOTE, self._look_at_remote, False)
            self._look_at_site()
        return changed

    def finished(self, sent: Sequence[Sent]) -> bool:
        wanted = [s for s in sent if s.effect is Effect.ONCE and s.refused is None]
        done = [self._stages.get(s.token, Stages()) for s in wanted]
        if self._blind or self.waiting() or not all(s.pushed for s in done):
            return False
        answered = self.answers is None or all(s.answered for s in done)
        return answered and (self.site is None or self._shows_last(wanted, self.site))

    def waiting(self) -> int:
        return self._counts[1].waiting if self._counts else 0

    def ledger(self, sent: Sequence[Sent]) -> Ledger:
        deployed = self._look_until_told(sent)
        sightings = self._several(Part.REMOTE, self.published.survey)
        missing = {s.token for s in sent if s.effect is Effect.ONCE} - {s.token for s in sightings}
        kept = self._several(Part.CLONES, lambda: self.workshop.kept(missing))
        switches = self._several(Part.CLONES, lambda: self.workshop.switches(sent))
        conditions = self._several(Part.REMOTE, self.published.markers)
        conditions += self._several(Part.CLONES, lambda: self._lasting(self.workshop.conditions))
        conditions += self._several(Part.CLONES, lambda: self._lasting(self.workshop.fsck))
        state = self._seen(Part.QUEUE, lambda: self._queue_state(sent), None)
        return Ledger(
            run=self.run,
            sent=tuple(sent),
            remote=self.published.mirror.url,
            mainline=self.published.mainline,
            sightings=(*sightings, *kept),
            answers=tuple(self.answers.found) if self.answers else (),
            stages=self._dated(),
            conditions=tuple(conditions),
            before=self._before,
            queue=state,
            deployed=deployed,
            switches=tuple(switches),
            blind=self._all_blind(),
            absent=self._absent(),
        )

    # --- looking -----------------------------------------------------------------------------------------

    def _seen(self, part: Part, look: Callable[[], T], otherwise: T) -> T:
        """Return what a look sees; when it fails, note why that part is out of sight."""
        try:
            return look()
        except ChaosdError as error:
            self._blind[part] = unless(error)
            return otherwise

    def _several(self, part: Part, look: Callable[[], Sequence[T]]) -> list[T]:
        nothing: Sequence[T] = ()
        return list(self._seen(part, look, nothing))

    def _look_at_site(self) -> bool:
        changed = self._seen(Part.DEPLOYMENT, self._look_at_deployment, False)
        if changed:
            # What is not on the remote even now was pushed after this was deployed.
            self._seen(Part.REMOTE, self._look_at_remote, False)
        return changed

    def _look_at_remote(self) -> bool:
        asked = self.world.clock.instant()
        news = self.published.news()
        now = self.world.clock.instant()
        for seen in news:
            self._note(seen, now)
        self._asked = asked
        return bool(news)

    def _note(self, seen: Sighting, now: Instant) -> None:
        before = self._stages.get(seen.token, Stages())
        if before.pushed is None:
            self._stages[seen.token] = replace(before, pushed=now, pushed_after=self._asked)
        if seen.commit:
            self._commits.setdefault(seen.token, seen.commit)

    def _look_at_queue(self) -> bool:
        asked = self.world.clock.instant()
        now, seen = self._count(), self._counts
        if not now.waiting:
            self._emptied = asked
        self._counts = (seen[0] if seen else now, now)
        return seen is None or seen[1] != now

    def _count(self) -> Counts:
        urls = [self.queue.url, *([self.queue.interrupts] if self.queue.interrupts else [])]
        facts = [self.world.sqs.facts(url) for url in urls]
        dead = self.queue.dead_letter or facts[0].dead_letter_url
        return Counts(
            visible=sum(f.visible for f in facts),
            in_flight=sum(f.in_flight for f in facts),
            delayed=sum(f.delayed for f in facts),
            dead=self.world.sqs.facts(dead).visible if dead else None,
        )

    def _look_at_answers(self, sent: Sequence[Sent]) -> bool:
        if self.answers is None:
            return False
        news = self.answers.look(sent)
        for answer in self.answers.found:
            before = self._stages.get(answer.token, Stages())
            if before.answered is None:
                self._stages[answer.token] = replace(before, answered=answer.at)
        return news

    def _look_at_deployment(self) -> bool:
        if self.site is None:
            return False
        changed = self.site.look()
        waiting = [t for t, s in self._stages.items() if s.pushed and s.deployed is None]
        for token in self.site.held({t: self._commits.get(t) for t in waiting}):
            self._stages[token] = replace(self._stages[token], deployed=self.world.clock.instant())
        return changed

    def _shows_last(self, wanted: Sequence[Sent], site: Site) -> bool:
        pushed = [(at, s.sequence, s.token) for s in wanted if (at := self._stages[s.token].pushed)]
        if not pushed:
            return True
        stages = self._stages[max(pushed)[-1]]
        return stages.deployed is not None or site.overtaken(stages.pushed_after or self._asked)

    # --- the ledger --------------------------------------------------------------------------------------

    def _lasting(self, look: Callable[[], list[Condition]]) -> list[Condition]:
        """Return the conditions that are there at two looks."""
        first = look()
        if not first:
            return []
        self.world.clock.wait(None, AGAIN_S)
        self.published.news()
        known = {(c.what, c.repository, c.branch, c.commit, c.path) for c in first}
        return [c for c in look() if (c.what, c.repository, c.branch, c.commit, c.path) in known]

    def _dated(self) -> dict[str, Stages]:
        nothing: dict[str, Commit] = {}
        dates = self._seen(Part.REMOTE, self.published.dates, nothing)
        return {
            token: replace(s, committed_s=dates[token].at_s, commit=dates[token].id) if token in dates else s
            for token, s in self._stages.items()
        }

    def _look_until_told(self, sent: Sequence[Sent]) -> Deployed | None:
        """Look at everything; again while the site shows what may be the work of others on its way."""
        for attempt in range(LOOKS):
            if attempt:
                self.world.clock.wait(None, AGAIN_S)
            self.look(sent)
            deployed = self._seen(Part.DEPLOYMENT, lambda: self._deployed(sent), None)
            if not uncertain(deployed):
                break
        return deployed

    def _deployed(self, sent: Sequence[Sent]) -> Deployed | None:
        return self.site.deployed({s.token: self._commits.get(s.token) for s in sent}) if self.site else None

    def _queue_state(self, sent: Sequence[Sent]) -> QueueState | None:
        if self._counts is None:
            return None
        before, after = self._counts
        dead = dead_letters(self.queue, self.template, self.run, sent, self.world)
        wanted = [s for s in sent if s.effect is Effect.ONCE and s.refused is None]
        over = [*(s.at for s in sent), *(self._stages.get(s.token, Stages()).pushed for s in wanted)]
        emptied = all(at is not None and at < self._emptied for at in over)
        return QueueState(before=before, after=after, dead=dead.ours, unfit=dead.unfit, emptied=emptied)

    def _all_blind(self) -> dict[Part, str]:
        partial = self.answers.partial if self.answers else ""
        return {**({Part.RESPONSES: partial} if partial else {}), **self._unseen_before, **self._blind}

    def _absent(self) -> frozenset[Part]:
        missing = {Part.RESPONSES: self.answers is None, Part.DEPLOYMENT: self.site is None}
        return frozenset(part for part, is_missing in missing.items() if is_missing)
