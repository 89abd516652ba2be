"""Commands started without standard streams, onto a full disk, or in a directory that has gone."""

from pathlib import Path

import pytest

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
