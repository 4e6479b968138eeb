"""Nothing is wrong with it."""

import random
import tempfile
from dataclasses import dataclass
from typing import Annotated, Literal

from nodeflow.api import Field, FilePrefix, InputError, Pack, Run, Seed, node, quiet

pack = Pack("clean", "1.0")


@dataclass(frozen=True)
class Sound:
    """Samples that say how large they are."""

    samples: bytes

    @property
    def nbytes(self) -> int:
        """Bytes of all samples."""
        return len(self.samples)


@node("clean.Silence")
def silence(seconds: Annotated[int, Field(ge=1, le=10)] = 1) -> Sound:
    """Silence.

    Args:
        seconds: How long it is.
    """
    return Sound(bytes(8000 * seconds))


@node("clean.Echo")
def echo(sound: Sound, times: Annotated[int, Field(ge=1, le=5)] = 2) -> Sound:
    """Repeat a sound.

    Args:
        sound: What is repeated.
        times: How often.
    """
    if times == 5:
        raise InputError("times", "five is too much; try 4")
    return Sound(sound.samples * times)


@node("clean.Roll")
def roll(seed: Seed = 0, sides: Literal[6, 20] = 6) -> int:
    """Roll a die.

    Args:
        seed: What is drawn from.
        sides: How many the die has.
    """
    random.seed(seed)
    return random.randrange(sides)


@node("clean.Total")
def total(numbers: list[float], start: float | None = None) -> float:
    """Add numbers up.

    Args:
        numbers: All of them.
        start: Added to them.
    """
    return sum(numbers, start or 0.0)


@node("clean.Keep")
def keep(text: str, prefix: FilePrefix = "note", *, run: Run = quiet) -> None:
    """Write a text into the output folder.

    Args:
        text: What is written.
        prefix: Start of the name of the file.
    """
    with tempfile.TemporaryFile() as scratch:
        scratch.write(text.encode())
    run.save(prefix, "txt", text.encode())
    run.show(text)
