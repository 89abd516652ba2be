"""The wheel: all that is needed is in it, and from an empty directory every documented command works."""

import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
import venv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from daemon.faces.cli import program
from tests.e2e.git.tree import make_repository
from tests.e2e.wheel.commands import ALONE, BESIDE_A_DAEMON, BY_HAND, ELSEWHERE, EVERY, IN_THE_LAB, Command
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]
LAB = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it with what is installed: no network, no isolation."""
    directory = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = directory.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_that_is_needed_at_run_time_and_no_other(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    words = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    known = subprocess.run([*words, "daemon", "faults", "probes"], check=True, capture_output=True, text=True)
    ours = set(known.stdout.splitlines())
    assert {name.rpartition(".")[2] for name in ours} == {"py", "j2", "css", "js", "svg"}
    assert ours <= packed
    (page,) = [name for name in packed if name.endswith("share/man/man1/chaosd.1")]
    assert zipfile.ZipFile(wheel).read(page) == (ROOT / "deploy/man/chaosd.1").read_bytes()
    others = {name for name in packed - ours if ".dist-info/" not in name}
    assert others == {page}


def test_nothing_that_is_installed_reads_the_repository() -> None:
    """`deploy`, `docs` and `tests` are not installed: no module may import them or look for them beside itself."""
    for path in (p for folder in ("daemon", "faults", "probes") for p in (ROOT / folder).rglob("*.py")):
        text = path.read_text()
        assert not re.search(r"^\s*(?:from|import) (?:deploy|docs|tests)\b", text, re.MULTILINE), path
        assert not re.search(r"__file__[^\n]*(?:deploy|docs|tests)", text), path


def verbs(group: click.Group, *above: str) -> Iterator[str]:
    """Yield every command there is, as it is written after ``chaosd``."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from verbs(command, *above, name)
        else:
            yield " ".join((*above, name))


def verb_of(words: str) -> str:
    """Return the command of some words: the longest that is one."""
    plain = [word for word in shlex.split(words.replace("{lab}/chaosd.yaml", "FILE")) if word not in ("-c", "FILE")]
    return next((v for n in (2, 1) if (v := " ".join(plain[:n])) in KNOWN), "")


KNOWN = set(verbs(program))


def test_every_command_is_in_the_table_and_every_one_of_the_documents_too() -> None:
    tabled = {verb_of(command.words) for command in EVERY} - {""}
    assert KNOWN - tabled == ELSEWHERE
    shown = set()
    for document in ("README.md", "docs/guide.md", "docs/scenarios.md", "docs/runbook.md"):
        text = (ROOT / document).read_text()
        for line in re.findall(r"(?:^\$? ?|`)chaosd ([a-z][^\n`#]*)", text, re.MULTILINE):
            words = re.sub(r"-(?:c|-config) \S+ ?", "", line).split()
            shown |= {v for v in (" ".join(words[:2]), " ".join(words[:1])) if v in KNOWN}
    assert len(shown) > 20
    assert shown <= tabled | ELSEWHERE


# --- the long version ----------------------------------------------------------------------------------------


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """Install the wheel with its extra in an empty virtual environment and return its bin."""
    venv.create(tmp_path / "venv", with_pip=True)
    bin_ = tmp_path / "venv" / "bin"
    pip = [str(bin_ / "pip"), "install", "--quiet", "--disable-pip-version-check", f"{wheel}[lab]"]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    return bin_


class Shell:
    """An empty directory and an environment in which nothing points at the repository."""

    def __init__(self, bin_: Path, home: Path, repository: Path) -> None:
        self.home, self.lines = home, list[str]()
        self._places = {"repository": str(repository), "lab": str(home / "lab")}
        self.environment = {"PATH": f"{bin_}:{os.environ['PATH']}", "HOME": str(home), "LC_ALL": "C.UTF-8", **LAB}

    def run(self, commands: Sequence[Command]) -> None:
        for command in commands:
            words = ["chaosd", *shlex.split(command.words.format(**self._places))]
            done = subprocess.run(
                words,
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=900,
            )
            said = done.stdout + done.stderr
            self.lines.append(f"{done.returncode:3d}  chaosd {command.words}")
            print(self.lines[-1])  # noqa: T201  the table that this run is for
            assert done.returncode in command.codes, f"{words} ended with {done.returncode}\n{said}"
            assert command.prints in said, f"{words}\n{said}"
            assert "Traceback" not in said
            assert str(ROOT) not in said


@contextmanager
def daemon(shell: Shell) -> Iterator[str]:
    """Run `chaosd run` as documented; yield the address it says."""
    log = shell.home.parent / "daemon.log"
    with log.open("w") as err:
        words = ["chaosd", "run", "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(words, cwd=shell.home, env=shell.environment, stderr=err)
    try:

        def listening() -> re.Match[str] | None:
            assert process.poll() is None, log.read_text()
            return re.search(r'"listen": "(http://[^"]+)"', log.read_text())

        yield wait_for("its address", listening, 120, 0.1)[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 128 + signal.SIGTERM, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.torture
@pytest.mark.timeout(3000)
def test_every_documented_command_works_from_the_wheel_in_an_empty_directory(
    installed: Path, tmp_path: Path
) -> None:
    home = tmp_path / "empty"
    home.mkdir()
    shell = Shell(installed, home, make_repository(tmp_path / "repository"))
    shell.run(ALONE)
    helps = tuple(Command(f"{verb} --help", prints="Usage:") for verb in sorted(KNOWN))
    shell.run(helps)
    shell.run(BY_HAND)
    for name, begins in {"report.html": "<!doctype html>", "week.md": "#", "chaosd.xml": "<?xml"}.items():
        assert (home / name).read_text().lower().startswith(begins), name
    config = home / "chaosd.yaml"
    careful = config.read_text()
    for rule, at_once in (("min_gap: 10m", "min_gap: 0s"), ('windows: ["mon-fri 09:00-17:00 UTC"]', "windows: []")):
        assert rule in careful
        careful = careful.replace(rule, at_once)
    config.write_text(careful)
    with daemon(shell) as address:
        shell.run(BESIDE_A_DAEMON)
        with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
            assert b"chaosd_build_info" in answer.read()
    try:
        shell.run(IN_THE_LAB)
    except BaseException:
        shell.run([Command("lab down --dir {lab}", (0, 1))])  # it would outlive us
        raise
    man = subprocess.run(
        ["man", "--warnings", "-l", str(installed.parent / "share/man/man1/chaosd.1")],
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (man.returncode, man.stderr) == (0, "")
    assert man.stdout.startswith("CHAOSD(1)")
    assert len(shell.lines) == len(ALONE) + len(helps) + len(BY_HAND) + len(BESIDE_A_DAEMON) + len(IN_THE_LAB)


def test_the_manual_page_is_what_the_commands_say_now() -> None:
    words = [sys.executable, "-c", "import page, sys; sys.stdout.write(page.page())"]
    made = subprocess.run(words, cwd=ROOT / "deploy/man", check=True, capture_output=True, text=True).stdout
    assert (ROOT / "deploy/man/chaosd.1").read_text() == made, "run `make made`"
    for verb in KNOWN:
        assert f"chaosd {verb}".replace("-", "\\-") in made, verb
