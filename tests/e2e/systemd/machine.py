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
export LD_LIBRARY_PATH=/opt/chaosd/python/lib
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
        done = subprocess.run((*into, *words), capture_output=True, text=True, check=False, timeout=400)
        if check and done.returncode:
            raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}\n{self.log()}")
        return done.stdout + done.stderr

    def show(self, name: str, *, unit: str = "chaosd") -> str:
        """Return one property of a service."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

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


# In a mount namespace of its own, so that nothing of it is left however the test ends.
BOOT = """
cd "$1" && shift
mount -t tmpfs -o mode=0755 tmpfs layer
mkdir layer/upper layer/work
cp -a seed/. layer/upper
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/layer/upper,workdir=$PWD/layer/work" root
exec systemd-nspawn -D root "$@"
"""


@contextmanager
def machine(scratch: Path) -> Iterator[Machine]:
    """Boot one, and leave nothing of it: not a mount, not a process."""
    for name in ("seed", "layer", "root"):
        (scratch / name).mkdir()
    _furnish(scratch / "seed")
    words = [
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"),
        *("sh", "-ec", BOOT, "sh", str(scratch)),
        *("--register=no", "--keep-unit", "--private-network", "--quiet", "-b", "--console=pipe"),
        *(f"--bind-ro={source}:/opt/chaosd/{name}" for source, name in BOUND.items()),
        "systemd.unit=chaostest.target",
    ]
    console = scratch / "console"
    with console.open("wb") as output:
        container = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        leader = _leader(container, console)
        yield Machine(Path(f"/proc/{leader}/root"), leader)
    finally:
        container.terminate()  # nspawn lets the machine power off
        try:
            container.wait(60)
        except subprocess.TimeoutExpired:
            container.kill()
            container.wait()


def _furnish(seed: Path) -> None:
    """Lay what is not in this system's own root over it."""
    units = seed / "etc/systemd/system"
    units.mkdir(parents=True)
    (seed / "etc/machine-id").touch()
    (units / "chaostest.target").write_text(TARGET)
    for name in ("bin", *BOUND.values()):
        (seed / "opt/chaosd" / name).mkdir(parents=True)
    command = seed / "opt/chaosd/bin/chaosd"
    command.write_text(CHAOSD)
    command.chmod(0o755)


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
