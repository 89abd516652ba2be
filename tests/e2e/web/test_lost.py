"""A daemon that does not answer any more: the page says so within a bounded time, and recovers by itself."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.api.conftest import Running
from tests.e2e.web.conftest import PATIENCE_MS, Visiting

expect.set_options(timeout=PATIENCE_MS)
# The clock of the page is turned by hand, and the browser's own timeouts with it.
TURNED = """AbortSignal.timeout = (ms) => {
  const after = new AbortController();
  setTimeout(() => after.abort(), ms);
  return after.signal;
};"""


def turned(visit: Visiting) -> Page:
    page = visit("about:blank").page
    page.clock.install()
    page.add_init_script(TURNED)
    return page


def is_(page: Page, state: str) -> None:
    expect(page.locator("#freshness")).to_have_class(re.compile(rf"\b{state}\b"))


def test_a_page_that_never_comes_is_lost_and_live_again_once_one_comes(daemon: Running, visit: Visiting) -> None:
    page = turned(visit)
    page.goto(daemon.address)
    is_(page, "live")
    here = f"{daemon.address}/"
    with page.expect_request(here):
        page.route(here, lambda _: None)  # nobody answers
        page.clock.fast_forward(10_000)
    is_(page, "live")
    page.clock.fast_forward(10_000)
    is_(page, "lost")
    expect(page.locator("#freshness-text")).to_contain_text("what you see may be old")
    page.unroute(here)
    page.clock.fast_forward(20_000)
    is_(page, "live")


def test_a_stream_that_says_nothing_is_none(daemon: Running, visit: Visiting) -> None:
    page = turned(visit)
    page.route("**/api/v1/events", lambda _: None)  # neither an answer nor a heartbeat
    with page.expect_request("**/api/v1/events"):
        page.goto(daemon.address)
    expect(page.locator("#freshness-text")).to_have_text("connecting")
    page.clock.fast_forward(46_000)
    expect(page.locator("#freshness-text")).to_contain_text("asks every 5 s")
