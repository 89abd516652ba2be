"""``chaosd report``: a period of the journal, judged again, for people and for programs."""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.core.errors import UsageError
from daemon.faces.cli.session import Session, config_option, state_option
from daemon.faces.cli.types import AGO_YEARS

if TYPE_CHECKING:
    from daemon.core.course import ScenarioRun
    from daemon.core.target import Limits
    from daemon.faces.report.collect import Period, Run
    from daemon.ports.state import StateDirectory

FORMATS = ("html", "json", "junit", "md")
SUFFIXES = {".html": "html", ".htm": "html", ".json": "json", ".xml": "junit", ".md": "md"}
NOT_HELD = 1


class Moment(click.ParamType[float]):
    """``2026-06-01``, ``2026-06-01T12:00:00Z`` (UTC when no zone is named), or how long ago, as epoch seconds."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from daemon.core.parameters import TooLongError, duration
        from daemon.ports.clock import SystemClock

        try:
            return SystemClock().instant().wall_s - duration(value, years=AGO_YEARS)
        except TooLongError as error:
            self.fail(str(error), param, ctx)
        except ValueError:
            pass
        try:
            named = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no moment: write 24h, 7d, 2026-06-01 or 2026-06-01T12:00:00Z", param, ctx)
        return (named if named.tzinfo else named.replace(tzinfo=UTC)).timestamp()


class Span(click.ParamType[tuple[float, float]]):
    """Two moments with a slash between them."""

    name = "moment/moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        first, slash, last = str(value).partition("/")
        if not slash:
            self.fail(f"{value!r} is no period: write A/B, e.g. 14d/7d or 2026-06-01/2026-06-08", param, ctx)
        return MOMENT.convert(first, param, ctx), MOMENT.convert(last, param, ctx)


MOMENT = Moment()
SPAN = Span()


@click.command(short_help="A period judged again, as HTML, Markdown, JSON or JUnit.")
@click.option("--since", type=MOMENT, default="24h", show_default=True, help="A moment, or how long ago.")
@click.option("--until", type=MOMENT, default="0s", help="A moment, or how long ago; now by default.")
@click.option("--compare", type=SPAN, metavar="A/B", help="Compare with the earlier period from A until B.")
@click.option(
    "--compare-since", type=MOMENT, metavar="A", help="Compare with the earlier period from A until --since."
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="By default after FILE's suffix, else md.")
@click.option(
    "-o", "--output", "file", metavar="FILE", help="Where to, else stdout; json and text mean the format."
)
@config_option
@state_option
@click.pass_obj
def report(  # noqa: PLR0913, PLR0917  one parameter an option
    session: Session,
    since: float,
    until: float,
    compare: tuple[float, float] | None,
    compare_since: float | None,
    form: str | None,
    file: str | None,
) -> int:
    """Judge the period again from the journal and report: verdicts, recovery, messages, invariants, gaps.

    Exit 0 when everything held or recovered; 1 when something did not, is unknown, or nothing was tested.
    A refused experiment did not run and counts for nothing; a baseline's defects are listed and fail nothing.
    """
    from daemon.faces.report.collect import Period

    if compare_since is not None:
        compare = (compare_since, since)
    for first, last in ((since, until), *([compare] if compare else [])):
        if first >= last:
            raise UsageError("nothing reported: the period ends before it begins")
    earlier = Period(*compare) if compare else None
    document = compose(session.state, _limits(session), Period(since, until), earlier)
    chosen, path = _where(form, "json" if session.json and file is None else file)
    write(render(document, chosen), path)
    return 0 if document["summary"]["held"] else NOT_HELD


def _where(form: str | None, output: str | None) -> tuple[str, Path | None]:
    """Return format and file. ``-o json`` means what it means everywhere else; a file so called is ``./json``."""
    if output is None or output in {"json", "text"}:
        return form or ("json" if output == "json" else "md"), None
    path = Path(output)
    return form or SUFFIXES.get(path.suffix.lower(), "md"), path


def compose(
    state: "StateDirectory", limits: "Mapping[str, Limits]", period: "Period", earlier: "Period | None" = None
) -> dict[str, Any]:
    """Return the report's document of a journal that is read only: it may belong to a running daemon."""
    from importlib.metadata import version

    from daemon import wiring
    from daemon.faces import shapes
    from daemon.faces.report.content import Question, content
    from daemon.faces.report.trials import trials
    from daemon.ports.clock import SystemClock

    runs, before, found = _history(state, period, earlier)
    question = Question(
        period=period,
        earlier=earlier,
        made_at_s=SystemClock().instant().wall_s,
        chaosd=version("chaosd"),
        faults=[shapes.fault(kind) for _, kind in sorted(wiring.faults().items())],
        limits=limits,
    )
    return content(question, runs, before, found=trials(found, runs))


def _history(
    state: "StateDirectory", period: "Period", earlier: "Period | None"
) -> "tuple[tuple[Run, ...], tuple[Run, ...], tuple[ScenarioRun, ...]]":
    """Return the injections of one or two periods and the scenario runs; none where there is no journal yet."""
    if not state.journal.exists():
        return (), (), ()
    from daemon import wiring
    from daemon.faces.report.collect import collect, collect_runs

    journal = wiring.open_journal(state, readonly=True)
    try:
        before = collect(journal, earlier) if earlier else ()
        return collect(journal, period), before, collect_runs(journal, period)
    finally:
        journal.close()


def _limits(session: Session) -> "Mapping[str, Limits]":
    """Return the targets' objectives, where there is a configuration; the journal alone makes a report too."""
    if session.config_path() is None:
        return {}
    return {name: target.limits for name, target in session.settings().targets.items()}


def render(document: Mapping[str, Any], form: str) -> str:
    """Return the document in one of FORMATS."""
    return _renderer(form)(document)


def _renderer(form: str) -> Callable[[Mapping[str, Any]], str]:
    """Return the form's renderer; only its own module is imported."""
    match form:
        case "html":
            from daemon.faces.report import html

            return html.render
        case "junit":
            from daemon.faces.report import junit

            return junit.render
        case "md":
            from daemon.faces.report import markdown

            return markdown.render
        case _:
            return _json


def _json(document: Mapping[str, Any]) -> str:
    import json

    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


def write(text: str, file: Path | None) -> None:
    """Write to a file, or to stdout; raises UsageError when the file cannot be written."""
    # A file name in the journal may hold bytes that are no text; they came in as surrogates.
    data = text.encode("utf-8", errors="replace")
    if file is None:
        sys.stdout.buffer.write(data)
        return
    try:
        file.write_bytes(data)
    except OSError as error:
        raise UsageError(f"nothing reported: cannot write {file}: {error.strerror}") from error
