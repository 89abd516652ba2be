"""The kinds of words the options take."""

import os
import pwd
from collections.abc import Mapping
from typing import Any

import click

AGO_YEARS = 10  # a journal may be older than any fault or wait can be long


class Duration(click.ParamType[float]):
    """``250ms``, ``30s``, ``5m``, ``1h30m``, as seconds; at most ``years``."""

    name = "duration"

    def __init__(self, *, years: int = 1) -> None:
        self._years = years

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from daemon.core.parameters import duration

        try:
            return duration(value, years=self._years)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Setting(click.ParamType[tuple[str, str]]):
    """``key=value``, as a pair."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is no key=value", param, ctx)
        return key.strip(), text


class Words(click.ParamType[str]):
    """Text for people or an id, whatever bytes it was given in; not for a path, which means what its bytes say."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from daemon.core.harmless import sound

        del param, ctx
        return sound(str(value))


class Place(click.ParamType[str]):
    """A path that is given: an empty one, as of a variable not set, would mean where one happens to stand."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value:
            self.fail("'' is no path: name the repository; '.' is where you are", param, ctx)
        return str(value)


class DefectName(click.ParamType[str]):
    """A defect of the lab's worker, by its name."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from daemon.core.parameters import nearest
        from daemon.lab.worker.defects import Defect

        known = tuple(defect.value for defect in Defect)
        if value not in known:
            self.fail(f"unknown defect {value!r}{nearest(str(value), known)}", param, ctx)
        return str(value)


DURATION = Duration()
AGO = Duration(years=AGO_YEARS)
SETTING = Setting()
WORDS = Words()
PLACE = Place()
DEFECT = DefectName()


def who(environment: Mapping[str, str] = os.environ) -> str:
    """Return who asks, for the journal: the person behind sudo, the user, or the user id."""
    from daemon.core.harmless import sound

    named = environment.get("SUDO_USER") or environment.get("USER")
    if named:
        return sound(named)
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
