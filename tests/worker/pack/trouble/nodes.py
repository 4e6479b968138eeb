"""Nodes that count, hang, crash, and take all memory."""

import ctypes
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from nodeflow.api import Field, ImageFile, Kind, ModelFile, Run, Secret, Seed, node, quiet


def waits(steps: int, seconds: float) -> Iterator[int]:
    """A sampler that only waits."""
    for step in range(steps):
        time.sleep(seconds)
        yield step


@node("trouble.Count")
def count(
    steps: Annotated[int, Field(ge=1, le=100_000)] = 3, seconds: float = 0.0, seed: Seed = 0, *, run: Run = quiet
) -> int:
    """Count steps, slowly."""
    return sum(run.track(waits(steps, seconds), total=steps)) + seed


@node("trouble.Warner")
def warner(times: int = 3, *, run: Run = quiet) -> int:
    """Warn, again and again."""
    for number in range(times):
        run.warn(f"warning {number}")
    return times


@node("trouble.Segfault")
def segfault(seed: Seed = 0) -> int:
    """Read what is at no address."""
    print("about to crash")
    return len(ctypes.string_at(seed))


@node("trouble.Exit")
def leave(code: int = 5) -> int:
    """End the process."""
    os._exit(code)


@node("trouble.Killed")
def killed(seed: Seed = 0) -> int:
    """Be killed, as the system kills what takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    return seed


@node("trouble.Hang")
def hang(seconds: float = 60.0) -> float:
    """Do nothing that can be interrupted."""
    time.sleep(seconds)
    return seconds


@node("trouble.Greedy")
def greedy(megabytes: int = 100_000) -> int:
    """Ask for more memory than there is."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (20 * 2**30, before[1]))
    try:
        return len(bytearray(megabytes * 2**20))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@node("trouble.Token", kind=Kind.EXTERNAL)
def token(dies: str = "", *, run: Run = quiet) -> str:
    """Tell the token of this call; the first time, die after it was used.

    Args:
        dies: File that stands for the first time; none, and it lives.
    """
    if dies:
        with Path(dies).open("a") as file:
            file.write(run.token + "\n")
        if Path(dies).read_text().count("\n") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(5)
    return run.token


@node("trouble.Tell", kind=Kind.EXTERNAL)
def tell(key: Annotated[str, Secret()]) -> int:
    """Print a secret in every way there is."""
    print(f"key {key}", flush=True)
    os.system(f"echo child {key}")
    os.write(2, f"written {key}\n".encode())
    return len(key)


@node("trouble.Length")
def length(file: Annotated[Path, ModelFile("checkpoints")]) -> int:
    """Say how long a model file is."""
    return len(file.read_bytes())


@node("trouble.Look")
def look(file: Annotated[Path, ImageFile()]) -> int:
    """Say how long an input file is."""
    return len(file.read_bytes())


@node("trouble.Dirt", kind=Kind.EFFECT)
def write(text: str = "x", prefix: str = "note", *, run: Run = quiet) -> None:
    """Write a text file."""
    run.save(prefix, "txt", text.encode())
