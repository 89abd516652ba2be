"""The proxy as a process: killed with a rule in force, ended in order; rules that end, or are broken."""

import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from daemon.core.errors import TargetAbsentError, UnreachableError
from daemon.core.proxying import Hits
from daemon.ports import proxy_process
from daemon.ports.clock import SystemClock
from daemon.ports.proxying import LocalProxy
from tests.integration.proxy.conftest import REGION, Running, Start
from tests.sigv4 import Reply, Seen, Upstream
from tests.waiting import wait_for

ANSWER = {"sqs": [500, "Broken", "by rule"]}


def kill(proxy: Running) -> None:
    os.kill(proxy.process.pid, signal.SIGKILL)
    wait_for("the proxy's end", lambda: proxy.process.ended() is not None)


def test_a_rule_survives_kill_9_and_ends_with_drop(start: Start, upstream: Upstream) -> None:
    proxy = start(upstream.url)
    rule = proxy.rule("error", answers=ANSWER)
    with pytest.raises(ClientError, match="Broken"):
        proxy.client("sqs").list_queues()
    began_s = proxy.port.facts().began_s
    kill(proxy)
    with pytest.raises(TargetAbsentError, match="no fault proxy runs"):
        proxy.port.facts()
    assert proxy.port.rule(rule.injection) == rule
    proxy.restart()
    facts = proxy.port.facts()
    assert facts.rules == {rule.injection: Hits()}  # what it did before was not counted by this one
    assert facts.began_s > began_s
    sqs = proxy.client("sqs")
    with pytest.raises(ClientError, match="Broken"):
        sqs.list_queues()
    assert proxy.drop() == Hits(matched=1, calls=1, tries=1)
    sqs.list_queues()
    assert proxy.drop() == Hits(matched=1, calls=1, tries=1)  # told again, and nothing more happens
    assert list((proxy.state / "proxy" / "rules").iterdir()) == []


def test_a_rule_is_dropped_while_nobody_runs(start: Start, upstream: Upstream) -> None:
    proxy = start(upstream.url)
    rule = proxy.rule("error", answers=ANSWER)
    kill(proxy)
    assert proxy.drop() is None
    assert proxy.port.rule(rule.injection) is None
    proxy.restart()
    proxy.client("sqs").list_queues()


def test_no_rule_is_put_where_no_proxy_runs(tmp_path: Path, proxy: Running) -> None:
    rule = proxy.rule("reset")
    with pytest.raises(TargetAbsentError, match="no rule was put into force for 2026"):
        LocalProxy(tmp_path / "proxy", SystemClock()).put(rule)
    assert not (tmp_path / "proxy").exists()


def test_a_rule_ends_by_itself_without_anybody(start: Start, upstream: Upstream) -> None:
    proxy = start(upstream.url)
    rule = proxy.rule("error", answers=ANSWER, seconds=0.5)
    wait_for("the end of the rule", lambda: not proxy.port.facts().rules)
    assert proxy.port.rule(rule.injection) is None
    proxy.client("sqs").list_queues()


def test_a_broken_file_is_told_of_and_stops_nothing(start: Start, upstream: Upstream) -> None:
    proxy = start(upstream.url)
    rule = proxy.rule("error", answers=ANSWER)
    path = proxy.state / "proxy" / "rules" / f"{rule.injection}.json"
    path.unlink()
    path.write_text('{"injection": "half')
    proxy.client("sqs").list_queues()
    assert list(proxy.port.word()["broken"]) == [rule.injection]
    with pytest.raises(UnreachableError, match="its file cannot be used"):
        proxy.port.rule(rule.injection)
    proxy.port.put(rule)  # written anew, it is whole
    with pytest.raises(ClientError, match="Broken"):
        proxy.client("sqs").list_queues()
    proxy.drop()


def test_a_proxy_that_is_stopped_is_no_proof_of_an_undo(start: Start, upstream: Upstream) -> None:
    proxy = start(upstream.url)
    proxy.rule("error", answers=ANSWER)
    os.kill(proxy.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(UnreachableError, match=r"still in force.*does not answer"):
            proxy.drop()
    finally:
        os.kill(proxy.process.pid, signal.SIGCONT)
    assert proxy.drop() == Hits()


def test_ending_in_order_lets_what_runs_end(start: Start, upstream: Upstream) -> None:
    asked, go = threading.Event(), threading.Event()

    def answer(_: Seen) -> Reply:
        asked.set()
        go.wait(20)
        return Reply(body=b'{"QueueUrls": []}')

    upstream.answer = answer
    proxy = start(upstream.url)
    sqs, found = proxy.client("sqs"), []
    caller = threading.Thread(target=lambda: found.append(sqs.list_queues()))
    caller.start()
    assert asked.wait(20)
    at = urlsplit(proxy.url)
    os.kill(proxy.process.pid, signal.SIGTERM)
    wait_for("a closed port", lambda: _refused(at.port or 0))
    go.set()
    caller.join(20)
    assert [one["ResponseMetadata"]["HTTPStatusCode"] for one in found] == [200]
    wait_for("the proxy's end", lambda: proxy.process.ended() is not None)
    assert proxy.process.ended() == 0
    assert not (proxy.state / "proxy" / "socket").exists()


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_call_that_hangs_does_not_keep_the_proxy_from_ending(start: Start, upstream: Upstream) -> None:
    proxy = start(upstream.url)
    proxy.rule("hang")
    at = urlsplit(proxy.url)
    with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
        head = (
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=d/20260101/{REGION}"
        )
        connection.sendall(f"{head}/sqs/aws4_request, SignedHeaders=host, Signature=00\r\n\r\n".encode())
        wait_for("the strike", lambda: proxy.port.facts().rules["20260101T000000-abc123"].calls == 1)
        assert proxy_process.end(proxy.process.pid, within_s=8.0)
        assert connection.recv(1) == b""
    wait_for("the proxy's end", lambda: proxy.process.ended() is not None)
    assert proxy.process.ended() == 0  # in order, not by force


def test_its_files_are_for_its_owner_alone(proxy: Running) -> None:
    rule = proxy.rule("reset")
    home = proxy.state / "proxy"
    modes = {p.name: p.stat().st_mode & 0o777 for p in (home, home / "socket", home / "rules", home / "lock")}
    assert modes == {"proxy": 0o700, "socket": 0o600, "rules": 0o700, "lock": 0o600}
    assert (home / "rules" / f"{rule.injection}.json").stat().st_mode & 0o777 == 0o600


def test_a_state_directory_of_any_depth(start: Start, upstream: Upstream, tmp_path: Path) -> None:
    proxy = start(upstream.url)
    deep = Running(tmp_path / ("d" * 120), proxy.setting, proxy.process)
    deep.restart()
    try:
        assert deep.port.facts().pid == deep.process.pid
    finally:
        proxy_process.end(deep.process.pid, within_s=15)
        wait_for("its end", lambda: deep.process.ended() is not None)


def test_the_command_alone_says_what_the_worker_must_set(upstream: Upstream, tmp_path: Path) -> None:
    words = ["proxy", "--listen", "127.0.0.1:0", "--upstream", upstream.url, "--state-dir", str(tmp_path / "s")]
    command = [sys.executable, "-P", "-m", "daemon.faces.cli", *words]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        url = LocalProxy(tmp_path / "s" / "proxy", SystemClock()).facts().lanes["aws"]
        assert first == f"AWS calls go from {url} to {upstream.url}. Let the worker have:\n"
        lines = [process.stdout.readline() for _ in range(8)]
        assert f"  AWS_ENDPOINT_URL_SQS={url}\n" in lines
        assert lines[-1] == f"A Node worker also wants its queue's URL so: {url}/ACCOUNT/QUEUE\n"
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--listen", "0.0.0.0:0"], 77, "0.0.0.0 is not loopback"),
        (["--listen", "nowhere"], 2, "is no address"),
        (["--upstream", "http://h/path"], 2, "has a path or a query"),
    ],
)
def test_what_it_does_not_start_with(words: list[str], code: int, said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "daemon.faces.cli", "proxy", *words, "--state-dir", str(tmp_path / "s")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_another_configuration_is_told_apart(proxy: Running) -> None:
    assert proxy.port.word()["configuration"] == proxy_process.configuration(proxy.setting)
    assert (
        proxy_process.configuration(replace(proxy.setting, services=("sqs",))) != proxy.port.word()["configuration"]
    )
