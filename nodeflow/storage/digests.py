"""Digests of files, computed once per state of the file."""

import contextlib
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

CONTENTS = "model_index.json"
"""A file of this name stands for its folder, as diffusers writes models: its digest covers all files in there."""

_PARTS = (".json", ".safetensors")
_SETTLED = 50_000_000
"""Nanoseconds after which a change would give the file another time stamp; younger states are not remembered."""


@dataclass(frozen=True, slots=True)
class Digests:
    """Remembers in a folder, one small file per path, so that processes share it without a lock."""

    folder: Path

    def sha256(self, path: Path) -> str:
        """The sha256 of a file's bytes; the file is opened only when its stat is not known.

        That of a table of contents is the sha256 over names and digests of the files in its folder.

        Raises:
            OSError: The file cannot be read.
        """
        return self._of(path, lambda file: self._known(file) or self._measured(file)) or ""

    def known(self, path: Path) -> str | None:
        """What is remembered of the file as it is now; raises OSError when it is not there."""
        return self._of(path, self._known)

    def measured(self, path: Path) -> str:
        """The sha256 as reading the whole file gives it, whatever is remembered; raises OSError."""
        return self._of(path, self._measured) or ""

    def _of(self, path: Path, digest: Callable[[Path], str | None]) -> str | None:
        """The digest of one file, or of all that a table of contents stands for; None when one of them is not known."""
        if path.name != CONTENTS:
            return digest(path)
        lines: list[str] = []
        for file in sorted(file for file in path.parent.rglob("*") if file.suffix in _PARTS and file.is_file()):
            if (found := digest(file)) is None:
                return None
            lines.append(f"{found} {file.relative_to(path.parent).as_posix()}\n")
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def _known(self, path: Path) -> str | None:
        path = path.resolve()
        known = _read(self._record(path))
        if known is None or known.get("state") != _state(path) or not isinstance(known.get("sha256"), str):
            return None
        return str(known["sha256"])

    def _measured(self, path: Path) -> str:
        path = path.resolve()
        state = _state(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if _state(path) == state and time.time_ns() - max(state[1], state[2]) > _SETTLED:
            self._write(self._record(path), {"path": str(path), "state": state, "sha256": digest})
        return digest

    def _record(self, path: Path) -> Path:
        return self.folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()}.json"

    def _write(self, record: Path, content: dict[str, object]) -> None:
        # Only a memo: a read-only or full disk costs time, not the run.
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            hidden = record.with_name(f".{secrets.token_hex(8)}.tmp")
            try:
                hidden.write_text(json.dumps(content), encoding="utf-8")
                hidden.replace(record)
            finally:
                hidden.unlink(missing_ok=True)


def _state(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _read(record: Path) -> dict[str, object] | None:
    try:
        loaded = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, object]", loaded) if isinstance(loaded, dict) else None
