"""A real daemon and a real Chromium: one browser for all of it, everything it asked for and said written down."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from tests.e2e.api.conftest import Running, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# The last one: a page of another origin must reach the daemon, or the daemon would not be what refuses it.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP evil.test 127.0.0.1",
    "--disable-features=LocalNetworkAccessChecks",
]
PATIENCE_MS = 60_000


@dataclass
class Visit:
    """One tab, and what it did: every request, and everything its console said."""

    page: Page
    requests: list[Request] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def asked(self, request: Request) -> None:
        self.requests.append(request)

    def paths(self) -> set[str]:
        return {request.url.split("/", 3)[3].partition("?")[0] for request in self.requests}

    def hosts(self) -> set[str]:
        return {request.url.split("/", 3)[2] for request in self.requests}


# Not for the whole session: while Playwright runs no other test of this process can have an event loop of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this system (Debian: chromium)")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=2 * PATIENCE_MS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    yield from serving(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    yield from serving(tmp_path_factory.mktemp("closed"), read="token")


Visiting = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visiting]:
    """Open tabs, each in a context of its own; they are closed at the end."""
    contexts: list[BrowserContext] = []

    def to(url: str, **options: Any) -> Visit:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        found = Visit(page)
        page.on("request", found.asked)
        page.on("console", lambda message: found.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: found.said.append(f"error: {error}"))
        page.goto(url)
        return found

    yield to
    for context in contexts:
        context.close()
