"""What is known of model files, kept so that only those that changed are looked into again."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from nodeflow.core.json import JsonValue
from nodeflow.storage.digests import CONTENTS
from nodeflow.storage.filelock import exclusive
from nodeflow.storage.replacing import replace_file

About = Mapping[str, JsonValue]

_SETTLED = 50_000_000
"""Nanoseconds after which a change would give a file another time stamp; younger states are not remembered."""
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class ModelIndex:
    """One file for all that is known; it is only a memo: without it, everything is looked into.

    Attributes:
        place: The file; what is no index, or of another version, counts as empty and is written anew.
        version: Of what `look` tells; entries of another one are forgotten.
        look: Looks into a file; never raises for what is wrong with it.
    """

    place: Path
    version: str
    look: Callable[[Path], About]

    def about(self, paths: Iterable[Path]) -> Iterator[tuple[Path, About]]:
        """What is known of each file; those that are new or changed are looked into and remembered at the end."""
        known = self._read()
        fresh: dict[str, JsonValue] = {}
        for path in paths:
            name = os.fspath(path)
            state = _state(name)
            entry = known.get(name)
            if entry is not None and entry[:3] == state:
                yield path, cast("About", entry[3])
                continue
            found = self.look(path)
            yield path, found
            if path.name != CONTENTS and state and state == _state(name) and time.time_ns() - state[1] > _SETTLED:
                fresh[name] = [*cast("list[JsonValue]", state), dict(found)]
        if fresh:
            self._add(fresh)

    def _read(self) -> dict[str, list[JsonValue]]:
        try:
            loaded: object = json.loads(self.place.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        table = cast("dict[str, object]", loaded) if isinstance(loaded, dict) else {}
        files = table.get("files")
        if table.get("version") != self.version or not isinstance(files, dict):
            return {}
        entries = cast("dict[str, object]", files)
        return {name: cast("list[JsonValue]", entry) for name, entry in entries.items() if _is_sound(entry)}

    def _add(self, fresh: Mapping[str, JsonValue]) -> None:
        # Another process may have added its own meanwhile; a full or read-only disk costs only time.
        with contextlib.suppress(OSError, TimeoutError), exclusive(self.place.with_suffix(".lock"), _PATIENCE):
            files = {**self._read(), **fresh}
            kept = {name: entry for name, entry in files.items() if name in fresh or Path(name).exists()}
            text = json.dumps({"version": self.version, "files": kept}, separators=(",", ":"))
            replace_file(self.place, text.encode())


def _state(name: str) -> list[int]:
    try:
        stat = os.stat(name)  # noqa: PTH116 - a Path each would take half the time of a listing
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _is_sound(entry: object) -> bool:
    parts = cast("list[object]", entry) if isinstance(entry, list) else []
    return len(parts) == 4 and isinstance(parts[3], dict)
