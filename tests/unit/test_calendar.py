"""Windows and blackouts: what they read, what they hold, and both changes of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.calendar import DAYS, Blackout, Window, zone

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")
moments = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001  Hypothesis adds the zone
    datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from(ZONES).map(ZoneInfo),
)


def at(day: int, time: str, where: ZoneInfo = BERLIN) -> datetime:
    """Return a moment in the week of Monday, 23 November 2026."""
    hour, minute = map(int, time.split(":"))
    return datetime(2026, 11, 23 + day, hour, minute, tzinfo=where)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (
            "mon-fri 09:00-17:00 Europe/Berlin",
            [(0, "09:00"), (4, "16:59")],
            [(0, "08:59"), (4, "17:00"), (5, "12:00")],
        ),
        ("mon,wed 09:00-10:00 Europe/Berlin", [(0, "09:30"), (2, "09:30")], [(1, "09:30")]),
        ("sat-mon Europe/Berlin", [(5, "00:00"), (6, "12:00"), (0, "23:59")], [(1, "00:00"), (4, "23:59")]),
        ("* 00:00-24:00 Europe/Berlin", [(0, "00:00"), (6, "23:59")], []),
        ("daily", [(0, "00:00"), (6, "23:59")], []),
        ("MON 08:00-09:00 Europe/Berlin", [(0, "08:30")], [(1, "08:30")]),
        ("09:00-10:00 utc", [(0, "10:30")], [(0, "09:30")]),
        (
            "fri 22:00-06:00 Europe/Berlin",
            [(4, "22:00"), (4, "23:59"), (5, "00:00"), (5, "05:59")],
            [(4, "21:59"), (4, "05:00"), (5, "06:00"), (5, "22:30")],
        ),
        ("sun 22:00-06:00 Europe/Berlin", [(6, "23:00"), (0, "05:00")], [(0, "23:00"), (6, "05:00")]),
    ],
)
def test_a_window_holds_what_it_says(
    text: str, inside: list[tuple[int, str]], outside: list[tuple[int, str]]
) -> None:
    window = Window.parse(text)
    assert window.text == text
    assert [m for m in inside if not window.contains(at(*m))] == []
    assert [m for m in outside if window.contains(at(*m))] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no window"),
        ("Europe/Berlin", "is no window"),
        ("UTC", "is no window"),
        ("mon-fri 09:00-17:00 Europe/Berlin please", "is no window"),
        ("mon-fry", "'mon-fry' is no weekday"),
        ("mon-", "'mon-' is no weekday"),
        ("monday 09:00-17:00", "'monday' is no weekday"),
        ("mon 9-17", "'9-17' is no span of hours"),
        ("mon 09:00-17:60", "a time lies between"),
        ("mon 24:00-25:00", "a time lies between"),
        ("mon 09:00-24:01", "a time lies between"),
        ("mon 09:00-09:00", "is an empty span"),
        ("mon 09:00-17:00 Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("mon 09:00-17:00 Europe", "is no time zone"),
        ("mon 09:00-17:00 ../../etc/passwd", "is no time zone"),
        ("mon 09:00-17:00 /etc/localtime", "is no time zone"),
        ("mon 09:00-17:00 a\0b", "is no time zone"),
    ],
)
def test_what_is_no_window_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Window.parse(text)
    assert why in str(caught.value)


def test_the_hour_that_never_was_is_not_waited_for() -> None:
    window = Window.parse("02:00-03:00 Europe/Berlin")
    midnight = datetime(2026, 3, 29, tzinfo=BERLIN).astimezone(UTC)
    assert not any(window.contains(midnight + timedelta(minutes=m)) for m in range(23 * 60))


def test_the_hour_that_is_twice_is_open_twice() -> None:
    window = Window.parse("02:00-03:00 Europe/Berlin")
    midnight = datetime(2026, 10, 25, tzinfo=BERLIN).astimezone(UTC)
    open_minutes = [m for m in range(25 * 60) if window.contains(midnight + timedelta(minutes=m))]
    assert open_minutes == list(range(120, 240))


@pytest.mark.parametrize("day", [datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)])
def test_nine_o_clock_is_nine_o_clock_on_both_sides_of_the_change(day: datetime) -> None:
    window = Window.parse("09:00-10:00 Europe/Berlin")
    local = day.astimezone(BERLIN)
    assert window.contains(local.replace(hour=9))
    assert not window.contains(local.replace(hour=8, minute=59))


@given(moments, st.sampled_from(ZONES), st.integers(0, 6), st.integers(0, 1439), st.integers(0, 1440))
def test_hours_and_their_complement_share_out_every_day(
    moment: datetime, name: str, day: int, start: int, end: int
) -> None:
    """The window over midnight is the complement of the one between, day by day, whatever the clock does."""
    if start == end or end % 1440 == start % 1440:
        return
    text = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    inside = Window.parse(f"{DAYS[day]} {text} {name}")
    local = moment.astimezone(ZoneInfo(name))
    minute = local.hour * 60 + local.minute
    if start < end:
        expected = local.weekday() == day and start <= minute < end
    else:
        began = local if minute >= start else local - timedelta(days=1)
        expected = began.weekday() == day and not end <= minute < start
    assert inside.contains(moment) is expected


@given(moments)
def test_all_days_together_are_always_open_and_each_day_is_the_local_one(moment: datetime) -> None:
    assert Window.parse("daily").contains(moment)
    local = moment.astimezone(BERLIN)
    assert [d for d in DAYS if Window.parse(f"{d} Europe/Berlin").contains(moment)] == [DAYS[local.weekday()]]


@given(moments)
def test_the_answer_depends_on_the_moment_and_not_on_how_it_is_written(moment: datetime) -> None:
    window, blackout = (
        Window.parse("mon-fri 22:00-06:00 America/New_York"),
        Blackout.parse("2024-03-01/2031-11-05 Asia/Kathmandu"),
    )
    assert window.contains(moment) is window.contains(moment.astimezone(UTC))
    assert blackout.contains(moment) is blackout.contains(moment.astimezone(UTC))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-12-20/2027-01-03", "2026-12-20T00:00+00:00", "2027-01-04T00:00+00:00"),
        ("2026-12-20 / 2027-01-03 Europe/Berlin", "2026-12-20T00:00+01:00", "2027-01-04T00:00+01:00"),
        ("2026-12-24", "2026-12-24T00:00+00:00", "2026-12-25T00:00+00:00"),
        ("2026-12-20T18:00:00+01:00/2026-12-21T06:00:00Z", "2026-12-20T17:00+00:00", "2026-12-21T06:00+00:00"),
        ("2026-12-20T18:00/2026-12-21 Europe/Berlin", "2026-12-20T18:00+01:00", "2026-12-22T00:00+01:00"),
        ("2026-03-29 Europe/Berlin", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),  # a day of 23 hours
    ],
)
def test_a_blackout_holds_from_its_first_moment_to_its_last(text: str, start: str, end: str) -> None:
    first, after = datetime.fromisoformat(start), datetime.fromisoformat(end)
    blackout = Blackout.parse(text)
    tick = timedelta(microseconds=1)
    assert blackout.contains(first)
    assert blackout.contains(after - tick)
    assert not blackout.contains(first - tick)
    assert not blackout.contains(after)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no blackout: write 2026-12-20/2027-01-03"),
        ("christmas", "is no blackout: write"),
        ("2026-12-20/", "is no blackout: write"),
        ("/2026-12-20", "is no blackout: write"),
        ("2026-12-20/2026-12-21 UTC UTC", "is no blackout: write"),
        ("2026-12-21/2026-12-20", "it ends before it begins"),
        ("2026-02-30", "day is out of range"),
        ("2026-12-20T25:00Z/2026-12-21", "hour must be in"),
        ("2026-12-20T18:00/2026-12-21T06:00", "'2026-12-20T18:00' has no offset"),
        ("9999-12-31", "the year 9999 is out of range"),
        ("0001-01-01T00:00+23:00/2026-01-01", "the year 1 is out of range"),
        ("2026-12-20/2026-12-21 Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("2026-10-25T02:30+02:00/2026-10-25T02:20+02:00", "it ends before it begins"),
    ],
)
def test_what_is_no_blackout_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Blackout.parse(text)
    assert why in str(caught.value)


def test_wall_clocks_may_run_backwards_within_a_blackout() -> None:
    blackout = Blackout.parse("2026-10-25T02:30+02:00/2026-10-25T02:10+01:00")  # 40 minutes long
    assert blackout.contains(datetime(2026, 10, 25, 2, 5, fold=1, tzinfo=BERLIN))
    assert not blackout.contains(datetime(2026, 10, 25, 2, 5, fold=0, tzinfo=BERLIN))


@given(
    st.lists(
        st.sampled_from([*"0123456789-:/,TZ*+. ", "2026-12-24", "09:00", "mon", "fri", "UTC", "Europe/Berlin"])
    )
)
def test_any_text_is_read_or_refused_with_a_sentence(pieces: list[str]) -> None:
    text = "".join(pieces)
    for kind in (Window, Blackout):
        try:
            assert kind.parse(text).text == text
        except ValueError as error:
            assert str(error)  # noqa: PT017  either way is right


def test_a_time_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="without a zone"):
        Window.parse("daily").contains(naive)
    with pytest.raises(ValueError, match="without a zone"):
        Blackout.parse("2026-12-24").contains(naive)


def test_utc_needs_no_time_zone_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.ZoneInfo", None)
    assert zone("utc") is UTC


def test_a_host_without_a_time_zone_database_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    with pytest.raises(ValueError, match="this host has no time zone database"):
        zone("Nowhere/Here")
