"""The examples that people copy: no token that lets into chaosd is the one sent to somebody else."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TEXTS = ("docs/guide.md", "daemon/config/starter.py", "docs/deploy-systemd.md", "deploy/systemd/chaosd.service")
OWN = re.compile(r"scope: (?:read|control), (?:file|credential): ([^\s,}]+)|LoadCredential=([^:\s]+):(\S+)")
SENT = re.compile(r"url: [^\n]*token_(?:file|credential): ([^\s,}]+)|url_file: ([^\s,}]+)")


def told(pattern: re.Pattern[str]) -> set[str]:
    texts = [(ROOT / name).read_text() for name in TEXTS]
    return {name for text in texts for found in pattern.findall(text) for name in found if name}


def test_no_example_sends_a_token_of_chaosds_own_to_others() -> None:
    assert told(OWN) >= {"/etc/chaosd/ops.token", "chaosd-ops", "/etc/chaosd/prometheus.token"}
    assert told(SENT) >= {"/etc/chaosd/to-hook.token", "/etc/chaosd/to-grafana.token", "to-bus"}
    assert not told(OWN) & told(SENT)
