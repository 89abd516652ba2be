"""A machine emulated in software: a kernel of the distribution, which has netem, and this machine's files to read.

``CHAOSD_KERNEL`` names a directory with ``boot/vmlinuz-*`` and ``lib/modules/*``: ``/`` where such a kernel is
installed, or where its package was unpacked. Nothing of the machine's own network is in the emulated one, and it
writes nothing here: its root is this one, read only, under a file system in memory.
"""

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

QEMU = "qemu-system-x86_64"
ROOT = Path(__file__).parents[3]
SECONDS = 1800
MODULES = (
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "veth",
    "sch_netem",
    "sch_prio",
    "crc32c_generic",  # libcrc32c asks for it by another name
    "nf_tables",
    "nft_numgen",
    "nft_reject_inet",
)
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /low /mem /new
/bin/busybox mount -t devtmpfs dev /dev
{load}
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 root /low
/bin/busybox mount -t tmpfs mem /mem
/bin/busybox mkdir -p /mem/up /mem/work
/bin/busybox mount -t overlay -o lowerdir=/low,upperdir=/mem/up,workdir=/mem/work over /new
/bin/busybox mount -t proc proc /new/proc
/bin/busybox mount -t sysfs sys /new/sys
/bin/busybox mount --move /dev /new/dev
/bin/busybox mount -t tmpfs run /new/run
/bin/busybox mount -t tmpfs tmp /new/tmp
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C PYTHONPATH={root}
/bin/busybox chroot /new {python} -B -m {module}
/bin/busybox poweroff -f
"""


@dataclass(frozen=True)
class Kernel:
    """A kernel's image and its modules."""

    image: Path
    modules: Path


def kernel() -> Kernel | None:
    """Return the newest kernel with netem below CHAOSD_KERNEL; None without one, or without qemu or busybox."""
    below = Path(os.environ.get("CHAOSD_KERNEL", "/"))
    if not shutil.which(QEMU) or not shutil.which("busybox"):
        return None
    for image in sorted(below.glob("boot/vmlinuz-*"), reverse=True):
        modules = below / "lib/modules" / image.name.removeprefix("vmlinuz-")
        if any(modules.rglob("sch_netem.ko")):
            return Kernel(image, modules)
    return None


def in_order(modules: Path) -> list[Path]:
    """Return the files of the modules and of all they depend on, each after those."""
    files = {path.stem.replace("-", "_"): path for path in modules.rglob("*.ko")}
    found: list[Path] = []

    def add(name: str) -> None:
        path = files.get(name.replace("-", "_"))  # else it is built in
        if path is None or path in found:
            return
        depends = _DEPENDS.search(path.read_bytes())
        for other in (depends[1].decode() if depends else "").split(","):
            if other:
                add(other)
        found.append(path)

    for name in MODULES:
        add(name)
    return found


def _archive(files: dict[str, bytes]) -> bytes:
    """Return an initramfs: the `newc` format of cpio."""
    made = b""
    for number, (name, content) in enumerate((*files.items(), ("TRAILER!!!", b""))):
        folder = name.endswith("/")
        mode = 0o40755 if folder else 0o100755
        path = name.rstrip("/").encode() + b"\0"
        head = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        made += b"070701" + b"".join(b"%08X" % field for field in head) + path
        made += b"\0" * (-len(made) % 4) + content
        made += b"\0" * (-len(made) % 4)
    return made


def run(found: Kernel, module: str, directory: Path) -> str:
    """Boot, run one Python module of this project as root, and return what it said on the console.

    After ``SECONDS`` the machine is switched off, and what it has said by then is returned.
    """
    drivers = in_order(found.modules)
    load = "\n".join(f"/bin/busybox insmod /mod/{path.name}" for path in drivers)
    init = INIT.format(load=load, root=ROOT, python=sys.executable, module=module)
    busybox = Path(shutil.which("busybox") or "").read_bytes()
    files = {"bin/": b"", "bin/busybox": busybox, "mod/": b"", "init": init.encode()}
    files |= {f"mod/{path.name}": path.read_bytes() for path in drivers}
    (directory / "initramfs").write_bytes(_archive(files))
    words = (
        *(QEMU, "-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "1", "-display", "none", "-no-reboot"),
        *("-serial", "stdio", "-monitor", "none", "-nic", "none", "-kernel", str(found.image)),
        *("-initrd", str(directory / "initramfs"), "-append", "console=ttyS0 quiet panic=-1 no_timer_check"),
        *("-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"),
    )
    console = directory / "console"
    with console.open("wb") as out, suppress(subprocess.TimeoutExpired):
        subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=SECONDS, check=False)
    return console.read_text(errors="replace")
