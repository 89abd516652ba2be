"""The host's own tools in one network namespace: nft, tc, ip. Each call is bounded, what it says translated."""

import json
import re
from dataclasses import dataclass

from daemon.core.errors import ChaosdError, RefusedError, TargetAbsentError, UndoFailedError, UnreachableError
from daemon.core.model import Json
from daemon.core.seams import Commands, Completed

WAIT_S = 30.0
CAPABILITY = "chaosd needs CAP_NET_ADMIN (and, for a namespace, CAP_SYS_ADMIN): see docs/network-faults.md"
_COUNTED = re.compile(r"counter packets (\d+) bytes (\d+)")
_GONE = "No such file or directory"
_NOT_STARTED = 127


@dataclass(frozen=True, slots=True)
class Packets:
    """What the rules of one table have hit."""

    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Host:
    """The tools, in a namespace of ``ip netns`` or, with None, in chaosd's own."""

    commands: Commands
    namespace: str | None

    @property
    def shown(self) -> str:
        return f"network namespace {self.namespace}" if self.namespace else "this host"

    def run(self, *words: str, stdin: str | None = None) -> Completed:
        """Run one command; raises TargetAbsentError when the tool or the namespace is missing."""
        inside = (f"--net=/run/netns/{self.namespace}", "--") if self.namespace else ()
        whole = ("nsenter", *inside, *words) if inside else words
        done = self.commands.run(whole, timeout_s=WAIT_S, stdin=stdin)
        if inside and done.code and done.err.startswith("nsenter:"):
            raise self._kept_out(words[0], done.err.strip())
        return done

    def _kept_out(self, tool: str, said: str) -> ChaosdError:
        if "cannot open" in said:
            return NamespaceGoneError(
                f"nothing was done: there is no {self.shown} ({said})", hint="see `ip netns list`"
            )
        if "failed to execute" in said:
            return TargetAbsentError(f"nothing was done: {tool} is not installed ({said})")
        return RefusedError(
            f"nothing was done: {self.shown} may not be entered: {said}", rule="permission", hint=CAPABILITY
        )

    # --- tables ------------------------------------------------------------------------------------------

    def check(self, rules: str) -> None:
        """Let nft read and judge rules without making them. Raises RefusedError, TargetAbsentError."""
        self.require(self.run("nft", "--check", "--file", "-", stdin=rules), "no packet was touched")

    def make(self, rules: str) -> None:
        """Make all the rules in one transaction, or none. Raises RefusedError."""
        self.require(self.run("nft", "--file", "-", stdin=rules), "no packet was touched")

    def packets(self, table: str) -> Packets | None:
        """Return what a table has hit; None when there is no such table. Raises UnreachableError when unknown."""
        done = self.run("nft", "list", "table", "inet", table)
        if done.code == 0:
            counted = [(int(p), int(b)) for p, b in _COUNTED.findall(done.out)]
            return Packets(sum(p for p, _ in counted), sum(b for _, b in counted))
        if _GONE in done.err:
            return None
        raise UnreachableError(f"it is not known whether table {table} is there: {_short(done)}", hint=CAPABILITY)

    def remove(self, table: str) -> bool:
        """Delete one table; False when it was gone. Raises UndoFailedError when it stays. Idempotent."""
        done = self.run("nft", "delete", "table", "inet", table)
        if self.packets(table) is None:
            return done.code == 0
        enter = f"nsenter --net=/run/netns/{self.namespace} " if self.namespace else ""
        raise UndoFailedError(
            f"not undone: nftables table {table} is still on {self.shown}: {_short(done)}",
            hint=f"as root: `{enter}nft delete table inet {table}`; then run `chaosd recover`",
        )

    # --- devices and queues ------------------------------------------------------------------------------

    def json(self, *words: str) -> list[dict[str, Json]]:
        """Return what ip or tc tell as JSON. Raises as ``require``."""
        done = self.run(*words)
        self.require(done, f"{words[0]} did not answer")
        return parsed(done.out)

    def require(self, done: Completed, undone: str) -> None:
        """Raise RefusedError or TargetAbsentError, with what was not done, unless a command succeeded."""
        if done.code == 0:
            return
        said = _short(done)
        if "Operation not permitted" in said or "must be root" in said:
            raise RefusedError(f"{undone} on {self.shown}: {said}", rule="permission", hint=CAPABILITY)
        if done.code == _NOT_STARTED:
            raise TargetAbsentError(f"{undone} on {self.shown}: a tool is missing: {said}")
        if "kind is unknown" in said:
            raise no_netem(self.shown, said)
        raise RefusedError(f"{undone} on {self.shown}: {said}", rule="unsupported")


class NamespaceGoneError(TargetAbsentError):
    """There is no network namespace of that name (exit 5)."""


def parsed(text: str) -> list[dict[str, Json]]:
    """Return the objects in what ip or tc printed as JSON."""
    return [one for one in json.loads(text or "[]") if isinstance(one, dict)]


def no_netem(where: str, said: str) -> RefusedError:
    """Return the refusal of a kernel that cannot delay packets."""
    return RefusedError(
        f"no packet was delayed on {where}: this kernel has no netem or no prio queue ({said})",
        rule="unsupported",
        hint="load sch_netem and sch_prio (RHEL: kernel-modules-extra), or delay AWS calls alone: aws-latency",
    )


def _short(done: Completed) -> str:
    return (done.err or done.out or f"exit {done.code}").strip().splitlines()[0][:300]
