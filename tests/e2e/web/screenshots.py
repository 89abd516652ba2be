"""Take the pictures of docs/: a real daemon on the lab, with a worker that drops what it does on SIGTERM.

python -m tests.e2e.web.screenshots [DIRECTORY]
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from playwright.sync_api import Page, sync_playwright

from daemon.core.errors import ChaosdError
from daemon.faces.client import Client
from daemon.lab import lab
from tests.e2e.api.conftest import CHAOSD, listening, write_secret
from tests.e2e.web.conftest import CHROMIUM, FLAGS, PATIENCE_MS

LIST = "/api/v1/injections"
UNDO_MS = 180_000
STRIKES = 4
MORE = """\
experiments:
  - {{name: stop-a-task, fault: ecs-task-stop, target: editor, cron: "*/30 * * * *"}}
  - {{name: corrupt-the-clone-of-the-worker, fault: git-corrupt, target: editor, about_every: 4h,
     set: {{mode: loose-object-truncate}}}}
  - {{name: burst-in-working-hours, fault: sqs-burst, target: editor, every: 6h, workload: basic}}
sampling: {{stable_for: 1s}}
guard: {{max_active: 2, max_active_per_target: 2}}
api: {{listen: "127.0.0.1:0", token_file: "{token}"}}
"""
BASIC = {"scenario": "basic", "set": {"messages": 6, "gap": "300ms", "settle": "14s"}, "strike": "2s"}
PAST: tuple[dict[str, Any], ...] = (
    {"fault": "git-lock", "parameters": {"mode": "index-lock"}, "duration_s": "15s"},
    {"fault": "ecs-task-stop", "parameters": {"mode": "oldest"}, "duration_s": "10s"},
    {"fault": "git-corrupt", "parameters": {"mode": "loose-object-truncate"}, "duration_s": "15s"},
    {"fault": "sqs-burst", "parameters": {"mode": "spike", "messages": 20}, "duration_s": "10s"},
    {"fault": "interrupt-signal", "parameters": {"mode": "sigterm"}, "duration_s": "5s", "workload": BASIC},
    {"fault": "git-lock", "parameters": {"mode": "head-lock"}, "duration_s": "3s"},
)
BURST = {"mode": "sustained", "messages": 3000, "rate": "5/s"}
NOW = {"fault": "sqs-burst", "parameters": BURST, "duration_s": "5m"}


@contextmanager
def running(directory: Path) -> Iterator[tuple[Client, str]]:
    """Run lab and daemon; yield the way in and the address."""
    token = write_secret(directory / "token", "a-token-for-taking-pictures")
    info = lab.up(directory / "lab", defect="drop-on-sigterm", build_s=1.5)
    config = info.config_yaml().split("guard:")[0] + MORE.format(token=token)  # with rules of our own
    (directory / "chaosd.yaml").write_text(config)
    words = [CHAOSD, "-c", str(directory / "chaosd.yaml"), "--state-dir", str(directory / "state"), "run"]
    with (directory / "log").open("w") as log:
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        process = subprocess.Popen(words, stderr=log, env=environment, text=True)
    try:
        yield Client(directory / "state" / "control.sock"), listening(directory / "log", process)
    finally:
        process.terminate()
        process.wait(120)
        lab.down(info.directory)


def begin(client: Client, asked: dict[str, Any]) -> str:
    return str(client.call("POST", LIST, {"target": "editor", **asked})["id"])


def past(client: Client) -> str:
    """Let the past happen; return what tells most: a run that broke an invariant, else the last."""
    violated = name = ""
    for asked in PAST:
        # Whether the worker that is hit has a message in hand is its own luck.
        for _ in range(STRIKES if "workload" in asked else 1):
            name, verdict = ended(client, asked)
            if verdict == "violated":
                violated = name
                break
    return violated or name


def ended(client: Client, asked: dict[str, Any]) -> tuple[str, str]:
    """Return an injection's id and its verdict, once it has one; none where it was not possible."""
    name = begin(client, asked)
    try:
        while (found := client.call("GET", f"{LIST}/{name}?wait=20"))["verdict"] is None:
            pass
    except ChaosdError as error:
        click.echo(f"{asked['fault']}: {error.message}")
        return name, ""
    click.echo(f"{asked['fault']}: {found['verdict']} {found['reasons'][:1]}")
    return name, str(found["verdict"])


# Where chaosd is installed here, and where the lab lives, is nobody's business: shown as where they would be.
ELSEWHERE = """(names) => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    for (const [here, there] of names) walk.currentNode.data = walk.currentNode.data.replaceAll(here, there);
  }
}"""


def take(page: Page, to: Path, names: Sequence[tuple[str, str]]) -> None:
    page.evaluate(ELSEWHERE, names)
    page.screenshot(path=to, full_page=True)
    click.echo(f"{to.name} {page.evaluate('document.documentElement.scrollWidth')} px wide")


def pictures(client: Client, address: str, to: Path, names: Sequence[tuple[str, str]]) -> None:
    telling = past(client)
    begin(client, NOW)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=2 * PATIENCE_MS)

        def look(path: str, scheme: Any = "light", width: int = 1240) -> Page:
            size = {"width": width, "height": 900}
            page = browser.new_context(color_scheme=scheme, viewport=size, reduced_motion="reduce").new_page()  # type: ignore[arg-type]
            page.goto(address + path, timeout=PATIENCE_MS)
            page.locator("#freshness.live").wait_for(timeout=PATIENCE_MS)
            return page

        page = look("/")
        page.get_by_text(re.compile("sqs-burst/sustained")).first.wait_for(timeout=PATIENCE_MS)
        threading.Event().wait(8)  # for the burst to be felt
        take(page, to / "status-light.png", names)
        take(look("/", "dark"), to / "status-dark.png", names)
        take(look("/", width=390), to / "status-phone.png", names)
        take(look(f"/injections/{telling}"), to / "status-evidence.png", names)
        client.call("POST", "/api/v1/halt", {"reason": "deploying release 42 of the editor until 15:00"})
        # Only then: a picture of a halt must show no fault that is still being undone, nor what it left to recover.
        page.get_by_role("region", name="Active now").get_by_text("No fault is active.").wait_for(timeout=UNDO_MS)
        page.get_by_role("heading", name="Halted: nothing begins").wait_for(timeout=UNDO_MS)
        take(look("/"), to / "status-halted.png", names)
        browser.close()


def main() -> None:
    to = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    directory = Path(tempfile.mkdtemp(prefix="chaosd-pictures-"))
    try:
        with running(directory) as (client, address):
            click.echo(json.dumps({"address": address, "directory": str(directory)}))
            pictures(client, address, to, [(str(directory), "/srv"), (sys.prefix, "/opt/chaosd")])
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
