"""docs/aws-faults.md, made from catalogue and measured table: `python -m tests.integration.proxy.document`."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from faults import CATALOGUE
from tests.integration.proxy.sdk_cases import Case
from tests.integration.proxy.sdk_table import CASES
from tests.integration.proxy.sdks import OWN_TIMEOUT_S

PAGE = Path(__file__).parents[3] / "docs" / "aws-faults.md"
TEXT = Path(__file__).with_name("aws-faults.md.in")
SLOTS = ("FAULTS", "TABLE")


def document() -> str:
    """Return the page: our words, with the two tables in their places."""
    page = TEXT.read_text()
    for slot, made in zip(SLOTS, (_faults(), _table()), strict=True):
        page = page.replace(f"<!-- {slot} -->\n", "".join(f"{line}\n" for line in made))
    return page


def _faults() -> Iterator[str]:
    yield "| fault | what happens | modes |"
    yield "| --- | --- | --- |"
    for name, kind in CATALOGUE.items():
        if name.startswith("aws-"):
            modes = "; ".join(f"`{mode.name}`: {mode.summary}" for mode in kind.modes)
            yield f"| `{name}` | {kind.summary} | {modes} |"


def _table() -> Iterator[str]:
    yield "| fault | call | boto3, its default (`legacy`) | boto3, `standard` | AWS SDK v3 (Node) | in AWS then |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for case in CASES:
        cells = [str(replace(cell, holds="")) for cell in case.sees]
        holds = [cell.holds for cell in case.sees]
        held = holds[0] if len(set(holds)) == 1 else " / ".join(holds)
        yield f"| {_injected(case)} | {case.call} | {' | '.join(cells)} | {held or '-'} |"


def _injected(case: Case) -> str:
    settings: Mapping[str, str] = case.parameters
    first = settings.get("each_try") == "true"
    given = [f"{name}={value}" for name, value in settings.items() if not (first and name in {"each_try", "most"})]
    notes = ["the first try only"] if first else []
    notes += [f"the worker waits {OWN_TIMEOUT_S:g} s for an answer"] if case.impatient else []
    return f"`{' '.join((case.fault, *given))}`" + (f", {', '.join(notes)}" if notes else "")


if __name__ == "__main__":
    PAGE.write_text(document())
