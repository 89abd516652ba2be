"""Bytes that are not UTF-8 among the words of a command: it does what it is for, whatever they are."""

import pytest

from tests.e2e.cli.conftest import Cli

ODD = "\udcff\udcfe"  # what Python makes of $'\xff\xfe'
SHOWN = "\ufffd\ufffd"


@pytest.mark.parametrize("words", [("halt", ODD), ("halt", "--reason", ODD)])
def test_a_halt_halts_and_is_lifted_whatever_the_reason(chaosd: Cli, words: tuple[str, ...]) -> None:
    ran = chaosd(*words)
    assert (ran.code, ran.out, ran.err) == (0, f"halted: {SHOWN}\n", "")
    assert chaosd("status", "-o", "json").json["halted"] == SHOWN
    ran = chaosd("resume", "--because", ODD)
    assert (ran.code, ran.err) == (0, "")
    assert chaosd("status", "-o", "json").json["halted"] is None
    assert SHOWN in chaosd("audit").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["show", ODD], 5),
        (["revert", ODD], 2),
        (["settle", ODD, "--because", "x"], 5),
        (["settle", "nothing", "--because", ODD], 5),
        (["inject", "git-lock", "--repository", ODD], 5),
        (["recover", "--state-dir", "/dev/null"], 1),
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_not_there_is_one_clear_error(chaosd: Cli, words: list[str], code: int, form: str) -> None:
    chaosd("resume", "--because", "a journal to look into")
    ran = chaosd(*words, "-o", form)
    assert (ran.code, ran.err.count("chaosd: ")) == (code, 1), ran
    assert "Traceback" not in ran.err


def test_a_journal_is_adopted_whatever_the_reason(chaosd: Cli) -> None:
    chaosd("resume", "--because", "a journal to adopt")
    ran = chaosd("journal", "adopt", "--because", ODD)
    assert (ran.code, ran.err) == (0, "")


def test_a_user_with_an_odd_name_halts(chaosd: Cli) -> None:
    ran = chaosd("halt", USER=ODD)
    assert (ran.code, ran.out) == (0, f"halted: halted by {SHOWN}\n")
