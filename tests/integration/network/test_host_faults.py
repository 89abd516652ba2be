"""The faults of the network in real namespaces: really cut, really lossy, and afterwards as if nothing had been."""

import os
import shutil
import socket
import subprocess
from contextlib import suppress

import pytest
from scipy.stats import binom

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.model import Outcome
from daemon.ports.local import LocalCommands
from faults.network import hosting
from tests.fakes import Switch
from tests.integration.network.netns import FAR, FAR6, NEAR, OTHER, Pair, run
from tests.integration.network.striker import PACKETS, Striker, lost
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("nft", "tc", "nsenter"))),
    reason="makes network namespaces: needs root, nftables and iproute2",
)
PORT = 8080
ODDS = 1e-10  # that a sound run fails a bound: two bounds, a few runs


@pytest.fixture(autouse=True)
def listening(wire: Pair) -> None:
    for address in (FAR, OTHER, FAR6):
        wire.listen(wire.far, address, PORT)


def test_a_black_hole_lets_packets_to_its_port_vanish_and_no_others(wire: Pair, striker: Striker) -> None:
    wire.listen(wire.far, FAR, PORT + 1)
    before = wire.rules()
    undo = striker.strike("network-blackhole", port=PORT)
    assert wire.connects(FAR, PORT) == "hangs"
    assert wire.connects(FAR6, PORT) == "hangs"
    assert wire.connects(FAR, PORT + 1) == "open"
    reversion = striker.revert(undo)
    assert wire.connects(FAR, PORT) == "open"
    assert wire.connects(FAR6, PORT) == "open"
    assert reversion.outcome is Outcome.RESTORED
    assert reversion.proof["packets"] >= 2
    assert not reversion.proof["there"]
    assert wire.rules() == before
    assert striker.revert(undo).outcome is Outcome.UNTOUCHED


def test_refused_is_refused_at_once(wire: Pair, striker: Striker) -> None:
    undo = striker.strike("network-blackhole", mode="reject", port=PORT)
    assert wire.connects(FAR, PORT, wait_s=20) == "refused"
    assert wire.connects(FAR6, PORT, wait_s=20) == "refused"
    striker.revert(undo)
    assert wire.connects(FAR, PORT) == "open"


def test_an_ingress_cut_hits_who_comes_from_outside_and_never_loopback(wire: Pair, striker: Striker) -> None:
    wire.listen(wire.near, "0.0.0.0", PORT)  # noqa: S104  in the test's own namespace
    undo = striker.strike("network-blackhole", port=PORT, direction="ingress")
    assert wire.connects(NEAR, PORT, where=wire.far) == "hangs"
    assert wire.connects("127.0.0.1", PORT) == "open"
    assert wire.connects(FAR, PORT) == "open"
    striker.revert(undo)
    assert wire.connects(NEAR, PORT, where=wire.far) == "open"


def test_only_these_hosts_and_never_those(wire: Pair, striker: Striker) -> None:
    undo = striker.strike("network-blackhole", port=PORT, hosts=f"{FAR},fd77::/64")
    assert [wire.connects(a, PORT) for a in (FAR, OTHER, FAR6)] == ["hangs", "open", "hangs"]
    striker.revert(undo)
    undo = striker.strike("network-blackhole", port=PORT, exempt=f"{FAR},fd77::2")
    assert [wire.connects(a, PORT) for a in (FAR, OTHER, FAR6)] == ["open", "hangs", "open"]
    striker.revert(undo)
    with pytest.raises(RefusedError, match="spared"):
        striker.prepare("network-blackhole", port=PORT, hosts=FAR, exempt="10.77.0.0/24")


def test_only_one_user_is_hit(wire: Pair, striker: Striker) -> None:
    undo = striker.strike("network-blackhole", port=PORT, user="65534")
    assert wire.connects(FAR, PORT) == "open"
    inside = ("nsenter", f"--net=/run/netns/{wire.near}", "setpriv", "--reuid=65534", "--clear-groups")
    other = f"exec 3<>/dev/tcp/{FAR}/{PORT} && echo open"
    assert run(*inside, "timeout", "1", "bash", "-c", other, check=False) == ""
    striker.revert(undo)
    assert run(*inside, "timeout", "5", "bash", "-c", other) == "open\n"


@pytest.mark.parametrize(
    ("mode", "out", "back"),
    [("both", "hangs", "hangs"), ("outbound", "hangs", "hangs"), ("inbound", "hangs", "hangs")],
)
def test_a_partition_is_from_one_host_and_not_another(
    wire: Pair, striker: Striker, mode: str, out: str, back: str
) -> None:
    """A connection needs both directions, so cut in any it hangs; single packets tell the directions apart."""
    wire.listen(wire.near, NEAR, PORT)
    before = wire.rules()
    undo = striker.strike("network-partition", mode=mode, hosts=FAR)
    assert wire.connects(FAR, PORT) == out
    assert wire.connects(NEAR, PORT, where=wire.far, source=FAR) == back
    assert wire.connects(OTHER, PORT) == "open"
    assert wire.connects(NEAR, PORT, where=wire.far, source=OTHER) == "open"
    assert (arrives(wire, wire.near, None, FAR), arrives(wire, wire.far, FAR, NEAR)) == {
        "both": (False, False),
        "outbound": (False, True),
        "inbound": (True, False),
    }[mode]
    striker.revert(undo)
    assert wire.connects(FAR, PORT) == "open"
    assert wire.connects(NEAR, PORT, where=wire.far, source=FAR) == "open"
    assert wire.rules() == before


def arrives(wire: Pair, where: str, source: str | None, to: str) -> bool:
    """Tell whether one datagram gets there; a veth delivers before the call returns."""
    there = wire.listen(wire.far if where == wire.near else wire.near, to, 9000, kind=socket.SOCK_DGRAM)
    there.settimeout(0.3)
    with wire.client(where, socket.SOCK_DGRAM, source) as caller, suppress(PermissionError):
        caller.sendto(b"x", (to, 9000))
    try:
        return there.recv(10) == b"x"
    except TimeoutError:
        return False
    finally:
        there.close()


def test_no_name_is_resolved(wire: Pair, striker: Striker) -> None:
    server = wire.listen(wire.far, FAR, 53, kind=socket.SOCK_DGRAM)
    wire.listen(wire.far, FAR, 53)
    wire.listen(wire.far, FAR, 54)

    def asked() -> str:
        with wire.client(wire.near, socket.SOCK_DGRAM) as caller:
            caller.settimeout(0.3)
            caller.connect((FAR, 53))
            try:
                caller.send(b"?")
                server.settimeout(0.3)
                server.sendto(b"!", server.recvfrom(10)[1])
                return caller.recv(10).decode()
            except (ConnectionRefusedError, PermissionError):  # either from the wire, or from the very call
                return "refused"
            except TimeoutError:
                return "hangs"

    assert asked() == "!"
    for mode, end in (("drop", "hangs"), ("refuse", "refused")):
        undo = striker.strike("network-dns", mode=mode)
        assert asked() == end
        assert wire.connects(FAR, 53) == end
        assert wire.connects(FAR, 54) == "open"
        striker.revert(undo)
    assert asked() == "!"
    assert wire.connects(FAR, 53) == "open"


@pytest.mark.parametrize(
    ("percent", "direction"), [(30, "egress"), (5, "egress"), (30, "ingress"), (100, "both"), (10, "auto")]
)
def test_so_many_packets_are_lost_and_afterwards_none(
    wire: Pair, striker: Striker, percent: int, direction: str
) -> None:
    there_and_back = (wire.near, FAR) if direction != "ingress" else (wire.far, NEAR)
    assert lost(wire, *there_and_back) == 0
    undo = striker.strike("network-packet-loss", percent=percent, direction=direction)
    missing = lost(wire, *there_and_back)
    least, most = binom.ppf(ODDS, PACKETS, percent / 100), binom.isf(ODDS, PACKETS, percent / 100)
    assert least <= missing <= most
    assert striker.revert(undo).proof["packets"] >= missing
    assert lost(wire, *there_and_back) == 0


def test_everything_may_die_and_the_fault_still_ends_by_itself(
    wire: Pair, striker: Striker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "AFTERGLOW_S", 1)
    undo = striker.strike("network-blackhole", port=PORT)
    assert wire.connects(FAR, PORT, wait_s=0.2) == "hangs"
    wait_for("the kernel ends it", lambda: wire.connects(FAR, PORT, wait_s=0.1) == "open", 20)
    reversion = striker.revert(undo)
    assert reversion.outcome is Outcome.RESTORED
    assert undo.data["table"] not in wire.rules()


def test_somebody_elses_rules_stay(wire: Pair, striker: Striker) -> None:
    inside = ("nsenter", f"--net=/run/netns/{wire.near}", "nft")
    run(*inside, "add", "table", "inet", "filter")
    run(*inside, "add", "chain", "inet", "filter", "c", "{ type filter hook output priority 0; }")
    run(*inside, "add", "rule", "inet", "filter", "c", "tcp", "dport", str(PORT), "counter")
    undo = striker.strike("network-partition", hosts=FAR)
    run(*inside, "add", "rule", "inet", "filter", "c", "tcp", "dport", "1", "drop")
    changed = wire.rules()
    striker.revert(undo)
    assert "table inet filter" in wire.rules()
    assert "tcp dport 1 drop" in wire.rules()
    assert len(wire.rules()) < len(changed)


def test_a_second_injection_beside_a_first_takes_only_itself_back(wire: Pair, striker: Striker) -> None:
    undo = striker.strike("network-blackhole", port=PORT)
    with pytest.raises(RefusedError, match="no packet was touched"):  # the very same table
        striker.strike("network-blackhole", port=PORT)
    assert wire.connects(FAR, PORT) == "hangs"
    striker.revert(undo)
    assert wire.connects(FAR, PORT) == "open"


def test_a_device_that_is_named_is_the_only_one_hit(wire: Pair, striker: Striker) -> None:
    undo = striker.strike("network-blackhole", port=PORT, device="va")
    assert wire.connects(FAR, PORT) == "hangs"
    striker.revert(undo)
    undo = striker.strike("network-blackhole", port=PORT, device="vz")
    assert wire.connects(FAR, PORT) == "open"
    striker.revert(undo)


# --- what is not there -----------------------------------------------------------------------------------


def test_a_namespace_that_is_not_there(striker: Striker) -> None:
    with pytest.raises(TargetAbsentError, match="no network namespace chaosd-none"):
        striker.prepare("network-dns", where="chaosd-none")


def test_a_namespace_that_went_away_meanwhile(wire: Pair, striker: Striker) -> None:
    undo = striker.strike("network-dns")
    run("ip", "netns", "delete", wire.near)
    reversion = striker.revert(undo)
    assert reversion.outcome is Outcome.SUPERSEDED
    assert "not reached any more" in reversion.doubt


@pytest.mark.parametrize("fault", ["network-blackhole", "network-latency"])
def test_without_the_tool_nothing_is_touched(wire: Pair, striker: Striker, fault: str) -> None:
    before = wire.rules()
    bare = LocalCommands(striker.world.clock, {"PATH": f"{os.path.dirname(shutil.which('nsenter') or '')}"})  # noqa: PTH120
    striker.world.__dict__["_commands"] = bare
    with pytest.raises(TargetAbsentError, match="not installed"):
        striker.prepare(fault)
    assert wire.rules() == before


def test_somebody_elses_queue_is_left_alone(wire: Pair, striker: Striker) -> None:
    inside = ("nsenter", f"--net=/run/netns/{wire.near}", "tc", "qdisc")
    run(*inside, "add", "dev", "va", "root", "tbf", "rate", "1mbit", "burst", "4k", "latency", "50ms")
    before = wire.rules()
    for how in ({"fault": "network-latency"}, {"fault": "network-packet-loss", "by": "netem"}):
        with pytest.raises(RefusedError, match="somebody set up: tbf") as raised:
            striker.prepare(**how)
        assert raised.value.rule == "not-ours"
    assert wire.rules() == before


def test_latency_is_refused_untouched_by_a_kernel_without_netem(wire: Pair, striker: Striker) -> None:
    """Where the kernel has it the fault is prepared; that it delays is measured by ``make torture``."""
    tried = ("unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
    before = wire.rules()
    if subprocess.run(tried, capture_output=True, check=False).returncode == 0:
        assert striker.prepare("network-latency").data["queue"]["netem"] == ["delay", "200ms"]
    else:
        with pytest.raises(RefusedError, match="no netem") as raised:
            striker.prepare("network-latency")
        assert raised.value.rule == "unsupported"
    assert wire.rules() == before


def test_a_queue_that_the_kernel_does_not_make_leaves_nothing(wire: Pair, striker: Striker) -> None:
    """Where a namespace cannot be made to try it out, the strike finds out: no rule is made, no packet hit."""
    before = wire.rules()
    undo = striker.prepare("network-blackhole", port=PORT)
    queue = {"device": "va", "handle": "c123:", "netem": ["no-such-effect"]}
    undo.data["queue"] = queue  # type: ignore[index]
    with pytest.raises(RefusedError):
        hosting.inject(undo, striker.world, Switch())
    assert wire.connects(FAR, PORT) == "open"
    striker.revert(undo)
    assert wire.rules() == before
