"""nft, tc and ip of a host in memory: what network faults put there, and what somebody had there before."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daemon.core.errors import TargetAbsentError, UnreachableError
from daemon.core.seams import Completed
from daemon.core.wire import Own
from tests.fakes import FakeCommands

DEVICE = "eth0"
DEFAULT = {"kind": "fq_codel", "handle": "0:", "root": True}


def _done(out: str = "") -> Completed:
    return Completed(code=0, out=out, err="")


def _failed(said: str, code: int = 1) -> Completed:
    return Completed(code=code, out="", err=said)


class FakeNames:
    """A resolver that answers from a table, and what is chaosd's own."""

    def __init__(self) -> None:
        self.table: dict[str, tuple[str, ...]] = {}
        self.mine = Own()

    def addresses(self, host: str) -> tuple[str, ...]:
        if host not in self.table:
            raise UnreachableError(f"{host} has no address here")
        return self.table[host]

    def own(self) -> Own:
        return self.mine


@dataclass
class FakeHost(FakeCommands):
    """The tools of one host with one network namespace besides its own, ``worker``.

    ``denies``: what every command answers; ``missing``: tools that are not installed; ``netem``: the kernel has it.
    ``hit``: the packets that each rule has counted.
    """

    netem: bool = True
    hit: int = 3
    denies: str = ""
    missing: frozenset[str] = frozenset()
    namespaces: set[str] = field(default_factory=lambda: {"", "worker"})
    tables: dict[tuple[str, str], str] = field(default_factory=lambda: {("", "filter"): "somebody's"})
    queues: dict[str, list[dict[str, object]]] = field(default_factory=lambda: {DEVICE: [DEFAULT]})
    ran: list[tuple[str, ...]] = field(default_factory=list)
    answers: dict[str, Completed] = field(default_factory=dict)

    def state(self) -> object:
        return dict(self.tables), {d: list(q) for d, q in self.queues.items()}

    def run(self, arguments: Sequence[str], *, timeout_s: float, **more: object) -> Completed:
        assert timeout_s > 0
        self.ran.append(tuple(arguments))
        words, where = list(arguments), ""
        if words[0] == "nsenter":
            where = words[1].removeprefix("--net=/run/netns/")
            words = words[3:]
            if where not in self.namespaces:
                return _failed(f"nsenter: cannot open /run/netns/{where}: No such file or directory")
            if words[0] in self.missing:
                return _failed(f"nsenter: failed to execute {words[0]}: No such file or directory", 127)
        if words[0] in self.missing:
            raise TargetAbsentError(f"not run: {words[0]} cannot be started")
        if self.denies:
            return _failed(self.denies)
        return {"nft": self._nft, "tc": self._tc, "ip": self._ip, "unshare": self._unshare}[words[0]](
            where, words[1:], str(more.get("stdin") or "")
        )

    def _nft(self, where: str, words: list[str], text: str) -> Completed:
        match words:
            case ["--check", "--file", "-"]:
                return _done()
            case ["--file", "-"]:
                name = text.split()[3]
                if (where, name) in self.tables:
                    return _failed("Error: Could not process rule: File exists")
                self.tables[where, name] = text
                return _done()
            case ["list", "table", "inet", name]:
                found = self.tables.get((where, name))
                return (
                    _failed("Error: No such file or directory")
                    if found is None
                    else _done(_counted(found, self.hit))
                )
            case ["delete", "table", "inet", name]:
                gone = self.tables.pop((where, name), None)
                return _done() if gone else _failed("Error: Could not process rule: No such file or directory")
        raise AssertionError(words)

    def _tc(self, _: str, words: list[str], __: str) -> Completed:
        match words:
            case ["-json", "qdisc", "show", "dev", device]:
                found = self.queues.get(device)
                return _failed(f'Cannot find device "{device}"') if found is None else _done(json.dumps(found))
            case ["qdisc", "add", "dev", device, "root", "handle", handle, kind, *_]:
                self.queues[device] = [{"kind": kind, "handle": handle, "root": True}]
                return _done()
            case ["qdisc", "add", "dev", device, "parent", parent, "netem", *_]:
                if not self.netem:
                    return _failed("Error: Specified qdisc kind is unknown.", 2)
                self.queues[device].append({"kind": "netem", "handle": "8001:", "parent": parent})
                return _done()
            case ["qdisc", "del", "dev", device, "root", "handle", handle]:
                if self.queues[device][0]["handle"] != handle:
                    return _failed("Error: Invalid handle.", 2)
                self.queues[device] = [DEFAULT]
                return _done()
        raise AssertionError(words)

    def _ip(self, _: str, words: list[str], __: str) -> Completed:
        assert words[1:] == ["-json", "route", "show", "default"]
        routes: list[Mapping[str, str]] = [{"dst": "default", "dev": DEVICE}] if words[0] == "-4" else []
        return _done(json.dumps(routes if DEVICE in self.queues else []))

    def _unshare(self, _: str, __: list[str], ___: str) -> Completed:
        return _done() if self.netem else _failed("Error: Specified qdisc kind is unknown.", 2)


def _counted(rules: str, hit: int) -> str:
    return rules.replace("counter ", f"counter packets {hit} bytes {60 * hit} ")
