"""The pages of the list of injections: complete, in a fixed order, while new ones come."""

import json
import time  # noqa: TID251 - asks for what a real daemon did since then
from typing import Any

from tests.e2e.api.conftest import CONTROL, Running, call

LIST = "/api/v1/injections"


def inject(running: Running) -> str:
    asked = {"fault": "git-lock", "target": "clone", "duration_s": 0}
    name = str(json.loads(call(running, "POST", LIST, asked, token=CONTROL)[2])["id"])
    call(running, "GET", f"{LIST}/{name}?wait=25")
    return name


def page(running: Running, path: str) -> tuple[list[str], str | None, dict[str, str]]:
    _, headers, text = call(running, "GET", path)
    found: dict[str, Any] = json.loads(text)
    return [i["injection"]["id"] for i in found["injections"]], found["next"], headers


def test_pages_lead_from_the_newest_to_the_oldest_and_new_ones_move_nothing(daemon: Running) -> None:
    newest_first = [inject(daemon) for _ in range(3)][::-1]
    first, following, headers = page(daemon, f"{LIST}?limit=2")
    assert first == newest_first[:2]
    assert headers["Link"] == f'<{following}>; rel="next"'
    later = inject(daemon)
    seen = list(first)
    while following is not None:
        found, following, headers = page(daemon, following)
        assert 0 < len(found) <= 2
        seen += found
    assert "Link" not in headers
    assert seen[:3] == newest_first
    assert later not in seen
    assert len(seen) == len(set(seen))
    assert page(daemon, f"{LIST}?limit=1000")[0] == [later, *seen]
    assert page(daemon, f"{LIST}?limit=1")[0] == [later]


def test_the_period_asked_for_holds_on_the_pages_after(daemon: Running) -> None:
    inject(daemon)
    asked_s = time.time()
    older, newer = inject(daemon), inject(daemon)
    found, following, _ = page(daemon, f"{LIST}?limit=1&since_s={asked_s}")
    assert found == [newer]
    assert following is not None
    assert f"since_s={asked_s}" in following
    assert page(daemon, following)[:2] == ([older], None), "the one before is left out on the second page too"
    assert page(daemon, f"{LIST}?since_s=99999999999")[:2] == ([], None)
