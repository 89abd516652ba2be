"""The rules in force, taken up from disk, and the dice that say which calls they hit."""

import asyncio
import itertools
import logging
import random
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from daemon.core.model import Json
from daemon.core.proxying import LATE, Hits, Rule
from daemon.core.seams import Clock
from daemon.ports.clock import file_time_ns
from daemon.ports.rulefiles import RuleFiles

REMEMBERED = 8192  # calls per rule whose fate is known, so that their later tries share it
FORMER = 256  # rules out of force whose hits are still told
LOOK_S = 0.1
_log = logging.getLogger("chaosd.proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One call that is hit: by which rule, and the number that its own dice are seeded with.

    ``key`` is the call's name. The tries of one call have the same number, so they meet the same delay; with
    ``each_try`` each has its own.
    """

    rule: Rule
    number: int
    key: str = ""

    @property
    def parameters(self) -> Mapping[str, Json]:
        return self.rule.parameters

    def dice(self) -> random.Random:
        """Return dice for what else is random in this strike."""
        return random.Random(self.number)  # noqa: S311  chance to be repeated, no secret


@dataclass(slots=True)
class _Standing:
    """A rule in force with what it did: the fate of the calls seen last, and the counters.

    A call is ``drawn`` when the dice say so, and counts as hit once the strike has landed.
    """

    rule: Rule
    fates: OrderedDict[str, bool] = field(default_factory=OrderedDict)
    landed: set[str] = field(default_factory=set)
    matched: int = 0
    drawn: int = 0
    calls: int = 0
    tries: int = 0
    ways: Counter[str] = field(default_factory=Counter)

    @property
    def hits(self) -> Hits:
        return Hits(matched=self.matched, calls=self.calls, tries=self.tries, ways=dict(self.ways))

    def strikes(self, key: str, number: int) -> bool:
        """Decide on a call, once: a later try of the same call gets the same answer."""
        fate = self.fates.get(key)
        if fate is None:
            self.matched += 1
            fate = number < self.rule.percent / 100 * 2**64 and not 0 < self.rule.most <= self.drawn
            self.drawn += fate
            self.fates[key] = fate
            if len(self.fates) > REMEMBERED:
                self.landed.discard(self.fates.popitem(last=False)[0])
        return fate

    def land(self, key: str) -> None:
        """Count a try that was hit."""
        self.tries += 1
        if key not in self.landed:
            self.landed.add(key)
            self.calls += 1


class RuleBook:
    """The rules of one proxy; for one thread (the event loop's), because nothing here is locked.

    A look at the directory's time stamp before each answer costs some 3 us and needs no notification that could
    be lost; so a rule is changed by replacing its file, never in it. ``tell`` hears of each broken file once.
    """

    def __init__(self, directory: Path, clock: Clock, *, tell: Callable[[str], None] = _log.warning) -> None:
        self._files = RuleFiles(directory)
        self._clock = clock
        self._tell = tell
        self._standing: dict[str, _Standing] = {}
        self._former: OrderedDict[str, Hits] = OrderedDict()
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._seen_ns = -1
        self._unnamed = itertools.count()
        self.struck: Counter[str] = Counter()
        """Tries hit, by the fault whose rule it was; only grows."""
        self.broken: dict[str, str] = {}
        """What is wrong with each file that holds no rule, by injection."""

    # --- what is in force --------------------------------------------------------------------------------

    def rules(self) -> Mapping[str, Hits]:
        """Return the rules in force by injection, with what each did since this proxy began or took it up."""
        self.look()
        return {name: one.hits for name, one in self._standing.items()}

    def standing(self, lane: str) -> tuple[Rule, ...]:
        """Return the rules in force in a lane, oldest injection first; counts nothing."""
        self.look()
        return tuple(one.rule for one in self._standing.values() if one.rule.lane == lane)

    def in_force(self, injection: str) -> bool:
        """Tell whether the rule of an injection is in force."""
        self.look()
        return injection in self._standing

    def hits(self, injection: str) -> Hits | None:
        """Return what a rule did, one that is out of force by now too; None when it is not known here."""
        self.look()
        one = self._standing.get(injection)
        return one.hits if one else self._former.get(injection)

    async def over(self, injection: str) -> None:
        """Wait until the rule of an injection is out of force: taken out, or its time over."""
        while self.in_force(injection):  # noqa: ASYNC110  the end of a rule is an event of the disk and the clock
            await asyncio.sleep(LOOK_S)

    # --- who is hit --------------------------------------------------------------------------------------

    def hit(
        self,
        lane: str,
        *,
        call: str = "",
        service: str = "",
        operation: str = "",
        resource: str = "",
        applies: Callable[[Rule], bool] = lambda _: True,
    ) -> Strike | None:
        """Decide whether a call (in a relay: a connection, a push) is hit, and by which rule; counts.

        What strikes later (``LATE``) is counted as hit only by ``land``: the rule may be out of force by then.

        The oldest rule that hits is the one that strikes. ``call`` names the logical call: asked again with the
        same name, the answer is the same and only a try is counted; without a name it is a call of its own, as each
        try is under a rule with ``each_try``. A rule that does not fit, or does not ``applies``, counts nothing.
        """
        self.look()
        for one in self._standing.values():
            rule = one.rule
            if rule.lane != lane or not rule.match.fits(service, operation, resource) or not applies(rule):
                continue
            key = call if call and not rule.each_try else f"#{next(self._unnamed)}"
            number = _number(rule.seed, key)
            if one.strikes(key, number):
                strike = Strike(rule=rule, number=number, key=key)
                if rule.effect not in LATE:
                    self.land(strike)
                return strike
        return None

    def land(self, strike: Strike) -> bool:
        """Count a strike as one that hits; False, and nothing is counted, when its rule is out of force by now."""
        if not self.in_force(strike.rule.injection):
            return False
        self._standing[strike.rule.injection].land(strike.key)
        self.struck[strike.rule.fault] += 1
        return True

    def note(self, injection: str, way: str) -> None:
        """Count how it was decided that it was time to strike, where there is more than one way."""
        one = self._standing.get(injection)
        if one is not None:
            one.ways[way] += 1

    # --- what is on disk ---------------------------------------------------------------------------------

    def look(self) -> None:
        """Take up what changed on disk, and drop what is past its time, its file too. Cheap when nothing has."""
        try:
            changed_ns = self._files.directory.stat().st_mtime_ns
        except FileNotFoundError:
            changed_ns = 0
        if changed_ns != self._seen_ns:
            # The kernel's time stamps stand still for some milliseconds: a change in the tick of the last one shows
            # no difference, so what we saw in that very tick is looked at again.
            began_ns = file_time_ns()
            self._take_up()
            self._seen_ns = changed_ns if changed_ns < began_ns else -1
        if self._standing:
            now_s = self._clock.instant().wall_s
            for name in [n for n, one in self._standing.items() if one.rule.until_s <= now_s]:
                self._release(name)
                with suppress(OSError):  # a disk that is full or read-only: what we have read is not read again
                    self._files.remove(name)

    def _take_up(self) -> None:
        names = list(self._files.names())
        for gone in self._stamps.keys() - set(names):
            del self._stamps[gone]
            self.broken.pop(gone, None)
            self._release(gone)
        for name in names:
            self._read(name)
        self._standing = dict(sorted(self._standing.items()))

    def _read(self, name: str) -> None:
        stamp = self._files.stamp(name)
        if stamp is None or self._stamps.get(name) == stamp:
            return
        self._stamps[name] = stamp
        try:
            rule = self._files.read(name)
        except (OSError, ValueError) as error:
            self._release(name)
            self.broken[name] = str(error)
            self._tell(f"the rule of {name} is not in force: its file cannot be used: {error}")
            return
        self.broken.pop(name, None)
        if rule is None:  # gone since
            return
        now = self._standing.get(name)
        if now is None or now.rule != rule:
            self._standing[name] = _Standing(rule)

    def _release(self, name: str) -> None:
        one = self._standing.pop(name, None)
        if one is None:
            return
        self._former[name] = one.hits
        if len(self._former) > FORMER:
            self._former.popitem(last=False)


def _number(seed: int, key: str) -> int:
    """Return a number below 2**64 that seed and name decide."""
    return int.from_bytes(blake2b(f"{seed}:{key}".encode(), digest_size=8).digest())
