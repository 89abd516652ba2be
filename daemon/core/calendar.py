"""When experiments may run: weekly windows and blackouts, read from text. Pure: the time comes in by argument."""

import difflib
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Self

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_S = 86400
_WINDOW = "write days, hours and a time zone, for example 'mon-fri 09:00-17:00 Europe/Berlin'"
_BLACKOUT = "write 2026-12-20/2027-01-03 (both days included) or two RFC 3339 times"
_HOURS = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]")
_YEARS = range(1970, 9999)  # one short of datetime's own end, so that "the next day" always exists


def zone(name: str) -> tzinfo:
    """Return the time zone called ``name`` in the IANA database; raises ValueError with the nearest name."""
    if name.upper() in ("UTC", "Z"):
        return UTC  # works without a time zone database, as in minimal containers
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # A directory of the database, a path out of it and a name with odd characters end here as well.
        pass
    known = {n.lower(): n for n in zoneinfo.available_timezones()}
    if not known:
        raise ValueError(f"time zone {name!r} cannot be found: this host has no time zone database (tzdata)")
    close = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"; did you mean {known[close[0]]!r}?" if close else "; write one such as Europe/Berlin or UTC"
    raise ValueError(f"{name!r} is no time zone{hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A weekly opening: on ``days`` (0 is Monday) from ``start_s`` to before ``end_s``, wall-clock seconds.

    Hours whose end is not after their start run over midnight and belong to the day on which they begin.
    Wall-clock rules: 09:00 is 09:00 on both sides of a change to daylight saving time.
    """

    text: str
    days: frozenset[int]
    start_s: int
    end_s: int
    zone: tzinfo

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``[days] [hours] [zone]``; every day, all day and UTC where left out; raises ValueError."""
        words = text.split()
        days, hours = frozenset(range(7)), (0, DAY_S)
        found = 0
        if words and (given := _days(words[0])) is not None:
            days, found = given, 1
        if words[found:] and re.match(r"\d", words[found]):
            hours, found = _hours(words[found]), found + 1
        if not found or len(words) > found + 1:
            raise ValueError(f"{text!r} is no window: {_WINDOW}")
        where = zone(words[found]) if words[found:] else UTC
        return cls(text=text, days=days, start_s=hours[0], end_s=hours[1], zone=where)

    def contains(self, at: datetime) -> bool:
        """Tell whether the aware time ``at`` lies in the window; raises ValueError when it is naive."""
        local = _aware(at).astimezone(self.zone)
        second = local.hour * 3600 + local.minute * 60 + local.second
        today, yesterday = local.weekday() in self.days, (local.weekday() - 1) % 7 in self.days
        if self.start_s < self.end_s:
            return today and self.start_s <= second < self.end_s
        return (today and second >= self.start_s) or (yesterday and second < self.end_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackout:
    """A span without experiments, from ``start`` to before ``end``; both are in UTC."""

    text: str
    start: datetime
    end: datetime

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``DAY``, ``FROM/TO`` (days included, or RFC 3339 times) and an optional zone; raises ValueError."""
        words = re.sub(r"\s*/\s*", "/", text, count=1).split()
        if len(words) not in (1, 2):
            raise ValueError(f"{text!r} is no blackout: {_BLACKOUT}")
        where = zone(words[1]) if words[1:] else None
        first, slash, last = words[0].partition("/")
        start, end = _moment(first, where, text), _moment(last if slash else first, where, text, closing=True)
        if end <= start:
            raise ValueError(f"{text!r} is no blackout: it ends before it begins")
        return cls(text=text, start=start, end=end)

    def contains(self, at: datetime) -> bool:
        """Tell whether the aware time ``at`` lies in the blackout; raises ValueError when it is naive."""
        return self.start <= _aware(at).astimezone(UTC) < self.end


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a time without a zone cannot be compared with a window or blackout")
    return at


def _days(word: str) -> frozenset[int] | None:
    """Return weekday numbers from ``mon-fri,sun``, ``*`` or ``daily``; None when the word is not about days."""
    if word.lower() in ("*", "daily"):
        return frozenset(range(7))
    if "/" in word or not word[0].isalpha() or word.upper() == "UTC":
        return None
    chosen: set[int] = set()
    for part in word.lower().split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{part!r} is no weekday or range of weekdays: {_WINDOW}")
        start, end = DAYS.index(first), DAYS.index(last or first)
        chosen.update((start + i) % 7 for i in range((end - start) % 7 + 1))
    return frozenset(chosen)


def _hours(word: str) -> tuple[int, int]:
    found = _HOURS.fullmatch(word)
    if found is None:
        raise ValueError(f"{word!r} is no span of hours: {_WINDOW}")
    h1, m1, h2, m2 = (int(n) for n in found.groups())
    start, end = h1 * 3600 + m1 * 60, h2 * 3600 + m2 * 60
    if max(m1, m2) > 59 or start >= DAY_S or end > DAY_S:  # noqa: PLR2004  minutes of an hour
        raise ValueError(f"{word!r} is no span of hours: a time lies between 00:00 and 24:00")
    if start == end:
        raise ValueError(f"{word!r} is an empty span of hours; write 00:00-24:00 for the whole day")
    return start, end


def _moment(word: str, where: tzinfo | None, text: str, *, closing: bool = False) -> datetime:
    """Return an instant; a plain day means its first moment or, when ``closing``, that of the next day."""
    try:
        if _DATE.fullmatch(word):
            day = date.fromisoformat(word)
            _check_year(day.year)
            day += timedelta(days=1) if closing else timedelta()
            # UTC, because two times of one zone compare by the wall clock, which runs backwards once a year.
            return datetime(day.year, day.month, day.day, tzinfo=where or UTC).astimezone(UTC)
        at = datetime.fromisoformat(word) if _TIME.match(word) else None
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no blackout: {word!r}: {error}") from None
    if at is None:
        raise ValueError(f"{text!r} is no blackout: {_BLACKOUT}")
    _check_year(at.year)
    if at.tzinfo is None and where is None:
        raise ValueError(f"{text!r} is no blackout: {word!r} has no offset; add one, or a zone after the span")
    return (at if at.tzinfo else at.replace(tzinfo=where)).astimezone(UTC)


def _check_year(year: int) -> None:
    if year not in _YEARS:
        raise ValueError(f"the year {year} is out of range")
