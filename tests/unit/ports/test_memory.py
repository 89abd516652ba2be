"""How the daemon keeps its memory together; in processes of their own, for it cannot be undone."""

import subprocess
import sys

HEAPS = """
import ctypes, pathlib, threading
from daemon.ports import memory
libc = ctypes.CDLL(None)
libc.fopen.restype, libc.fclose.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
{first}
meet = threading.Barrier(9)
kept = []
def work():
    meet.wait()
    kept.append(bytes(100_000))
    meet.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
meet.wait()
meet.wait()
for thread in threads:
    thread.join()
told = libc.fopen(b"told", b"w")
libc.malloc_info(0, told)
libc.fclose(told)
print(pathlib.Path("told").read_text().count("<heap "))
"""


def heaps(directory: object, first: str) -> int:
    words = [sys.executable, "-c", HEAPS.format(first=first)]
    return int(subprocess.run(words, cwd=str(directory), capture_output=True, text=True, check=True).stdout)


def test_threads_share_two_heaps(tmp_path: object) -> None:
    assert heaps(tmp_path, "") > 2, "without it, each thread has one"
    assert heaps(tmp_path, "assert memory.share_heaps()") == 2


def test_what_is_there_at_the_start_is_looked_at_no_more() -> None:
    program = "import gc; from daemon.ports import memory; memory.settle()"
    count = "print(gc.get_freeze_count(), len(gc.get_objects()))"
    done = subprocess.run([sys.executable, "-c", f"{program}; {count}"], capture_output=True, text=True, check=True)
    frozen, left = map(int, done.stdout.split())
    assert frozen > 1000
    assert left < 100
