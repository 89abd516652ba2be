"""No shell anywhere in the product: commands are argument lists, and nothing is evaluated."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [p for folder in ("daemon", "faults", "probes") for p in sorted((ROOT / folder).rglob("*.py"))]
FORBIDDEN = frozenset(
    (
        *(
            "os.system",
            "os.popen",
            "subprocess.getoutput",
            "subprocess.getstatusoutput",
            "pty.spawn",
            "eval",
            "exec",
        ),
        *("asyncio.create_subprocess_shell", "pickle.load", "pickle.loads", "marshal.loads", "yaml.load"),
    )
)
SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh"))


def called(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{called(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def shells(source: str) -> list[str]:
    """Return what runs a shell, or evaluates text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{n.name}" for n in node.names if f"{node.module}.{n.name}" in FORBIDDEN]
        if isinstance(node, ast.Call):
            name = called(node.func)
            given = {k.arg: k.value for k in node.keywords}
            shell = given.get("shell")
            if name in FORBIDDEN or (shell is not None and getattr(shell, "value", True) is not False):
                found.append(f"{name} in line {node.lineno}")
        if isinstance(node, ast.List | ast.Tuple) and len(node.elts) > 1:
            first, second = (getattr(e, "value", None) for e in node.elts[:2])
            if isinstance(first, str) and first.rsplit("/", 1)[-1] in SHELLS and second == "-c":
                found.append(f"{first} -c in line {node.lineno}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_shell_and_nothing_evaluated(path: Path) -> None:
    assert shells(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.system('x')",
        "subprocess.run('x', shell=True)",
        "subprocess.run('x', shell=flag)",
        "from os import popen",
        "run(['/bin/sh', '-c', text])",
        "eval(text)",
        "yaml.load(text)",
    ],
)
def test_each_way_to_a_shell_is_found(source: str) -> None:
    assert shells(source)


def test_a_list_of_arguments_is_fine() -> None:
    assert shells("subprocess.run(['git', '-c', 'x'], shell=False)") == []
