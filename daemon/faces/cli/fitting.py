"""Lines that fit: cut to a width, shortened to a height, written in the characters the terminal has."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from daemon.core.harmless import printable

GUTTER = 13
CAP_PART = 3  # no column but the last takes more than a third of the room


@dataclass(slots=True, kw_only=True)
class Section:
    """Rows with a label in the gutter.

    When lines must go, sections with a low ``rank`` lose rows first, down to ``floor``, then down to nothing;
    from the end, or from the top where the newest is ``newest_last``. ``gone`` counts them.
    """

    label: str
    rows: list[Text]
    rank: int
    floor: int = 1
    newest_last: bool = False
    style: str = "cyan"
    gone: int = field(default=0, init=False)

    def shrink(self) -> None:
        """Give up one row."""
        self.rows.pop(0 if self.newest_last else -1)
        self.gone += 1

    def lines(self) -> list[Text]:
        """Return the rows behind the gutter; what is gone is told in it."""
        more = f"+{self.gone} more" if self.gone else ""
        heads = [self.label, more] if len(self.rows) > 1 else [f"{self.label} +{self.gone}" if more else self.label]
        drawn = []
        for number, row in enumerate(self.rows):
            head = heads[number] if number < len(heads) else ""
            style = "dim" if number else self.style
            drawn.append(Text.assemble((f" {head}".ljust(GUTTER - 1) + " ", style), row))
        return drawn


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands for what was cut off."""

    ellipsis: str = "…"

    @classmethod
    def of(cls, encoding: str | None) -> "Mark":
        """Return the mark an encoding has a character for."""
        return cls() if (encoding or "").lower().replace("-", "").startswith("utf") else cls("...")


def shorten(sections: Sequence[Section], room: int) -> tuple[list[Section], int]:
    """Take rows from the sections until they fit into ``room`` lines; return those left and the rows of the others.

    The least important go first; of equals the longest.
    """
    rows = sum(len(s.rows) for s in sections)
    for to_floor in (True, False):
        while rows > max(room, 0):
            losing = [s for s in sections if len(s.rows) > (s.floor if to_floor else 0)]
            if not losing:
                break
            min(losing, key=lambda s: (s.rank, -len(s.rows))).shrink()
            rows -= 1
    left = [s for s in sections if s.rows]
    return left, sum(s.gone for s in sections if not s.rows)


def grid(rows: Sequence[Sequence[Text | str]], room: int, mark: Mark) -> list[Text]:
    """Return rows in columns as wide as their widest cell; the last column takes what is left of ``room`` cells."""
    made = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    cap = max(room // CAP_PART, 1)
    widths = [min(max(cell_len(cell.plain) for cell in column), cap) for column in zip(*made, strict=True)][:-1]
    drawn = []
    for row in made:
        line = Text()
        for cell, width in zip(row, widths, strict=False):
            short = cut(cell, width, mark)
            line.append_text(short).append(" " * (width - cell_len(short.plain) + 2))
        drawn.append(cut(line.append_text(row[-1]), room, mark))
    return drawn


def cut(text: Text, width: int, mark: Mark) -> Text:
    """Return the text in at most ``width`` cells, the mark at its end when some of it is gone."""
    if cell_len(text.plain) <= width:
        return text
    kept_cells = width - len(mark.ellipsis)
    if kept_cells < 1:
        return text[: max(width, 0)]
    kept = len(set_cell_size(text.plain, kept_cells).rstrip())
    return text[:kept].append(mark.ellipsis)


def wrapped(text: str, room: int, *, most: int = 3) -> list[str]:
    """Return a sentence from outside on at most ``most`` lines, long words broken."""
    import textwrap

    return textwrap.wrap(printable(text), max(room, 10), max_lines=most, placeholder=" ...") or [""]


@dataclass(frozen=True, slots=True)
class Page:
    """Lines for one terminal, each cut to its width. A rich renderable; cheap: no layout is made."""

    lines: Sequence[Text]
    mark: Mark = field(default_factory=Mark)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            for segment in cut(line, options.max_width, self.mark).render(console):
                yield Segment(_written(segment.text, options.encoding), segment.style or Style.null())
            yield Segment.line()


def _written(text: str, encoding: str) -> str:
    """Return the text with ``?`` for what the terminal's encoding cannot write."""
    return text if encoding.startswith("utf") else text.encode(encoding, "replace").decode(encoding)
