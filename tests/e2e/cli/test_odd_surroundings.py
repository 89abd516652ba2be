"""Commands started without standard streams, onto a full disk, or in a directory that has gone."""

from pathlib import Path

import pytest

from daemon.core.errors import ChaosdError, UsageError
from daemon.faces.cli.calling import address
from daemon.ports.state import StateDirectory
from tests.e2e.cli.conftest import Cli


def redirected(how: str) -> tuple[str, ...]:
    return ("sh", "-c", f'exec "$@" {how}', "sh")


def test_without_standard_streams_it_does_what_it_is_for(chaosd: Cli, repository: Path) -> None:
    how = "<&- >&- 2>&-"
    ran = chaosd("inject", "git-lock", "--repository", repository, "--for", "100ms", before=redirected(how))
    assert (ran.code, "Traceback" in ran.err) == (0, False), ran
    assert not list((repository / ".git").glob("*.lock"))
    assert chaosd("recover", before=redirected(how)).code == 0


@pytest.mark.parametrize("words", [("faults", "list"), ("recover", "-o", "json")])
def test_an_answer_that_cannot_be_written_is_one_clear_error(chaosd: Cli, words: tuple[str, ...]) -> None:
    ran = chaosd(*words, before=redirected(">/dev/full"))
    assert (ran.code, ran.err.splitlines()[0]) == (
        1,
        "chaosd: the answer could not be written: No space left on device",
    )
    assert "Traceback" not in ran.err


def test_an_error_that_cannot_be_written_keeps_its_exit_code(chaosd: Cli) -> None:
    ran = chaosd("settle", "nothing", "--because", "x", "-o", "json", before=redirected(">/dev/full 2>&1"))
    assert (ran.code, "Traceback" in ran.err) == (2, False)


@pytest.mark.parametrize("words", [("status", "--state-dir", "here"), ("config", "init", "--no-ask")])
def test_a_directory_that_has_gone_is_one_clear_error(chaosd: Cli, words: tuple[str, ...]) -> None:
    ran = chaosd(*words, before=("sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh"))
    assert (ran.code, ran.err.splitlines()[0]) == (1, "chaosd: nothing was done: the current directory is gone")


def test_no_word_at_all_shows_the_help_as_it_is(chaosd: Cli) -> None:
    ran = chaosd()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.rstrip() == chaosd("--help").out.rstrip()


@pytest.mark.parametrize("what", ["a link that leads nowhere", "a file"])
def test_what_cannot_be_looked_into_is_no_all_clear(tmp_path: Path, what: str) -> None:
    path = tmp_path / "state"
    if what == "a file":
        path.touch()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(ChaosdError, match="cannot be looked into"):
        StateDirectory(path).within_reach()
    assert StateDirectory(tmp_path / "none").within_reach().path == tmp_path / "none"


def test_recovering_in_a_misspelt_or_missing_place_says_so(chaosd: Cli) -> None:
    (chaosd.home / "link").symlink_to("nowhere")
    ran = chaosd("recover", "--state-dir", "link")
    assert (ran.code, ran.err.count("chaosd: "), "Traceback" in ran.err) == (1, 1, False)
    assert chaosd("recover").out == f"nothing to recover: no chaosd has worked in {chaosd.state}\n"


@pytest.mark.parametrize("name", ["", "../status", "a/b"])
def test_what_is_no_id_is_not_sent_as_another_path(name: str) -> None:
    with pytest.raises(UsageError, match="no injection"):
        address(name, "revert")
