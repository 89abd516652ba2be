"""The files we print load with the faults and probes we ship, and with the scheduler's own reading of cron."""

from pathlib import Path
from typing import Any

import pytest

from daemon.config import load, starter
from daemon.core.errors import ConfigError
from daemon.engine.scheduler import cron_trigger
from faults import CATALOGUE as FAULTS
from probes import CATALOGUE as PROBES

INSTALLED: dict[str, Any] = {
    "environment": {}, "overrides": {}, "faults": FAULTS, "probes": PROBES, "check_cron": cron_trigger,
}  # fmt: skip
ZONE = "21: experiments[0].timezone: "


def test_the_example_of_the_design_and_the_starter_load(tmp_path: Path, example: str) -> None:
    for text in (example, starter()):
        path = tmp_path / "c.yaml"
        path.write_text(text)
        assert "editor" in load(path, **INSTALLED).targets


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("visible <=", "visble <=", "16: probes[1].expect: 'visble <= 100': unknown measure"),
        ("visible <=", "visible =<", "16: probes[1].expect: 'visible =< 100' is no condition: write"),
        ("ct-truncate", "ct-trunkate", "22: experiments[1].set.mode: 'loose-object-trunkate' is not one"),
        ("9-17 * *", "9-77 * *", "21: experiments[0].cron: '*/30 9-77 * * mon-fri'"),
        ('fri"}', 'fri", timezone: Europe/Berlinn}', f"{ZONE}'Europe/Berlinn' is no time zone; did you mean 'Eu"),
        ('fri"}', 'fri", timezone: Europe}', f"{ZONE}'Europe' is no time zone; did you mean 'Europe/"),
        ('fri"}', 'fri", timezone: /etc/localtime}', f"{ZONE}'/etc/localtime' is no time zone"),
    ],
)  # fmt: skip
def test_the_plug_ins_own_rules_are_told_with_their_line(
    right: str, wrong: str, expected: str, tmp_path: Path, example: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(example.replace(right, wrong))
    with pytest.raises(ConfigError) as caught:
        load(path, **INSTALLED)
    (told,) = caught.value.problems
    assert told.startswith(f"{path}:{expected}")
