"""Files that a reader sees whole or not at all, whoever else writes them."""

import os
from pathlib import Path
from tempfile import mkstemp


def write_whole(place: Path, data: bytes) -> None:
    """Write a file, and the folders above it, by renaming a finished one; raises OSError and then leaves nothing."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = mkstemp(dir=place.parent, prefix=f".{place.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(place)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
