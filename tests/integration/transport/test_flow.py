"""What passes, how fast, and what does not pass: slow, hanging and refusing relays, measured."""

import socket
import subprocess
import threading
import time  # noqa: TID251 - measures real traffic
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from daemon.core.proxying import CUT_AFTER, CUT_BEFORE, HANG, REFUSE, SLOW
from tests.integration.transport.servers import HOST, free_port
from tests.integration.transport.wire import Wire, Yard, yard
from tests.waiting import wait_for

KIB = 1024


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one connection after the other in a thread, with plain sockets."""
    with socket.create_server((HOST, 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, suppress(OSError):
                        serve(client)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def echo_whole(client: socket.socket) -> None:
    """Answer only when all was said: needs the half-close."""
    said = b"".join(iter(lambda: client.recv(64 * KIB), b""))
    client.sendall(said)
    client.shutdown(socket.SHUT_WR)


def echo(client: socket.socket) -> None:
    while data := client.recv(64 * KIB):
        client.sendall(data)


@contextmanager
def relayed(directory: Path, serve: Callable[[socket.socket], None]) -> Iterator[Wire]:
    with listening(serve) as port, Wire(directory, (HOST, port)).running() as wire:
        yield wire


def test_a_client_that_waits_for_the_way_to_the_remote_is_reset_when_the_relay_ends(tmp_path: Path) -> None:
    with socket.socket() as full:
        full.bind((HOST, 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):  # takes the one place; whoever comes now waits
            with Wire(tmp_path, full.getsockname()).running() as wire:
                client = connected(wire)
                wait_for("its way through the relay", lambda: wire.ask(lambda: len(wire.relay._open)))
            with client, pytest.raises(ConnectionResetError):
                client.recv(1)


def connected(wire: Wire) -> socket.socket:
    return socket.create_connection((HOST, wire.port), timeout=20)


def refused(wire: Wire) -> bool:
    """Tell whether a new connection is reset; the reset may be quicker than we are."""
    try:
        with connected(wire) as client:
            client.sendall(b"x")
            return client.recv(1) != b"x"
    except ConnectionResetError:
        return True


def whole(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(64 * KIB), b""))


def test_who_does_not_read_may_go_on_speaking(tmp_path: Path) -> None:
    """Each direction for itself: bytes that nobody takes do not stop those of the other way."""
    heard = threading.Event()

    def serve(client: socket.socket) -> None:
        def flood() -> None:
            with suppress(OSError):
                client.sendall(bytes(32 * KIB * KIB))

        flooding = threading.Thread(target=flood, daemon=True)
        flooding.start()
        left = 16 * KIB * KIB
        while left and (data := client.recv(64 * KIB)):
            left -= len(data)
        heard.set()
        client.shutdown(socket.SHUT_RDWR)
        flooding.join(10)

    with relayed(tmp_path, serve) as wire, connected(wire) as client:
        client.sendall(bytes(16 * KIB * KIB))
        assert heard.wait(20)


def packet(content: bytes) -> bytes:
    return b"%04x" % (len(content) + 4) + content


def test_a_remote_that_ends_in_the_middle_of_its_report_is_heard(tmp_path: Path) -> None:
    asked, offered = (
        packet(b"git-receive-pack /r.git\0host=h\0"),
        packet(b"0" * 40 + b" refs/heads/b\0report-status"),
    )
    pushed = packet(b"1" * 40 + b" " + b"2" * 40 + b" refs/heads/b\0report-status") + b"0000PACK"
    half = b"0030\x01000eunpack ok\n"

    def serve(client: socket.socket) -> None:
        client.recv(KIB)
        client.sendall(offered + b"0000")
        client.recv(KIB)
        client.sendall(half)

    with relayed(tmp_path, serve) as wire, connected(wire) as client:
        wire.put(CUT_AFTER)
        client.sendall(asked)
        client.recv(KIB)
        client.sendall(pushed)
        assert whole(client) == half
        assert wire.hits.calls == 0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Yard]:
    with yard(tmp_path, "git") as made:
        yield made


# --- without a rule ----------------------------------------------------------------------------------------


def test_bytes_and_a_half_close_pass_as_they_are(tmp_path: Path) -> None:
    sent = bytes(range(256)) * 4000
    with relayed(tmp_path, echo_whole) as wire, connected(wire) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert whole(client) == sent


def test_a_sender_is_held_up_by_who_does_not_read(tmp_path: Path) -> None:
    """Nothing is gathered in the relay: the kernel's buffers and one read are all there is room for."""
    over = threading.Event()

    def deaf(client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * KIB)
        over.wait(30)

    with relayed(tmp_path, deaf) as wire, connected(wire) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * KIB)
        client.settimeout(2)
        sent = 0
        with suppress(TimeoutError):
            while sent < 64 * KIB * KIB:
                sent += client.send(bytes(64 * KIB))
        over.set()
        assert sent < 16 * KIB * KIB, "64 MiB would have been taken"


def test_a_reset_passes(tmp_path: Path) -> None:
    def ends_badly(client: socket.socket) -> None:
        client.recv(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()

    with relayed(tmp_path, ends_badly) as wire, connected(wire) as client:
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_where_nobody_listens_the_client_is_reset_and_it_is_told(tmp_path: Path) -> None:
    with Wire(tmp_path, (HOST, free_port())).running() as wire:
        assert refused(wire)
        assert "no way to" in wire.told[0]


# --- slow --------------------------------------------------------------------------------------------------


def test_bytes_pass_at_the_rate(tmp_path: Path) -> None:
    with relayed(tmp_path, echo_whole) as wire:
        took = {}
        for name, rate in (("fast", 0), ("slow", 100 * KIB)):
            if rate:
                wire.put(SLOW, rate=rate, delay_s=0, direction="to-remote")
            with connected(wire) as client:
                began_s = time.monotonic()
                client.sendall(bytes(200 * KIB))
                client.shutdown(socket.SHUT_WR)
                assert len(whole(client)) == 200 * KIB
                took[name] = time.monotonic() - began_s
    assert took["fast"] < 1
    assert 1.8 <= took["slow"] < 4, "200 KiB at 100 KiB/s, and nothing on the way back"


def test_every_answer_is_delayed_and_bulk_is_not(tmp_path: Path) -> None:
    with relayed(tmp_path, echo) as wire, connected(wire) as client:
        wire.put(SLOW, rate=0, delay_s=0.2, direction="from-remote")
        began_s = time.monotonic()
        for _ in range(5):
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        assert 1.0 <= time.monotonic() - began_s < 2.5
        assert wire.hits.calls == 1, "one connection"


def test_a_slow_push_arrives_whole_and_goes_on_fast_when_the_fault_ends(place: Yard) -> None:
    after = place.commit("second", bytes(range(256)) * 4)
    place.commit("third", Random(1).randbytes(400 * KIB))
    place.wire.put(SLOW, rate=20 * KIB, delay_s=0, direction="both")
    began_s = time.monotonic()
    process = place.start("push", "origin", "main")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)  # all of it would take 20 s
    place.wire.drop()
    assert process.wait(10) == 0
    assert time.monotonic() - began_s < 10
    assert process.communicate()[0]
    assert place.sound()
    assert place.git("merge-base", "--is-ancestor", after, place.tip()) == ""


# --- hang --------------------------------------------------------------------------------------------------


def test_a_hanging_remote_lets_no_byte_pass_until_the_fault_ends(place: Yard) -> None:
    before = place.tip()
    after = place.commit("second")
    place.wire.put(HANG)
    process = place.start("push", "origin", "main")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    assert place.tip() == before
    assert place.wire.hits.calls == 1
    place.wire.drop()
    assert process.wait(10) == 0, process.communicate()[0]
    process.communicate()
    assert place.tip() == after


def test_a_connection_that_is_open_already_hangs_as_well(tmp_path: Path) -> None:
    with relayed(tmp_path, echo) as wire, connected(wire) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        wire.put(HANG)
        client.sendall(b"b")
        client.settimeout(0.7)
        with pytest.raises(TimeoutError):
            client.recv(1)
        wire.drop()
        client.settimeout(10)
        assert client.recv(1) == b"b"


def test_a_rule_ends_by_itself_when_its_time_is_over(tmp_path: Path) -> None:
    with relayed(tmp_path, echo) as wire, connected(wire) as client:
        wire.put(HANG, lasts_s=1.0)
        client.sendall(b"b")
        assert client.recv(1) == b"b"
        assert list(wire.files.names()) == []


# --- refuse ------------------------------------------------------------------------------------------------


def test_new_connections_are_reset_and_open_ones_stay(place: Yard, tmp_path: Path) -> None:
    with relayed(tmp_path / "echo", echo) as wire, connected(wire) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        wire.put(REFUSE, open="keep")
        assert refused(wire)
        client.sendall(b"b")
        assert client.recv(1) == b"b"
    place.wire.put(REFUSE, open="keep")
    code, said = place.run("fetch", "origin")
    assert code != 0
    assert "reset" in said
    place.wire.drop()
    place.git("fetch", "origin")


def test_open_connections_are_reset_on_request_though_nothing_moves(tmp_path: Path) -> None:
    with relayed(tmp_path, echo) as wire, connected(wire) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        wire.put(REFUSE, open="reset")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        wait_for("nothing open", lambda: wire.ask(lambda: wire.relay.connections) == 0, 10)


def test_a_share_of_connections_is_refused_and_the_same_ones_by_the_same_seed(tmp_path: Path) -> None:
    def fates(directory: Path) -> list[bool]:
        with relayed(directory, echo) as wire:
            wire.put(REFUSE, percent=40, seed=9)
            found = [refused(wire) for _ in range(30)]
            assert (wire.hits.matched, wire.hits.calls) == (30, sum(found))
        return found

    first = fates(tmp_path / "one")
    assert 4 <= sum(first) <= 20
    assert fates(tmp_path / "two") == first


def test_a_rule_of_another_lane_does_nothing_here(place: Yard) -> None:
    place.wire.put(CUT_BEFORE)
    rule = place.wire.files.read("one")
    assert rule is not None
    place.wire.files.write(replace(rule, lane="mirror"))
    place.commit("second")
    assert place.push()[0] == 0
