"""Files that are written anew: there whole or as before, whatever happens meanwhile, also after a power cut."""

import contextlib
import os
import shutil
from pathlib import Path

from nodeflow.storage.unfinished import hidden_name


def replace_file(place: Path, data: bytes) -> None:
    """Write a file under a hidden name, bring it to the disk, and give it its name; rights that it had stay.

    Raises:
        OSError: It cannot be written; what was there is still there.
    """
    place = place.resolve()  # a link stays one
    place.parent.mkdir(parents=True, exist_ok=True)
    hidden = place.with_name(hidden_name())
    try:
        with hidden.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(place, hidden)
        hidden.replace(place)
    finally:
        hidden.unlink(missing_ok=True)
    sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; some file systems cannot, which is no reason to fail."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
