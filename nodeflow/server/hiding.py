"""Keeps the user's secrets out of what workers print."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from nodeflow.core.secrets import NAME, SecretFault, Vault
from nodeflow.storage.secrets import PREFIX, SecretPlaces


class Hiding:
    """Masks every secret there is, whether a node has read it yet or not."""

    def __init__(self, places: SecretPlaces) -> None:
        self._places = places
        self._vault = Vault(places)
        self._seen: frozenset[tuple[str, int, int]] | None = None

    def scrub(self, text: str) -> str:
        """``text`` with every secret masked, also those that were put there meanwhile."""
        state = self._state()
        if state != self._seen:
            for name in _names(self._places.environ, self._places.folder):
                with suppress(SecretFault):
                    self._vault.read(name)
            self._seen = state
        return self._vault.scrub(text)

    def _state(self) -> frozenset[tuple[str, int, int]]:
        """Changes when a secret comes, goes or gets another value."""
        return frozenset(_stamps(self._places.folder))


def _stamps(folder: Path) -> Iterator[tuple[str, int, int]]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # it has just gone, or is a link to nothing
                status = entry.stat()
                yield entry.name, status.st_ctime_ns, status.st_ino


def _names(environ: Mapping[str, str], folder: Path) -> Iterator[str]:
    yield from (name.removeprefix(PREFIX) for name in environ if name.startswith(PREFIX))
    with suppress(OSError):
        yield from (path.name for path in folder.iterdir() if NAME.fullmatch(path.name))
