"""Nodes that count, sleep, print, fail and write, so that every ending of a run can be brought about."""

import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

from nodeflow.api import (
    Field,
    Graph,
    ImageFile,
    InputError,
    Kind,
    Lazy,
    ModelFile,
    Ref,
    Retry,
    Run,
    Scope,
    Secret,
    Seed,
    expander,
    node,
    quiet,
)
from nodeflow.diffusion.types import Image

T = TypeVar("T")


def counting(steps: int, seconds: float) -> Iterator[int]:
    """A sampler that only waits."""
    for step in range(steps):
        time.sleep(seconds)
        yield step


@node("shelltest.Count")
def count(
    steps: Annotated[int, Field(ge=1, le=1000)] = 3,
    seconds: Annotated[float, Field(ge=0)] = 0.0,
    seed: Seed = 0,
    *,
    run: Run = quiet,
) -> int:
    """Count steps, slowly.

    Args:
        steps: How many.
    """
    total = seed
    for step in run.track(counting(steps, seconds), total=steps):
        total += step
    return total


@node("shelltest.Join")
def join(text: str, number: int = 0) -> str:
    """Put a text and a number together."""
    return f"{text} {number}"


@node("shelltest.Write")
def write(text: str, prefix: str = "note", *, run: Run = quiet) -> None:
    """Write a text file."""
    run.save(prefix, "txt", text.encode())


@node("shelltest.Noisy")
def noisy(text: str = "x") -> str:
    """Print to standard output in every way there is."""
    print("noise from print")
    os.system("echo noise from a child process")
    ctypes.CDLL(None).puts(b"noise from C")
    ctypes.CDLL(None).fflush(None)
    return text


@node("shelltest.Broken")
def broken(text: str = "x") -> str:
    """Fail by a fault of its own."""
    return text[99]


@node("shelltest.Picky")
def picky(width: int = 7) -> int:
    """Fail by a fault of its user."""
    raise InputError("width", "must be a multiple of 8; try 8")


@node("shelltest.Warner")
def warner(text: str = "x", *, run: Run = quiet) -> str:
    """Warn."""
    run.warn("the prompt was cut")
    run.show("shown text")
    run.show(object())
    return text


@node("shelltest.Hungry")
def hungry(megabytes: int = 1, *, run: Run = quiet) -> int:
    """Take memory."""
    return len(bytearray(megabytes * 2**20))


@node("shelltest.Length")
def length(file: Annotated[Path, ModelFile("checkpoints")]) -> int:
    """Say how long a model file is."""
    return len(file.read_bytes())


@node("shelltest.Look")
def look(file: Annotated[Path, ImageFile()]) -> int:
    """Say how long an input file is."""
    return len(file.read_bytes())


@node("shelltest.Paint")
def paint(seed: Seed = 0, width: int = 16, batch: int = 1) -> Image:
    """Draw pictures of noise."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return Image(torch.rand((batch, 8, width, 3), generator=generator))


@node("shelltest.Tally")
def tally(log: str, seed: Seed = 0, seconds: float = 0.0) -> Image:
    """Draw a picture, and note down that it was done, against the rules."""
    import torch

    time.sleep(seconds)
    with Path(log).open("a") as file:
        file.write(f"{seed}\n")
    return Image(torch.full((1, 8, 8, 3), (seed % 256) / 255))


@node("shelltest.Random")
def random_picture() -> Image:
    """Draw a picture that is another one every time, against the rules."""
    import torch

    return Image(torch.frombuffer(bytearray(os.urandom(8 * 8 * 3)), dtype=torch.uint8).reshape(1, 8, 8, 3) / 255)


@node("shelltest.Dark")
def dark(image: Image, file: Annotated[Path, ModelFile("checkpoints")]) -> Image:
    """Darken a picture as much as a file is long."""
    return Image(image.pixels / (1 + len(file.read_bytes())), image.items)


@node("shelltest.Choose")
async def choose(first: bool, yes: Lazy[T], no: Lazy[T]) -> T:
    """Hand on one of two."""
    return await (yes if first else no)


@expander("shelltest.Times")
def times(graph: Graph, text: Ref[str], turns: int = 2) -> Ref[str]:
    """Join several times."""
    for turn in range(turns):
        text = graph(join)(text, turn)
    return text


@node("shelltest.Ask", kind=Kind.EXTERNAL, scope=Scope.HOME, age=3600)
def ask(what: str, times: int = 0, *, run: Run = quiet) -> str:
    """Ask an outside service, which wants to be asked several times.

    Args:
        times: How often it says "later" to one token.
    """
    place = Path(os.environ["NODEFLOW_HOME"]) / "asked"
    place.mkdir(exist_ok=True)
    tries = len(list(place.glob(f"{run.token}-*")))
    (place / f"{run.token}-{tries}").touch()
    if tries < times:
        raise Retry(0.01, f"busy, try {tries + 1}")
    return f"{what} {len(list(place.iterdir()))}"


@node("shelltest.Refused", kind=Kind.EXTERNAL)
def refused(key: Annotated[str, Secret()]) -> str:
    """Be refused by an outside service."""
    raise ValueError(f"https://example.org/?key={key}")


@node("shelltest.Spoil")
def spoil(numbers: list[int]) -> int:
    """Change a list that stands in the document."""
    numbers.append(1)
    return len(numbers)
