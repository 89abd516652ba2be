"""The status page in a real Chromium, in front of a real daemon with a clone."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from faults import CATALOGUE
from tests.e2e.api.conftest import CHAOSD, CONTROL, READ, Running, audit, call
from tests.e2e.web.conftest import PATIENCE_MS, Visit, Visiting

expect.set_options(timeout=PATIENCE_MS)
LIST = "/api/v1/injections"
OURS = {"", "ui/style.css", "ui/status.js", "api/v1/events"}
ICON = {"ui/icon.svg"}  # a browser without a window may do without


def inject(running: Running, duration: str, **parameters: Any) -> str:
    asked = {"fault": "git-lock", "target": "clone", "duration_s": duration, "parameters": parameters}
    status, _, text = call(running, "POST", LIST, asked, token=CONTROL)
    assert status == 202, text
    return str(json.loads(text)["id"])


def over(running: Running, name: str) -> dict[str, Any]:
    """Wait, bounded, for the verdict."""
    for _ in range(8):
        found = json.loads(call(running, "GET", f"{LIST}/{name}?wait=20")[2])
        if found["verdict"] is not None:
            return dict(found)
    raise AssertionError(f"{name} does not end")


def await_look(running: Running, status: str, about: str = "") -> None:
    """Wait, bounded, until the latest look says so, and of what."""
    pause = threading.Event()
    for _ in range(1200):
        found = json.loads(call(running, "GET", "/api/v1/observations")[2])["observations"]
        if [one["status"] for one in found] == [status] and about in json.dumps(found):
            return
        pause.wait(0.05)
    raise AssertionError(f"not {status}: {found}")


@contextmanager
def active(running: Running) -> Iterator[str]:
    """Have a fault active, and taken back afterwards."""
    name = inject(running, "10m")
    try:
        await_look(running, "failing", "index.lock")  # the last look may still be one at an earlier fault
        yield name
    finally:
        call(running, "POST", f"{LIST}/{name}/revert", {}, token=CONTROL)


@pytest.fixture(scope="module")
def ended(daemon: Running) -> str:
    """An injection with a verdict and its proof."""
    name = inject(daemon, "5s", mode="head-lock")  # a busy machine has to see a lock that is a second old
    assert over(daemon, name)["undo"]["proved"]
    return name


@pytest.fixture
def resumed(daemon: Running) -> Iterator[None]:
    yield
    call(daemon, "POST", "/api/v1/resume", {"because": "the test is over"}, token=CONTROL)


def live(page: Page) -> None:
    expect(page.locator("#freshness")).to_have_class(re.compile("live"))


def section(page: Page, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


def halted(running: Running) -> Any:
    return json.loads(call(running, "GET", "/api/v1/status")[2])["daemon"]["halted"]


def test_everything_can_be_read_without_a_script(daemon: Running, ended: str, visit: Visiting) -> None:
    with active(daemon) as name:
        seen = visit(daemon.address, java_script_enabled=False)
        page = seen.page
        expect(page.get_by_role("heading", level=1)).to_have_text("Active: git-lock on clone")
        now = section(page, "Active now")
        expect(now).to_contain_text("git-lock/index-lock on clone")
        expect(now).to_contain_text("undone in")
        expect(now.locator(f'a[href="/injections/{name}"]')).to_be_visible()
        expect(section(page, "Probes").get_by_role("row", name=re.compile("health"))).to_contain_text("failing")
        expect(section(page, "Next experiments")).to_contain_text("every 12 h")
        expect(section(page, "Timeline").get_by_role("img", name=re.compile("Impact and recovery"))).to_be_visible()
        expect(section(page, "Control")).to_contain_text("chaosd halt --reason")
        expect(page.locator("#halt-form")).to_be_hidden()
        row = section(page, "Recent experiments").get_by_role("row", name="git-lock/head-lock")
        expect(row).to_contain_text("not-recovered")
        row.get_by_role("link").click()
        expect(page).to_have_url(f"{daemon.address}/injections/{ended}")
        expect(section(page, "Undo")).to_contain_text("Proved")
        expect(section(page, "Undo").locator("pre")).to_contain_text("HEAD.lock")
        expect(section(page, "What was done")).to_contain_text("--seed")
        expect(section(page, "What the probes saw")).to_contain_text("stale-lock")
    assert seen.paths() - ICON == {"", "ui/style.css", f"injections/{ended}"}
    assert seen.hosts() == {daemon.address.removeprefix("http://")}
    assert seen.said == []


@pytest.mark.usefixtures("resumed")
def test_an_injection_appears_by_itself_and_the_keyboard_alone_halts_it(daemon: Running, visit: Visiting) -> None:
    seen = visit(daemon.address, reduced_motion="reduce")
    page = seen.page
    live(page)
    expect(section(page, "Active now")).to_contain_text("No fault is active")
    with active(daemon):
        expect(section(page, "Active now")).to_contain_text("git-lock/index-lock on clone")
        expect(page.locator("#announce")).to_contain_text(re.compile(r"git-lock on clone|Probe health is failing"))
        expect(page).to_have_title(re.compile("Active: git-lock on clone"))
        tab_to(page, "token")
        page.keyboard.type(CONTROL)
        tab_to(page, "halt-reason")
        page.keyboard.type("the keyboard test")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Halt everything?")
        expect(dialog).to_contain_text("the keyboard test")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        assert halted(daemon) is None
        page.keyboard.press("Enter")
        expect(dialog).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.locator("#confirm-yes")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Halted.")
        expect(section(page, "Active now")).to_contain_text("No fault is active")
    expect(page.locator("#halted")).to_contain_text("the keyboard test")
    expect(page.locator("#resume-form")).to_be_visible()
    expect(page.locator("#halt-form")).to_be_hidden()
    assert halted(daemon) == "the keyboard test"
    shown = subprocess.run(
        [CHAOSD, "--state-dir", str(daemon.state), "audit", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    entry = [e for e in json.loads(shown)["audit"] if e["verb"] == "halt"][-1]
    assert (entry["outcome"], entry["object"], entry["who"]["name"]) == ("accepted", "the keyboard test", "ops")
    assert seen.paths() - ICON == OURS | {"api/v1/halt"}
    assert seen.hosts() == {daemon.address.removeprefix("http://")}
    assert seen.said == []


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the element with this id has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == wanted:
            return
    raise AssertionError(f"the keyboard does not reach #{wanted}")


def halt(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_label("Reason").fill("refuse me")
    page.get_by_role("button", name="Halt…").click()
    page.get_by_role("button", name="Halt now").click()


@pytest.mark.parametrize(
    ("token", "says", "rule"),
    [
        ("", "the bearer token is missing or wrong", "token"),
        ("a-token-that-nobody-gave-out", "the bearer token is missing or wrong", "token"),
        (READ, "token 'grafana' may only read", "scope"),
    ],
    ids=["none", "wrong", "read-only"],
)
def test_without_the_right_token_it_is_refused_in_words(
    daemon: Running, visit: Visiting, token: str, says: str, rule: str
) -> None:
    seen = visit(daemon.address)
    live(seen.page)
    halt(seen.page, token)
    alert = seen.page.get_by_role("alert")
    expect(alert).to_contain_text("Refused. Nothing was changed.")
    expect(alert).to_contain_text(says)
    expect(seen.page.get_by_label("Token")).to_have_attribute("aria-invalid", "true")
    assert halted(daemon) is None
    last = audit(daemon)[-1]
    assert (last["verb"], last["outcome"], last["rule"]) == ("halt", "refused", rule)


def test_a_foreign_origin_is_refused_in_words_although_the_token_is_right(daemon: Running, visit: Visiting) -> None:
    seen = visit(daemon.address)
    page = seen.page
    live(page)

    def through_a_proxy(route: Any) -> None:
        headers = {**route.request.headers, "origin": "https://elsewhere.example"}
        route.fulfill(response=route.fetch(headers=headers))

    page.route("**/api/v1/halt", through_a_proxy)
    halt(page, CONTROL)
    expect(page.get_by_role("alert")).to_contain_text("a page of another site sent this")
    assert halted(daemon) is None
    last = audit(daemon)[-1]
    assert (last["verb"], last["outcome"], last["rule"]) == ("halt", "refused", "origin")


def test_a_page_of_another_site_cannot_halt_and_a_foreign_name_shows_nothing(
    daemon: Running, visit: Visiting
) -> None:
    port = daemon.address.rpartition(":")[2]
    seen = visit(f"http://evil.test:{port}/")
    expect(seen.page.locator("main")).to_contain_text("Host 'evil.test")
    expect(seen.page.locator("main")).to_contain_text("api.hosts")
    assert seen.page.locator("#probes").count() == 0
    seen.page.route("http://evil.test/", lambda route: route.fulfill(body="evil", content_type="text/html"))
    seen.page.goto("http://evil.test/")
    attack = """async ([url, token]) => {
      const body = '{"reason": "evil"}';
      const headers = {"Content-Type": "application/json", Authorization: `Bearer ${token}`};
      const tried = [{mode: "no-cors", method: "POST", body}, {method: "POST", headers, body}];
      return Promise.all(tried.map((how) => fetch(url, how).then(() => "sent", String)));
    }"""
    before = len(audit(daemon))
    told = seen.page.evaluate(attack, [f"{daemon.address}/api/v1/halt", CONTROL])
    assert all("TypeError" in one for one in told)  # nothing of the answers is to be seen
    assert halted(daemon) is None
    # A browser lets the first one out without asking: what refuses it is the daemon.
    assert {(e["verb"], e["outcome"], e["rule"]) for e in audit(daemon)[before:]} == {("halt", "refused", "origin")}


def test_injecting_from_the_page_tells_what_becomes_of_it(daemon: Running, visit: Visiting) -> None:
    seen = visit(daemon.address)
    page = seen.page
    live(page)
    page.get_by_label("Token").fill(CONTROL)
    page.get_by_label("Fault", exact=True).select_option("git-lock")
    offered = page.locator("#inject-mode option:not([disabled])").all_inner_texts()
    assert offered == ["by default", *(mode.name for mode in CATALOGUE["git-lock"].modes)]
    page.get_by_label("Mode", exact=True).select_option("ref-lock")
    page.get_by_label("Stays for").fill("10m")
    page.get_by_role("button", name="Inject…").click()
    expect(page.get_by_role("dialog")).to_contain_text("git-lock/ref-lock on clone for 10m")
    page.get_by_role("button", name="Inject now").click()
    expect(page.get_by_role("alert")).to_contain_text("Injected.")
    page.get_by_role("button", name="Undo it now").click()
    page.get_by_role("button", name="Undo now").click()
    expect(section(page, "Active now")).to_contain_text("No fault is active")
    page.get_by_label("Fault", exact=True).select_option("sqs-burst")
    page.get_by_role("button", name="Inject…").click()
    page.get_by_role("button", name="Inject now").click()
    expect(page.get_by_role("alert")).to_contain_text("That did not work.")
    expect(page.get_by_role("alert")).to_contain_text("names no queue")


def test_where_reading_is_closed_the_page_opens_with_a_token(closed: Running, visit: Visiting) -> None:
    seen = visit(closed.address)
    page = seen.page
    expect(page.locator("main")).to_contain_text("Reading needs a token here")
    page.get_by_label("Token").fill("a-token-that-nobody-gave-out")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("missing or wrong")
    page.get_by_label("Token").fill(READ)
    page.keyboard.press("Enter")
    live(page)
    expect(section(page, "Probes")).to_contain_text("health")
    assert seen.hosts() == {closed.address.removeprefix("http://")}


def cut_off(page: Page) -> Any:
    """Return what has to be scrolled sideways to be seen."""
    boxes = "[...document.querySelectorAll('.scroll, section, main')]"
    return page.evaluate(f"{boxes}.filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.outerHTML)")


def accessible(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {[n['html'] for n in v['nodes']]}" for v in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_a_phone_does_not_scroll_sideways(
    daemon: Running, ended: str, visit: Visiting, scheme: Any
) -> None:
    with active(daemon):
        seen = visit(daemon.address, color_scheme=scheme, viewport={"width": 390, "height": 844})
        live(seen.page)
        expect(section(seen.page, "Active now")).to_contain_text("git-lock")
        assert accessible(seen.page) == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert cut_off(seen.page) == []
        seen.page.goto(f"{daemon.address}/injections/{ended}")
        expect(section(seen.page, "Undo")).to_be_visible()
        assert accessible(seen.page) == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert cut_off(seen.page) == []


def test_without_a_stream_the_page_asks_again_and_again(daemon: Running, visit: Visiting) -> None:
    seen: Visit = visit("about:blank")
    seen.page.route("**/api/v1/events", lambda route: route.fulfill(status=503, body="{}"))
    seen.page.goto(daemon.address)
    expect(seen.page.locator("#freshness")).to_contain_text("asks every 5 s")
    with active(daemon):
        expect(section(seen.page, "Active now")).to_contain_text("git-lock/index-lock on clone")
