"""Without a rule the proxy is not there: everything passes, under a signature that a checking upstream takes."""

import hashlib
import http.client
import io
import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from daemon.core.addresses import Tcp
from daemon.core.errors import ChaosdError
from daemon.core.settings import RelaySetting
from tests.integration.proxy.conftest import ACCOUNT, REGION, Running, Start
from tests.sigv4 import Reply, Seen, Upstream
from tests.waiting import wait_for

MIB = 1 << 20


def raw(proxy: Running, request: bytes) -> bytes:
    """Send bytes and return all that comes until the connection ends."""
    at = urlsplit(proxy.url)
    with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
        connection.sendall(request)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


def signed(service: str, region: str = REGION) -> str:
    """Return the header of a signature that nobody looks at."""
    scope = f"d/20260101/{region}/{service}/aws4_request"
    return f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00\r\n"


HEAD = "Host: 127.0.0.1\r\nConnection: close\r\n"


def test_a_call_is_signed_anew_with_the_proxys_own_keys(proxy: Running, upstream: Upstream) -> None:
    upstream.answer = lambda _: Reply(
        body=b'{"MessageId": "m", "MD5OfMessageBody": "49f68a5c8493ec2c0bf489821c21fc3b"}'
    )
    sent = proxy.client("sqs").send_message(QueueUrl=proxy.queue(), MessageBody="hi")
    assert sent["MessageId"] == "m"
    assert upstream.refused == []
    (seen,) = upstream.seen
    assert (seen.service, seen.region, seen.operation) == ("sqs", REGION, "SendMessage")
    assert seen.json == {"QueueUrl": f"{upstream.url}/{ACCOUNT}/jobs", "MessageBody": "hi"}
    assert "dummy" not in str(seen.headers)
    for name in ("amz-sdk-invocation-id", "user-agent", "x-amzn-query-mode"):
        assert name in seen.headers


@pytest.mark.parametrize(
    ("service", "call", "operation"),
    [
        ("ecs", ("list_tasks", {"cluster": "c"}), "ListTasks"),
        ("logs", ("describe_log_groups", {}), "DescribeLogGroups"),
        ("dynamodb", ("list_tables", {}), "ListTables"),
        ("stepfunctions", ("list_state_machines", {}), "ListStateMachines"),
    ],
)
def test_the_services_that_speak_json(
    proxy: Running, upstream: Upstream, service: str, call: tuple[str, dict[str, str]], operation: str
) -> None:
    name, arguments = call
    getattr(proxy.client(service), name)(**arguments)
    assert (upstream.operations(), upstream.refused) == ([operation], [])


def test_sts_in_its_older_form(proxy: Running, upstream: Upstream) -> None:
    text = b"<R><GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult></R>"
    upstream.answer = lambda _: Reply(body=text, headers={"Content-Type": "text/xml"})
    proxy.client("sts").get_caller_identity()
    assert upstream.seen[0].body == b"Action=GetCallerIdentity&Version=2011-06-15"
    assert proxy.counted() == {"sts GetCallerIdentity 2xx": 1}


def test_queue_urls_are_ours_outside_and_real_inside(proxy: Running, upstream: Upstream) -> None:
    def answer(seen: Seen) -> Reply:
        real = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/jobs"
        told = {"QueueUrls": [real, f"{real}-2"], "queueUrls": [real], "QueueUrl": real}
        wanted = {"ListQueues": "QueueUrls", "ListDeadLetterSourceQueues": "queueUrls"}.get(
            seen.operation, "QueueUrl"
        )
        return Reply(body=json.dumps({wanted: told[wanted], "NextToken": "t"}).encode())

    upstream.answer = answer
    sqs, ours = proxy.client("sqs"), proxy.queue()
    assert sqs.get_queue_url(QueueName="jobs")["QueueUrl"] == ours
    assert sqs.create_queue(QueueName="jobs")["QueueUrl"] == ours
    assert sqs.list_queues()["QueueUrls"] == [ours, f"{ours}-2"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=ours)["queueUrls"] == [ours]
    foreign = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/jobs"
    sqs.delete_message(QueueUrl=foreign, ReceiptHandle="r")
    assert upstream.seen[-1].json["QueueUrl"] == foreign
    assert upstream.seen[-2].json["QueueUrl"] == f"{upstream.url}/{ACCOUNT}/jobs"


def test_all_else_of_a_body_stays_as_it_was_written(proxy: Running, upstream: Upstream) -> None:
    odd = '{"MessageBody":"\\ud83d\\ude00 \\"QueueUrl\\":\\"x\\" \\u0041" , "QueueUrl" :"URL", "n":1.10}'
    odd = odd.replace("URL", proxy.queue())
    request = f"POST / HTTP/1.1\r\n{HEAD}X-Amz-Target: AmazonSQS.SendMessage\r\n{signed('sqs')}"
    request += f"Content-Length: {len(odd)}\r\n\r\n{odd}"
    assert b" 200 " in raw(proxy, request.encode())
    real = f"{upstream.url}/{ACCOUNT}/jobs"
    assert json.loads(upstream.seen[0].body) == json.loads(odd.replace(proxy.queue(), real))
    assert b'"n":1.10' in upstream.seen[0].body
    assert b"\\ud83d\\ude00" in upstream.seen[0].body


# --- S3 --------------------------------------------------------------------------------------------------


def stored(seen: Seen) -> Reply:
    """Answer as S3 does when something was stored, in one piece or in parts."""
    if seen.method == "POST":
        text = b"<R><UploadId>u</UploadId><ETag>e</ETag></R>"
        return Reply(body=text, headers={"Content-Type": "application/xml"})
    return Reply(body=b"", headers={"ETag": '"e"'})


@pytest.mark.parametrize("key", ["plain", "a b/ü+%41~!'()*", "//two", "./dot/../x", "a=b&c", "%2e%2e/x", "-_.~"])
def test_a_key_of_any_shape(proxy: Running, upstream: Upstream, key: str) -> None:
    upstream.answer = stored
    proxy.client("s3").put_object(Bucket="site", Key=key, Body=b"x", Metadata={"two": "a  b"})
    assert upstream.refused == []
    assert unquote(upstream.seen[0].path) == f"/site/{key}"
    assert proxy.counted() == {"s3 PutObject 2xx": 1}


def test_expect_100_continue_head_and_ranges(proxy: Running, upstream: Upstream) -> None:
    there = Reply(body=b"0123456789", headers={"Content-Length": "10", "ETag": '"e"'})
    upstream.answer = lambda seen: stored(seen) if seen.method == "PUT" else there
    s3 = proxy.client("s3")
    assert s3.put_object(Bucket="site", Key="k", Body=io.BytesIO(b"y" * 100))["ETag"] == '"e"'
    assert s3.head_object(Bucket="site", Key="k")["ContentLength"] == 10
    assert s3.get_object(Bucket="site", Key="k", Range="bytes=0-9")["Body"].read() == b"0123456789"
    assert upstream.seen[-1].headers["range"] == "bytes=0-9"
    assert upstream.refused == []


def test_64_mib_pass_in_constant_memory(proxy: Running, upstream: Upstream, tmp_path: Path) -> None:
    upstream.answer = stored
    s3, size = proxy.client("s3"), 64 * MIB
    s3.put_object(Bucket="site", Key="warm", Body=b"w" * MIB)
    before = proxy.memory_kib()
    content = os.urandom(MIB) * 64
    s3.put_object(Bucket="site", Key="big", Body=content)
    assert upstream.seen[-1].size == size
    assert upstream.seen[-1].digest == hashlib.sha256(content).hexdigest()
    (tmp_path / "big").write_bytes(content)
    with (tmp_path / "big").open("rb") as file:
        s3.upload_fileobj(file, "site", "parts")  # in parts, several at a time
    assert proxy.memory_kib() - before < 24 * 1024
    assert upstream.refused == []


def test_a_large_answer_passes_in_constant_memory(proxy: Running, upstream: Upstream) -> None:
    content = os.urandom(MIB) * 64
    upstream.answer = lambda _: Reply(body=content)
    s3 = proxy.client("s3")
    before = proxy.memory_kib()
    body = s3.get_object(Bucket="site", Key="big")["Body"]
    digest, size = hashlib.sha256(), 0
    for piece in body.iter_chunks(MIB):
        digest.update(piece)
        size += len(piece)
    assert (size, digest.digest()) == (64 * MIB, hashlib.sha256(content).digest())
    assert proxy.memory_kib() - before < 16 * 1024


def test_aws_chunked_passes_untouched(proxy: Running, upstream: Upstream) -> None:
    """As the JavaScript SDK sends streams: chunks of AWS's own inside HTTP's, and a check sum behind them."""
    inner = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    at = urlsplit(proxy.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=20)
    headers = {
        "Authorization": signed("s3").partition(": ")[2].strip(),
        "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "Content-Encoding": "aws-chunked",
        "X-Amz-Trailer": "x-amz-checksum-crc32",
        "X-Amz-Decoded-Content-Length": "5",
        "Transfer-Encoding": "chunked",
    }
    connection.request(
        "PUT", "/site/stream", body=iter([inner[:7], inner[7:]]), headers=headers, encode_chunked=True
    )
    assert connection.getresponse().status == 200
    connection.close()
    (seen,) = upstream.seen
    assert seen.body == inner
    for name in ("content-encoding", "x-amz-trailer", "x-amz-decoded-content-length", "x-amz-content-sha256"):
        assert seen.headers[name] == {k.lower(): v for k, v in headers.items()}[name]


def test_an_answer_without_length_and_one_that_breaks_off(proxy: Running, upstream: Upstream) -> None:
    chunked = b"5\r\nhello\r\n0\r\n\r\n"
    upstream.answer = lambda _: Reply(body=chunked, headers={"Transfer-Encoding": "chunked"})
    s3 = proxy.client("s3")
    assert s3.get_object(Bucket="site", Key="k")["Body"].read() == b"hello"
    upstream.answer = lambda _: Reply(body=b"z" * MIB, breaks_off=True)
    with pytest.raises(Exception, match=r"(?i)incomplete|broken|reset"):
        s3.get_object(Bucket="site", Key="k")["Body"].read()


# --- connections -----------------------------------------------------------------------------------------


def test_connections_are_kept_open_both_ways(start: Start, upstream: Upstream) -> None:
    sqs = start(upstream.url).client("sqs")
    for _ in range(5):
        sqs.list_queues()
    assert len({seen.port for seen in upstream.seen}) == 1


def test_many_at_once(proxy: Running, upstream: Upstream) -> None:
    sqs = proxy.client("sqs", max_pool_connections=20)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: sqs.get_queue_url(QueueName=f"q{n}"), range(100)))
    assert (len(upstream.seen), upstream.refused) == (100, [])


def test_a_service_that_is_not_there(start: Start) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        proxy = start(f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(ClientError, match=r"ChaosdProxyUnforwarded.*sqs in eu-west-1 gave no answer"):
            proxy.client("sqs").list_queues()
    assert proxy.counted() == {"sqs ListQueues unforwarded": 1}


def test_a_client_that_leaves_a_long_poll_ends_it_upstream(start: Start) -> None:
    """Else a worker that died would still be given messages, and nobody would handle them."""
    with socket.create_server(("127.0.0.1", 0)) as slow:
        slow.settimeout(20)
        proxy = start(f"http://127.0.0.1:{slow.getsockname()[1]}")
        at = urlsplit(proxy.url)
        with socket.create_connection((at.hostname, at.port), timeout=20) as client:
            body = '{"WaitTimeSeconds": 20}'
            head = (
                f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n{signed('sqs')}"
            )
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            polled, _ = slow.accept()
            polled.settimeout(20)
            wait_for("the poll", lambda: b"WaitTimeSeconds" in polled.recv(65536))
        assert polled.recv(65536) == b""
        polled.close()


# --- who is refused --------------------------------------------------------------------------------------


def test_a_service_that_is_not_known_is_refused_in_plain_words(proxy: Running, upstream: Upstream) -> None:
    with pytest.raises(ClientError, match=r"ChaosdProxyRefused.*'ssm' is no service that this proxy forwards"):
        proxy.client("ssm").get_parameter(Name="x")
    assert upstream.seen == []
    assert proxy.refused() == {"service": 1}


def test_only_the_services_of_the_configuration(start: Start, upstream: Upstream) -> None:
    proxy = start(upstream.url, services=("sqs",))
    proxy.client("sqs").list_queues()
    with pytest.raises(ClientError, match=r"'ecs' is no service .*\(it forwards sqs\)"):
        proxy.client("ecs").list_clusters()


def test_presigned_urls_and_strangers_are_refused(proxy: Running, upstream: Upstream) -> None:
    s3 = proxy.client("s3", signature_version="s3v4")
    old = proxy.client("s3")
    for client in (s3, old):
        url = client.generate_presigned_url("get_object", Params={"Bucket": "site", "Key": "k"})
        with pytest.raises(Exception, match="403") as refused:
            urlopen(url, timeout=10)
        assert b"presigned" in refused.value.read()
        refused.value.close()
    with pytest.raises(Exception, match="403") as refused:
        urlopen(proxy.url, timeout=10)
    refused.value.close()
    assert upstream.seen == []
    assert proxy.refused() == {"presigned": 2, "unsigned": 1}


@pytest.mark.parametrize("region", ["eu-west-1.evil.example/", "EU", "eu west", "../x"])
def test_a_region_that_is_none_leads_nowhere(proxy: Running, upstream: Upstream, region: str) -> None:
    found = raw(proxy, f"GET / HTTP/1.1\r\n{HEAD}{signed('sqs', region)}\r\n".encode())
    assert found.startswith(b"HTTP/1.1 403")
    assert upstream.seen == []


def test_a_name_from_somebodys_browser_is_refused(proxy: Running, upstream: Upstream) -> None:
    head = f"GET / HTTP/1.1\r\nHost: rebound.example:80\r\nConnection: close\r\n{signed('sqs')}\r\n"
    assert b"not called 'rebound.example'" in raw(proxy, head.encode())
    assert upstream.seen == []


def test_chunks_signed_one_by_one_are_refused(proxy: Running, upstream: Upstream) -> None:
    head = f"PUT /b/k HTTP/1.1\r\n{HEAD}{signed('s3')}Content-Length: 0\r\n"
    head += "X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n\r\n"
    assert b"signed one by one" in raw(proxy, head.encode())
    assert upstream.seen == []


def test_a_body_beyond_the_bound_is_refused_before_it_is_sent(proxy: Running, upstream: Upstream) -> None:
    head = f"POST / HTTP/1.1\r\n{HEAD}{signed('logs')}Expect: 100-continue\r\nContent-Length: 33554433\r\n\r\n"
    found = raw(proxy, head.encode())
    assert found.startswith(b"HTTP/1.1 413")
    assert b"larger than the 32 MiB" in found
    assert upstream.seen == []


@contextmanager
def forgetful() -> Iterator[tuple[str, list[int]]]:
    """Serve an upstream whose first connection dies as its second upload comes; the list: bytes of each stored."""
    stored: list[int] = []

    def serve(client: socket.socket, *, dies: bool) -> None:
        said = b""
        while piece := client.recv(65536):
            if dies and stored:
                return
            said += piece
            if said.endswith(b"0\r\n\r\n"):
                stored.append(said.partition(b"\r\n\r\n")[2].count(b"x"))
                said = b""
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def accept() -> None:
        with suppress(OSError):
            for number in count():
                client, _ = listener.accept()
                with client, suppress(OSError):
                    serve(client, dies=number == 0)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", stored
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_an_upload_on_a_connection_that_has_died_is_never_stored_empty(start: Start) -> None:
    """An HTTP client that sends again by itself has nothing left to send: the body was streamed."""
    head = f"PUT /b/k HTTP/1.1\r\n{HEAD}{signed('s3')}Transfer-Encoding: chunked\r\n\r\n"
    upload = f"{head}3e8\r\n{'x' * 1000}\r\n0\r\n\r\n"
    with forgetful() as (url, stored):
        proxy = start(url)
        assert raw(proxy, upload.encode()).startswith(b"HTTP/1.1 200")
        assert raw(proxy, upload.encode()).startswith(b"HTTP/1.1 502")
        assert stored == [1000]


# --- secret, addresses, lock -----------------------------------------------------------------------------


def test_with_a_secret_only_who_knows_it_is_served(start: Start, upstream: Upstream, tmp_path: Path) -> None:
    word = "0123456789abcdef0123"
    (tmp_path / "secret").write_text(word)
    (tmp_path / "secret").chmod(0o600)
    proxy = start(upstream.url, secret_file=str(tmp_path / "secret"))
    upstream.answer = lambda _: Reply(body=json.dumps({"QueueUrl": f"{upstream.url}/{ACCOUNT}/jobs"}).encode())
    ours = proxy.client("sqs", url=f"{proxy.url}/{word}").get_queue_url(QueueName="jobs")["QueueUrl"]
    assert ours == f"{proxy.url}/{word}/{ACCOUNT}/jobs"
    proxy.client("sqs", url=f"{proxy.url}/{word}").delete_message(QueueUrl=ours, ReceiptHandle="r")
    assert upstream.seen[-1].json["QueueUrl"] == f"{upstream.url}/{ACCOUNT}/jobs"
    upstream.answer = stored
    proxy.client("s3", url=f"{proxy.url}/{word}").put_object(Bucket="site", Key="k", Body=b"x")
    assert upstream.seen[-1].path == "/site/k"
    for wrong in ("", "/wrong", f"/{word}x"):
        with pytest.raises(ClientError):
            proxy.client("s3", url=f"{proxy.url}{wrong}").put_object(Bucket="site", Key="k", Body=b"x")
    assert (len(upstream.seen), upstream.refused) == (3, [])
    assert proxy.refused() == {"secret": 3}
    elsewhere = (
        f"http://chaosd-proxy:{urlsplit(proxy.url).port}/{word}/{ACCOUNT}/jobs"  # told under another name of ours
    )
    body = json.dumps({"QueueUrl": elsewhere, "ReceiptHandle": "r"})
    head = f"{HEAD}{signed('sqs')}X-Amz-Target: AmazonSQS.DeleteMessage\r\nContent-Length: {len(body)}\r\n\r\n"
    raw(proxy, f"POST /{word}/ HTTP/1.1\r\n{head}{body}".encode())
    assert upstream.seen[-1].json["QueueUrl"] == f"{upstream.url}/{ACCOUNT}/jobs", "the secret stays here"
    assert word not in json.dumps(proxy.port.word())


def test_one_proxy_a_state_directory(proxy: Running) -> None:
    with pytest.raises(ChaosdError, match=f"another one works in .*process {proxy.process.pid}"):
        proxy.restart()
    assert proxy.port.facts().pid == proxy.process.pid


def test_a_port_that_is_taken_is_named(start: Start, proxy: Running, upstream: Upstream) -> None:
    taken = urlsplit(proxy.url).port
    with pytest.raises(ChaosdError, match=f"cannot listen on 127.0.0.1:{taken}"):
        start(upstream.url, listen=Tcp(port=taken or 0))


def test_without_credentials_it_does_not_start(
    start: Start, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(ChaosdError, match="no AWS credentials to sign with"):
        start(upstream.url)


def test_without_credentials_its_relays_still_relay(
    start: Start, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    at = urlsplit(upstream.url)
    relay = RelaySetting(name="origin", listen=Tcp(port=0), upstream=Tcp(host=at.hostname or "", port=at.port or 0))
    proxy = start(upstream.url, relays=(relay,))
    assert set(proxy.port.facts().lanes) == {"origin"}
