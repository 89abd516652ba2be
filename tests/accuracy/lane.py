"""One lane: a party with its outages, and chaosd as a user runs it against the party's server."""

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.accuracy.compare import Measured, Truth, read

CHAOSD = str(Path(sys.executable).parent / "chaosd")
PARTY = str(Path(__file__).parent / "party.py")
TIMEOUT_S = 150.0
SHORTEST_S, LONGEST_S = 0.3, 20.0
STABLE_S = 1.5
CONFIG = """\
version: 1
targets:
  party: {{processes: {{port: {port}}}, limits: {{recover: {limit_s:g}s}}}}
probes:
  - {{name: answers, probe: http, target: party, every: 10s, set: {{url: "http://127.0.0.1:{port}/"}}}}
steady_state: {{party: [answers]}}
sampling: {{probe_every: 250ms, stable_for: {stable_s:g}s}}
"""


@dataclass(frozen=True, kw_only=True)
class Outage:
    """How long the party is to stay away, and how long chaosd lets the injection stand."""

    length_s: float
    stays: str = "40s"


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Runs its outages one after the other; every injection with a state directory of its own."""

    name: str
    directory: Path
    outages: tuple[Outage, ...]
    limit_s: float
    tell: Callable[[str], object] = lambda _: None

    def run(self) -> list[Measured]:
        self.directory.mkdir()
        lengths = [f"{o.length_s:.3f}" for o in self.outages]
        with subprocess.Popen(
            [sys.executable, PARTY, str(self._truth), *lengths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as party:
            assert party.stdin is not None
            assert party.stdout is not None
            try:
                config = CONFIG.format(port=int(party.stdout.readline()), limit_s=self.limit_s, stable_s=STABLE_S)
                (self.directory / "chaosd.yaml").write_text(config)
                answers = []
                for number, outage in enumerate(self.outages):
                    answers.append(self._inject(number, outage))
                    party.stdout.readline()  # back again, whether or not chaosd waited for it
            finally:
                party.stdin.close()  # the party's sign to end
        return self._compared(answers)

    @property
    def _truth(self) -> Path:
        return self.directory / "truth.jsonl"

    def _inject(self, number: int, outage: Outage) -> dict:
        words = ["-c", self.directory / "chaosd.yaml", "--state-dir", self.directory / f"state-{number}"]
        words += ["-o", "json", "inject", "interrupt-signal", "--target", "party", "--mode", "sigterm"]
        words += ["--for", outage.stays]
        ran = subprocess.run([CHAOSD, *words], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        found = json.loads(ran.stdout or "{}")
        if found.get("verdict") is None:
            raise RuntimeError(f"no verdict (exit {ran.returncode}): {ran.stdout}{ran.stderr}")
        self.tell(
            f"  {self.name}: {outage.length_s:.2f} s wished, {found['verdict']}: {'; '.join(found['reasons'])}"
        )
        if found["injection"]["injected_at"] is None:
            raise RuntimeError(f"nothing was injected: {found['reasons']}")
        return found

    def _compared(self, answers: Sequence[dict]) -> list[Measured]:
        """Read the party's book only now: chaosd has long answered."""
        truths = [Truth(**json.loads(line)) for line in self._truth.read_text().splitlines()]
        return [
            read(
                answer,
                truth,
                lane=self.name,
                limit_s=self.limit_s,
                injected_wall_s=datetime.fromisoformat(answer["injection"]["injected_at"]).timestamp(),
            )
            for answer, truth in zip(answers, truths, strict=True)
        ]


def lengths(seed: int, count: int, *, longest_s: float = LONGEST_S) -> list[float]:
    """Draw outage lengths, log-uniform: as many below 2.5 s as above."""
    dice = random.Random(seed)
    low, high = math.log(SHORTEST_S), math.log(longest_s)
    return [math.exp(dice.uniform(low, high)) for _ in range(count)]
