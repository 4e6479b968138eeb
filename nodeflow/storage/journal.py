"""The journal of sweeps in one output folder: which points are done, which files they gave, what was drawn for them.

Lines of JSON are only ever added to it, each at once, so that a process that is killed, or two that write, spoil none.
"""

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final, cast

from nodeflow.core.json import JsonValue
from nodeflow.storage.keylocks import KeyLocks
from nodeflow.storage.outputs import write_failed

FILE: Final = "sweep.jsonl"
_LOCKS: Final = ".nodeflow-sweep.lock"

Entry = Mapping[str, JsonValue]


@dataclass(slots=True)
class _Known:
    begun: dict[str, Entry] = field(default_factory=dict[str, Entry])
    done: dict[str, Entry] = field(default_factory=dict[str, Entry])


class Journal:
    """What the processes that write into one folder have done there.

    Args:
        folder: The output folder; made when the first line is written.
        fresh: Forget what was done before now.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._known = _Known()
        self._locks = KeyLocks(folder / _LOCKS)
        self._read_to = self._size() if fresh else 0

    def done(self, key: str) -> Entry | None:
        """The entry of a point that was finished and all of whose files are still as they were written."""
        self._read_on()
        entry = self._known.done.get(key)
        return entry if entry is not None and self._is_there(entry) else None

    def begun(self, key: str) -> Entry | None:
        """What was noted when a point was begun."""
        self._read_on()
        return self._known.begun.get(key)

    def begin(self, key: str, note: Entry) -> None:
        """Notes what a point will need when it has to be begun once more.

        Raises:
            OutputFailed: The journal cannot be written.
        """
        self._add({"key": key, "state": "begun", **note})

    def finish(self, key: str, note: Entry, files: Mapping[str, Path]) -> None:
        """Notes that a point is done.

        Args:
            key: The point.
            note: What to remember of it.
            files: Its files, by their path within the folder.

        Raises:
            OutputFailed: The journal cannot be written.
        """
        digests: dict[str, JsonValue] = {name: _digest(path) for name, path in files.items()}
        self._add({"key": key, "state": "done", **note, "files": digests})

    def claim(self, key: str) -> Callable[[], None] | None:
        """How to give the right to run a point back, or None while another process has it; it ends with its process."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_failed(self._path, error) from error
        return self._locks.take(bytes.fromhex(key))

    def close(self) -> None:
        """Gives all rights back."""
        self._locks.close()

    def _add(self, entry: Entry) -> None:
        # A line that somebody left unfinished is ended first; empty lines mean nothing.
        line = b"\n" + json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
        except OSError as error:
            raise write_failed(self._path, error) from error

    def _read_on(self) -> None:
        """Reads what was added since, as far as lines are whole."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                added = file.read()
        except OSError:
            return
        whole = added.rpartition(b"\n")[0]
        self._read_to += len(whole)
        for line in whole.split(b"\n"):
            self._learn(line)

    def _learn(self, line: bytes) -> None:
        try:
            entry = json.loads(line) if line else None
        except ValueError:  # cut off by a crash
            return
        match entry:
            case {"key": str(key), "state": "begun", "document": dict(), "drawn": dict()}:
                self._known.begun[key] = cast(Entry, entry)
            case {"key": str(key), "state": "done", "outputs": dict(), "drawn": dict(), "files": dict()}:
                self._known.done[key] = cast(Entry, entry)
            case _:
                return

    def _is_there(self, entry: Entry) -> bool:
        files = cast("Mapping[str, JsonValue]", entry["files"])
        try:
            return all(_digest(self._folder / name) == digest for name, digest in files.items())
        except OSError:
            return False

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
