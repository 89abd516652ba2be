"""The size of things: a module past 300 lines or a function past 40 is several things."""

import ast
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [p for folder in ("daemon", "faults", "probes") for p in sorted((ROOT / folder).rglob("*.py"))]
MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 40


def too_long(source: str) -> list[str]:
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        f.name for f in functions if f.end_lineno is not None and f.end_lineno - f.lineno + 1 > FUNCTION_LINES_MAX
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_is_one_thing_and_so_is_a_function(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= MODULE_LINES_MAX
    assert too_long(source) == []


def test_the_counting_of_function_lines_counts() -> None:
    body = "\n".join("    x = 1" for _ in range(FUNCTION_LINES_MAX))
    assert too_long(f"def f():\n{body}\n") == ["f"]


def test_the_package_docstring_is_all_there_is_in_daemon() -> None:
    tree = ast.parse((ROOT / "daemon/__init__.py").read_text())
    assert [type(n) for n in tree.body] == [ast.Expr]
    assert not (ROOT / "daemon/daemon.py").exists()
    assert not (ROOT / "daemon/pidfile.py").exists()


@pytest.mark.parametrize("name", ["daemon", "faults", "probes"])
def test_no_other_distribution_owns_our_names(name: str) -> None:
    assert set(packages_distributions().get(name, ())) <= {"chaosd"}


def test_every_package_of_the_house_is_in_the_architecture_page() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    folders = {p.parent.relative_to(ROOT).as_posix() for p in SOURCES if p.name == "__init__.py"}
    assert [f for f in sorted(folders) if f"`{f}`" not in page] == []
