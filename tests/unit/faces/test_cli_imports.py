"""What a command imports is what it costs: nothing heavy before it is needed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "boto3",
    "botocore",
    "git",
    "apscheduler",
    "prometheus_client",
    "structlog",
    "pydantic",
    "rich",
    "yaml",
    "werkzeug",
    "waitress",
    "jinja2",
    "numpy",
    "scipy",
)
LOADED = (
    "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
)


def loaded_by(statement: str, cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{statement}\n{LOADED}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), "CHAOSD_STATE_DIR": str(cwd / "state")},
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_importing_the_command_line_imports_nothing_heavy(tmp_path: Path) -> None:
    assert loaded_by("import daemon.faces.cli", tmp_path) & {*HEAVY, "msgspec", "sqlite3"} == set()


@pytest.mark.parametrize("words", [["--help"], ["status"], ["history"], ["recover"], ["inject", "--help"]])
def test_the_quick_commands_import_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    statement = f"from daemon.faces.cli import main\nassert main({words!r}) == 0"
    assert loaded_by(statement, tmp_path) & set(HEAVY) == set()


def test_injecting_into_a_repository_imports_nothing_of_aws_or_configuration(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "r")], check=True, timeout=30)
    words = ["inject", "git-lock", "--mode", "head-lock", "--repository", "r", "--for", "0s"]
    statement = f"from daemon.faces.cli import main\nassert main({words!r}) in (0, 1)"
    # GitPython is left out: the git port loads it for the first git command of the probe.
    assert loaded_by(statement, tmp_path) & set(HEAVY) - {"git"} == set()
    assert not (tmp_path / "r/.git/HEAD.lock").exists()


def test_help_imports_no_verb(tmp_path: Path) -> None:
    statement = (
        "from daemon.faces.cli import main\nassert main(['--help']) == 0\nimport sys\n"
        "loaded = [n for n in sys.modules if n.startswith('daemon.')]\n"
        "verbs = {'run', 'inject', 'desk', 'past'} & {n.split('.')[-1] for n in loaded if '.cli.' in n}\n"
        "assert not verbs, verbs\n"
        "assert 'daemon.wiring' not in loaded\n"
    )
    loaded_by(statement, tmp_path)


def test_a_fault_without_a_workload_loads_nothing_of_scenarios(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "r")], check=True, timeout=30)
    words = ["inject", "git-lock", "--mode", "head-lock", "--repository", "r", "--for", "0s"]
    only = (
        "daemon.core.course",
        "daemon.core.workloads",
        "daemon.engine.company",
        "daemon.engine.sweeper",
        "daemon.ports.runs",
    )
    statement = (
        "from daemon.faces.cli import main\n"
        f"assert main({words!r}) in (0, 1)\n"
        f"import sys; assert not set({only!r}) & set(sys.modules), sorted(set({only!r}) & set(sys.modules))"
    )
    loaded_by(statement, tmp_path)
