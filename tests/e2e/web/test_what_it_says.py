"""What the status page says of what the daemon answers: nothing is called done that was not."""

import json
import re
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.e2e.api.conftest import CONTROL, Running
from tests.e2e.web.conftest import PATIENCE_MS, Visiting

expect.set_options(timeout=PATIENCE_MS)
UNDO: dict[str, Any] = {"proved": False, "superseded": False, "doubt": "", "detail": "", "settled": None}


def answer(state: str, verdict: str | None = None, **undo: Any) -> str:
    head = {"id": "inj-1", "state": state}
    return json.dumps({"injection": head, "verdict": verdict, "reasons": [], "undo": {**UNDO, **undo}})


def ready(daemon: Running, visit: Visiting) -> Page:
    page = visit(daemon.address).page
    expect(page.locator("#freshness")).to_have_class(re.compile("live"))
    page.get_by_label("Token").fill(CONTROL)
    return page


UNDONE: tuple[tuple[str, str, str, str], ...] = (
    (answer("revert-failed", detail="No space left"), "bad", "FAILED: residue may remain", "chaosd recover"),
    (answer("reverted", proved=True), "good", "Undone, and proved.", "git-lock on clone"),
    (answer("reverted", doubt="it may drain"), "warn", "Undone, but not proved.", "it may drain"),
    (answer("superseded", proved=True, superseded=True), "good", "left alone", "See the evidence."),
    (answer("injected"), "bad", "Not undone yet.", "git-lock on clone"),
)
BEGUN: tuple[tuple[str, str, str], ...] = (
    (answer("revert-failed", detail="No space left"), "bad", "The undo has FAILED"),
    (answer("revert-failed", "undo-failed", detail="No space left"), "bad", "The undo has FAILED"),
    (answer("reverted", doubt="it may drain"), "warn", "Undone, but not proved."),
    (answer("reverted", "recovered", doubt="it may drain"), "warn", "The undo is not proved: it may drain."),
    (answer("reverted", "recovered", proved=True), "good", "It ended: recovered."),
    (answer("injected"), "good", "Injected."),
)


def says(page: Page, tone: str, *told: str) -> None:
    alert = page.get_by_role("alert")
    for one in told:
        expect(alert).to_contain_text(one)
    expect(alert).to_have_class(re.compile(rf"\b{tone}\b"))


def test_undone_is_said_only_of_what_is(daemon: Running, visit: Visiting) -> None:
    page, found = ready(daemon, visit), [""]
    page.route("**/revert", lambda route: route.fulfill(body=found[0]))
    button = "<button data-act='revert' data-id='inj-1' data-what='git-lock on clone'>Undo it now</button>"
    page.evaluate("(html) => document.querySelector('main').insertAdjacentHTML('beforeend', html)", button)
    for found[0], tone, title, more in UNDONE:
        page.get_by_role("button", name="Undo it now").click()
        page.get_by_role("button", name="Undo now").click()
        says(page, tone, title, more)


def test_injected_is_said_only_of_what_is(daemon: Running, visit: Visiting) -> None:
    page, found = ready(daemon, visit), [""]

    def begun(route: Route) -> None:
        asked = route.request.method == "GET"
        route.fulfill(status=200 if asked else 202, body=found[0] if asked else json.dumps({"id": "inj-1"}))

    page.route(re.compile("/api/v1/injections"), begun)
    for found[0], tone, title in BEGUN:
        page.get_by_role("button", name="Inject…").click()
        page.get_by_role("button", name="Inject now").click()
        says(page, tone, title)
