"""How to install it: only what works. chaosd is on no package index."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
INDEXED = re.compile(r"pip install(?: -\S+)* ['\"]?chaosd\b")


def test_nobody_is_told_to_install_it_from_an_index() -> None:
    documents = (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.yml"))
    assert [str(found) for found in documents if INDEXED.search(found.read_text())] == []
    assert INDEXED.search("/opt/chaosd/bin/pip install --upgrade chaosd`, then")
    assert not INDEXED.search("/opt/chaosd/bin/pip install .    # chaosd")
