"""Latency and loss by netem, in an emulated machine: where this kernel has none, and to see a queue really go."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binom

from tests.integration.network import emulated
from tests.integration.network.guest import DELAY_S, MARK

ODDS = 1e-10
KERNEL = emulated.kernel()
KILLS = int(os.environ.get("CHAOSD_INSTANTS", "200"))
pytestmark = [
    pytest.mark.torture,
    pytest.mark.timeout(emulated.SECONDS + 60),
    pytest.mark.skipif(
        KERNEL is None,
        reason="needs qemu, busybox and a kernel with netem (CHAOSD_KERNEL=directory of boot/ and lib/)",
    ),
]


def told(directory: Path, *words: str) -> dict[str, Any]:
    """Boot, let the guest measure, and return what it told, by name."""
    assert KERNEL is not None
    said = emulated.run(KERNEL, " ".join(("tests.integration.network.guest", *words)), directory)
    lines = [line.removeprefix(MARK) for line in said.splitlines() if line.startswith(MARK)]
    sys.stdout.write("\n".join(("", *lines, "")))
    assert lines, said[-4000:]
    return {name: value for line in lines for name, value in json.loads(line).items()}


def test_whoever_is_killed_in_the_act_no_queue_is_left(tmp_path: Path) -> None:
    found = told(tmp_path, str(KILLS))["kills"]
    assert sum(found.values()) == KILLS // 10 * 10, "cut off, or something was left"
    assert len(found) == 2, "every kill fell into the same state: nothing was tried"


def test_netem_delays_and_loses_only_what_it_should_and_nothing_is_left(tmp_path: Path) -> None:
    found = told(tmp_path)
    latency, jitter, loss, fuse = (found[name] for name in ("latency", "jitter", "loss", "fuse"))
    assert max(found["round_trip"], latency["spared_s"], jitter["spared_s"]) < DELAY_S / 2
    assert DELAY_S <= latency["hit_s"] < 2 * DELAY_S
    assert DELAY_S / 2 <= jitter["hit_s"] < 2 * DELAY_S
    assert (latency["outcome"], latency["again"], latency["second"]) == ("restored", "untouched", "not-ours")
    assert latency["packets"] > 0
    assert binom.ppf(ODDS, loss["of"], 0.3) <= loss["lost"] <= binom.isf(ODDS, loss["of"], 0.3)
    assert loss["afterwards"] == 0
    assert fuse["hit_s"] >= DELAY_S
    assert fuse["queue_stayed"]
    assert fuse["outcome"] == "restored"
    assert latency["as_before"]
    assert loss["as_before"]
    assert fuse["as_before"]
    assert found["deaths"]["moments"] == found["deaths"]["died"] > 8
    assert found["deaths"]["left"] == 0
