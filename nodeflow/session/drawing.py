"""Where the draws of one submission get their values: chance, the clock, counters, the user's folders."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from random import Random, SystemRandom

from nodeflow.core.canonical import MAX_SAFE_INTEGER
from nodeflow.core.draws import HERE, no_file
from nodeflow.core.unfit import Unfit
from nodeflow.storage.draws import DrawState
from nodeflow.storage.inputs import InputFiles, files_in

_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class SubmissionSource:
    """Implements ``nodeflow.core.draws.DrawSource``.

    Attributes:
        inputs: The folders in which the document finds its files.
        state: The state to go on from; whoever made this decides whether what becomes of it is kept.
    """

    inputs: InputFiles
    state: Callable[[], DrawState]
    random: Random = field(default_factory=SystemRandom)
    now: datetime = field(default_factory=lambda: datetime.now().astimezone())
    _given: dict[tuple[str, ...], int | str] = field(default_factory=dict[tuple[str, ...], "int | str"])

    def count(self, name: str, start: int, step: int, /) -> int:
        """The number of a counter at this submission."""
        counters = self.state().counters
        if (name,) not in self._given:
            number = counters[name] + step if name in counters else start
            if abs(number) > MAX_SAFE_INTEGER:
                hint = f"use another name, or step back from {counters[name]}"
                raise Unfit(
                    "draw.counter", f'the counter "{name}" has come to its end', "numbers within ±(2^53-1)", hint
                )
            counters[name] = number
            self._given[(name,)] = number
        return int(self._given[(name,)])

    def next_file(self, folder: str, pattern: str, /) -> str:
        """The file of an input folder that follows the one of the last submission, as documents name it."""
        if (folder, pattern) not in self._given:
            self._given[(folder, pattern)] = self._next(folder, pattern)
        return str(self._given[(folder, pattern)])

    def _next(self, folder: str, pattern: str) -> str:
        place = self.inputs.find_folder(folder)
        try:
            names = [] if place is None else [file.name for file in files_in(place)]
        except OSError as error:
            raise Unfit("draw.empty", f'the folder "{folder}" cannot be read: {error.strerror or error}') from error
        fitting = sorted((name for name in names if fnmatchcase(name, pattern)), key=natural)
        if place is None or not fitting:
            raise no_file(folder, pattern)
        files = self.state().files
        label = f"{place.resolve()}/{pattern}"
        chosen = _after(files.get(label), fitting)
        files[label] = chosen
        return chosen if folder == HERE else f"{folder}/{chosen}"


def natural(name: str) -> tuple[Sequence[str | int], str]:
    """Orders ``2.png`` before ``10.png``."""
    parts = _DIGITS.split(name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def _after(last: str | None, names: Sequence[str]) -> str:
    """The first of some sorted names that comes after ``last``; behind the end it starts again."""
    later = (name for name in names if last is not None and natural(name) > natural(last))
    return next(later, names[0])
