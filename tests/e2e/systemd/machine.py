"""A machine with a real systemd: this system's own root under an overlay, booted in a container of its own."""

import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
UNITS = ROOT / "deploy" / "systemd"
BOOT_S = 240
TARGET = """[Unit]
Description=what the tests need, and nothing else
Requires=basic.target dbus.socket
After=basic.target dbus.socket
AllowIsolate=yes
"""
PYTHON = f"/opt/chaosd/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
# Interpreter, packages and tree stand where neither PrivateTmp nor ProtectHome hides them, wherever they come from.
BOUND = {sys.base_prefix: "python", sysconfig.get_path("purelib"): "packages", str(ROOT): "source"}
CHAOSD = f"""#!/bin/sh
export PYTHONPATH=/opt/chaosd/source:/opt/chaosd/packages PYTHONDONTWRITEBYTECODE=1
exec {PYTHON} -c 'import sys; from daemon.faces.cli import main; sys.exit(main())' "$@"
"""


@dataclass
class Machine:
    """A booted machine: ``run`` runs a command in it, ``files`` is its root."""

    files: Path
    leader: int

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command as root and return what it prints; raises AssertionError when it fails and ``check``."""
        into = ("nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C")
        done = subprocess.run((*into, *words), capture_output=True, text=True, check=False, timeout=100)
        if check and done.returncode:
            raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}\n{self.log()}")
        return done.stdout + done.stderr

    def show(self, name: str) -> str:
        """Return one property of the service."""
        return self.run("systemctl", "show", "--value", "-p", name, "chaosd").strip()

    def log(self) -> str:
        """Return what the service and systemd wrote about it."""
        return self.run("journalctl", "-u", "chaosd", "--no-pager", "-o", "cat", check=False)

    def wait(self, true: Callable[[], bool], what: str) -> None:
        """Wait, bounded, until something is true."""
        pause = threading.Event()
        for _ in range(600):
            if true():
                return
            pause.wait(0.2)
        raise AssertionError(
            f"never: {what}\n{self.run('systemctl', 'status', 'chaosd', check=False)}\n{self.log()}"
        )


@contextmanager
def machine(scratch: Path) -> Iterator[Machine]:
    """Boot one, and leave nothing of it: not a mount, not a process."""
    _call("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(scratch))
    try:
        upper, work, root = (scratch / name for name in ("upper", "work", "root"))
        for directory in (upper, work, root):
            directory.mkdir()
        _call("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", str(root))
        try:
            _furnish(root)
            with _booted(root, scratch / "console") as leader:
                yield Machine(root, leader)
        finally:
            _call("umount", str(root))
    finally:
        _call("umount", str(scratch))


def _furnish(root: Path) -> None:
    identity = root / "etc/machine-id"
    identity.unlink(missing_ok=True)
    identity.touch()
    (root / "etc/systemd/system/chaostest.target").write_text(TARGET)
    for name in ("bin", *BOUND.values()):
        (root / "opt/chaosd" / name).mkdir(parents=True)
    command = root / "opt/chaosd/bin/chaosd"
    command.write_text(CHAOSD)
    command.chmod(0o755)


@contextmanager
def _booted(root: Path, console: Path) -> Iterator[int]:
    words = [
        *("systemd-nspawn", "--register=no", "--keep-unit", "--private-network", "--quiet", "-b", "-D", str(root)),
        *(f"--bind-ro={source}:/opt/chaosd/{name}" for source, name in BOUND.items()),
        "--console=pipe",
        "systemd.unit=chaostest.target",
    ]
    with console.open("wb") as output:
        container = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield _leader(container, console)
    finally:
        if container.poll() is None:
            container.terminate()  # nspawn lets the machine power off
        try:
            container.wait(60)
        except subprocess.TimeoutExpired:
            container.kill()
            container.wait()


def _leader(container: "subprocess.Popen[bytes]", console: Path) -> int:
    """Return the pid of the machine's init once its systemd is up."""
    pause = threading.Event()
    for _ in range(BOOT_S * 5):
        children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
        for pid in children:
            words = ("nsenter", "-t", pid, "-m", "-u", "-i", "-n", "-p", "-C", "systemctl", "is-system-running")
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.stdout.strip() in ("running", "degraded"):
                return int(pid)
        assert container.poll() is None, f"the machine did not boot:\n{console.read_text(errors='replace')}"
        pause.wait(0.2)
    raise AssertionError(f"the machine did not boot in {BOOT_S} s:\n{console.read_text(errors='replace')}")


def _call(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
