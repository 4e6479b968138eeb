"""Hidden files that are still being written, and what killed processes left of them."""

import contextlib
import os
import re
import secrets
import socket
import time
from pathlib import Path

_STALE = 86_400.0
"""Seconds after which an unfinished file of another machine counts as abandoned."""


def hidden_name() -> str:
    """A new name for an unfinished file, which tells whose it is."""
    return f".nodeflow-{_machine()}-{os.getpid()}-{secrets.token_hex(6)}.tmp"


def remove_abandoned(folder: Path) -> None:
    """Removes what killed processes left behind."""
    with os.scandir(folder) as entries:
        hidden = [entry for entry in entries if entry.name.startswith(".nodeflow-") and entry.name.endswith(".tmp")]
    for entry in hidden:
        with contextlib.suppress(OSError):
            if _abandoned(entry):
                Path(entry.path).unlink(missing_ok=True)


def _abandoned(entry: "os.DirEntry[str]") -> bool:
    machine, _, rest = entry.name.removeprefix(".nodeflow-").rpartition("-")[0].rpartition("-")
    if machine == _machine() and rest.isdecimal() and os.name == "posix":  # elsewhere signal 0 is not a question
        return not _alive(int(rest))
    return time.time() - entry.stat().st_mtime > _STALE


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _machine() -> str:
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())[:64]
