"""A real Prometheus on loopback, and its answers."""

import json
import re
import shutil
import socket
import subprocess
import time  # noqa: TID251 - bounds the wait for a real process
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROMETHEUS = shutil.which("prometheus")
# The rules as shipped, in a hurry: what lasts minutes lasts seconds. Days stay days. Nothing else is changed.
HURRY = (
    (r"\bfor: (?:\d+m|1h)$", "for: 2s"),
    (r"\[15m\]", "[20s]"),
    (r"\boffset 15m\b", "offset 20s"),
    (r"\[2m\]", "[4s]"),
    (r"\[1h:1m\]", "[30s:1s]"),
    (r"> (?:60|120)$", "> 1"),
)


def hurried(rules: str) -> str:
    """Return a rules file with its durations shortened, and nothing else."""
    for pattern, instead in HURRY:
        rules = re.sub(pattern, instead, rules, flags=re.MULTILINE)
    return rules


@dataclass(frozen=True, slots=True)
class Server:
    """A running Prometheus."""

    address: str

    def _get(self, path: str, **query: str) -> Any:
        url = f"{self.address}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]

    def series(self, expression: str) -> Sequence[Mapping[str, Any]]:
        """Return the series of an instant query; a scalar is one."""
        found = self._get("/api/v1/query", query=expression)
        return found["result"] if found["resultType"] == "vector" else [{"metric": {}, "value": found["result"]}]

    def firing(self) -> set[str]:
        """Return the names of the alerts that are firing."""
        return {a["labels"]["alertname"] for a in self._get("/api/v1/alerts")["alerts"] if a["state"] == "firing"}

    def rules(self) -> Sequence[Mapping[str, Any]]:
        """Return every rule as loaded, with its health."""
        return [rule for group in self._get("/api/v1/rules")["groups"] for rule in group["rules"]]


@contextmanager
def running(home: Path, scraped: Mapping[str, Sequence[str]], rules: Mapping[str, str]) -> Iterator[Server]:
    """Run Prometheus: scrape jobs (names to addresses) and evaluate rules each second. Stopped by its handle.

    ``home`` may hold blocks of history in ``data``.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    for name, text in rules.items():
        (home / name).write_text(text)
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": sorted(rules),
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(addresses or [address])}]}
            for job, addresses in scraped.items()
        ],
    }
    (home / "prometheus.yml").write_text(yaml.safe_dump(config))
    words = [f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}"]
    words += [f"--web.listen-address={address}", "--storage.tsdb.retention.time=30d"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([str(PROMETHEUS), *words], stdout=log, stderr=log)
        try:
            _await_ready(f"http://{address}", process, home / "log")
            yield Server(f"http://{address}")
        finally:
            process.terminate()
            process.wait(60)


def _await_ready(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    over_s = time.monotonic() + 120
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < over_s, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
