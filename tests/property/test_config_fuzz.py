"""Ten thousand files through `chaosd config check`: settings or a list of mistakes, in bounded time and memory."""

import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from daemon.faces.cli import main

EXAMPLE = (Path(__file__).parents[1] / "unit/config/example.yaml").read_text()
WORDS = sorted({word for word in EXAMPLE.replace(",", " ").replace(":", " ").split() if word})
ODD = (
    *(
        "!!python/object/apply:os.system [x]",
        "!!python/name:os.system",
        "!!binary x",
        "!!set {a}",
        "!!timestamp 2026",
    ),
    *(
        "*a",
        "&a ",
        "<<: *a",
        "? ",
        "- ",
        "%YAML 9.9\n",
        "---\n",
        "...\n",
        "null",
        "yes",
        "0o7",
        "2026-12-24",
        "1:30:00",
    ),
    *("\x00", "\ufeff", "\u2028", "\u202e", "\U0001f4a5", "\ud7ff", "é" * 50, "\t", "\r", "\x1b[2J"),
    *("1e999", "-1", "9" * 400, "0x" + "f" * 400, ".inf", ".nan", "99999d", "-5s", "5 s", "0" * 5000),
    *"{}[]:|>'\"#~",
)
Made = Callable[[Random], bytes]


def bomb(dice: Random) -> bytes:
    """Aliases of aliases: a few lines that stand for billions of values, as a value, a list or by merging."""
    depth, wide, merged = dice.randint(5, 30), dice.randint(2, 20), dice.random() < 0.5
    lines = ["a0: &a0 {x: y}" if merged else "a0: &a0 [x, y]"]
    for level in range(1, depth):
        inner = ", ".join([f"*a{level - 1}"] * wide)
        lines.append(f"a{level}: &a{level} {{<<: [{inner}]}}" if merged else f"a{level}: &a{level} [{inner}]")
    return "\n".join([*lines, f"targets: *a{depth - 1}"]).encode()


def deep(dice: Random) -> bytes:
    pair = dice.choice(("[]", "{}"))
    opening = pair[0] if pair == "[]" else "{a: "
    return (
        f"{dice.choice(WORDS)}: " + opening * dice.randint(10, 60_000) + pair[1] * dice.randint(0, 60_000)
    ).encode()


def indented(dice: Random) -> bytes:
    return "\n".join(" " * n + "a:" for n in range(dice.randint(10, 600))).encode()


def noise(dice: Random) -> bytes:
    return dice.randbytes(dice.randint(0, 4000))


def huge(dice: Random) -> bytes:
    piece = dice.choice(("a: b\n", "- x\n", "x", "é", " ", "\n", "'", "[", "&a ", "# c\n", "k{}: v\n"))
    return "".join(piece.format(n) if "{}" in piece else piece for n in range(dice.randint(1000, 60_000))).encode()


def mutated(dice: Random) -> bytes:
    text = EXAMPLE
    for _ in range(dice.randint(1, 6)):
        start = dice.randrange(len(text))
        end = min(len(text), start + dice.choice((0, 1, 4, 20, 200)))
        other = dice.randrange(len(text))
        put = dice.choice((dice.choice(ODD), dice.choice(WORDS), text[other : other + dice.randint(1, 80)], ""))
        text = text[:start] + put + text[end:] or "x"
    return text.encode("utf-8", "surrogatepass")


def swapped_lines(dice: Random) -> bytes:
    lines = EXAMPLE.splitlines()
    for _ in range(dice.randint(1, 8)):
        lines.insert(
            dice.randrange(len(lines)), " " * dice.randint(0, 6) + lines.pop(dice.randrange(len(lines))).strip()
        )
    return "\n".join(lines).encode()


MAKERS: tuple[tuple[Made, int], ...] = (
    (mutated, 70), (swapped_lines, 15), (noise, 7), (bomb, 4), (indented, 2), (deep, 1), (huge, 1),
)  # fmt: skip


def made(count: int) -> Iterator[tuple[str, bytes]]:
    makers, weights = zip(*MAKERS, strict=True)
    for seed in range(count):
        dice = Random(seed)
        maker = dice.choices(makers, weights)[0]
        yield f"{maker.__name__}-{seed}", maker(dice)


def cpu_s() -> float:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_utime


def check_all(directory: Path, count: int, capture: pytest.CaptureFixture[str]) -> dict[int, int]:
    """Run `config check` over so many files; return how often each exit code came."""
    path, codes, before = directory / "chaosd.yaml", dict.fromkeys((0, 78), 0), peak_mb()
    for name, content in made(count):
        path.write_bytes(content)
        started = cpu_s()
        code = main(["-c", str(path), "config", "check"])
        took = cpu_s() - started
        said = capture.readouterr()
        assert code in codes, (name, code, said.err)
        assert "Traceback" not in said.err, name
        assert code == 0 or ("chaosd.yaml" in said.err + said.out), (name, said)
        assert took < 20, (name, took)  # a whole file of 256 KiB takes PyYAML seconds
        codes[code] += 1
    assert peak_mb() - before < 300
    return codes


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def test_a_thousand_files_are_read_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes = check_all(tmp_path, 1000, capsys)
    assert min(codes.values()) > 5  # both answers come, else the mutations are too wild or too tame


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_ten_thousand_files_are_read_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_all(tmp_path, 10_000, capsys)
