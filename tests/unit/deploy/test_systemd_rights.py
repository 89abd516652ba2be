"""The undo without a start, as the guide has it: with every right that a drop-in gave the unit to inject."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs/deploy-systemd.md"
DROP_INS = sorted((ROOT / "deploy/systemd/chaosd.service.d").glob("*.conf"))


def given(text: str) -> set[str]:
    """Return the capabilities of every line that gives some; what is commented out gives none."""
    lines = re.findall(r"^(?![#;]).*\bAmbientCapabilities=([A-Z_ ]+)", text, re.MULTILINE)
    return {name for line in lines for name in line.split()}


def test_the_undo_without_a_start_has_the_rights_of_every_drop_in() -> None:
    (command,) = re.findall(r"^systemd-run (?:[^\n]*\\\n)*[^\n]*$", GUIDE.read_text(), re.MULTILINE)
    needed = {path.name: given(path.read_text()) for path in DROP_INS}
    assert needed["limits.conf"] == {"CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"}, "they are read as they stand there"
    assert {name: rights - given(command) for name, rights in needed.items() if not rights <= given(command)} == {}
    assert given(command) == set().union(*needed.values()), "and none that no drop-in gives"
