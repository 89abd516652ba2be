"""How drawings are laid out for a wide and for a narrow screen."""

from dataclasses import dataclass

WIDTH, LEFT, RIGHT, TOP = 960.0, 236.0, 16.0, 26.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a drawing is laid out: ``label`` and ``verdict`` say where those texts stand (x, y from the row, anchor).

    ``spare`` is the room for verdicts beside the rows; marks on an axis are ``gap`` apart at least, in units of
    ``width``.
    """

    name: str
    width: float
    left: float
    spare: float
    lane: float
    row: float
    gap: float
    label: tuple[float, float, str]
    verdict: tuple[float, float, str]


WIDE = Shape(
    name="wide",
    width=WIDTH,
    left=LEFT,
    spare=118.0,
    lane=34.0,
    row=24.0,
    gap=0.0,
    label=(LEFT - 12, 4.0, "end"),
    verdict=(WIDTH - RIGHT - 110, 4.0, "start"),
)
# For a phone: the texts stand above their rows, and nothing has to be scrolled sideways.
NARROW = Shape(
    name="narrow",
    width=340.0,
    left=18.0,
    spare=14.0,
    lane=48.0,
    row=44.0,
    gap=42.0,
    label=(2.0, -14.0, "start"),
    verdict=(338.0, -14.0, "end"),
)
