"""What the process that runs for hours asks of the C library."""

import platform
import subprocess
import sys

import pytest

from nodeflow.session.memory import keep_one_arena

_COUNT_HEAPS = """
import ctypes, os, sys, tempfile, threading
from nodeflow.session.memory import keep_one_arena

if sys.argv[1] == "one":
    keep_one_arena()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
barrier = threading.Barrier(4)

def work():
    library.malloc(1000)
    barrier.wait()

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library.fopen.restype = ctypes.c_void_p
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "heaps.xml")
    stream = ctypes.c_void_p(library.fopen(path.encode(), b"w"))
    library.malloc_info(0, stream)
    library.fclose(stream)
    print(open(path).read().count("<heap nr="))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has a heap for every thread")
def test_all_threads_share_one_heap() -> None:
    heaps = {
        way: int(subprocess.run([sys.executable, "-c", _COUNT_HEAPS, way], capture_output=True, check=True).stdout)
        for way in ("one", "many")
    }
    assert heaps["one"] == 1 < heaps["many"]


def test_asking_for_it_is_harmless_anywhere() -> None:
    keep_one_arena()
