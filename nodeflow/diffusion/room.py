"""Whether pictures of a size fit into the memory that is free, told before any of it is taken."""

import sys
from pathlib import Path

from nodeflow.diffusion.errors import ValueRuleError

_FLOAT = 4
_COPIES = 2
"""What is made, and what making it takes on the side."""


def require_room(
    rows: int, width: int, height: int, channels: int = 3, *, of: str = "pixels", root: Path = Path("/")
) -> None:
    """Checks that a batch of pictures, or of latents, can be made without the system stopping the program for it.

    Args:
        rows: How many pictures.
        width: In pixels.
        height: In pixels.
        channels: 3 for pictures, 4 with transparency, 1 for masks.
        of: What width and height count: pixels, or the cells of latents.
        root: Where the system tells about its memory.

    Raises:
        ValueRuleError: More memory would be taken than is free, as far as that can be known.
    """
    needed = rows * width * height * channels * _FLOAT * _COPIES
    free = free_memory(root)
    if free is not None and needed > free:
        raise ValueRuleError(
            f"{rows} x {width}x{height} {of} take {needed / 2**30:,.1f} GiB of memory, and {free / 2**30:,.1f} GiB "
            "are free; make them smaller, or fewer at once"
        )


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can still be taken, by what the system and the limits of container and process say; None: unknown."""
    told = (_of_the_machine(root), _of_the_container(root), _of_the_process(root))
    known = [bytes_ for bytes_ in told if bytes_ is not None]
    return min(known, default=None)


def _of_the_machine(root: Path) -> int | None:
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            return int(amount.split()[0]) * 1024
    return None


def _of_the_container(root: Path) -> int | None:
    limit, used = (_read(root / "sys/fs/cgroup" / name).strip() for name in ("memory.max", "memory.current"))
    return max(0, int(limit) - int(used)) if limit.isdecimal() and used.isdecimal() else None


def _of_the_process(root: Path) -> int | None:
    """What is left of the addresses that it may use (`ulimit -v`); those used are told in pages."""
    used = _read(root / "proc/self/statm").split()
    if sys.platform == "win32" or not used:
        return None
    import resource  # there is none on Windows

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else max(0, limit - int(used[0]) * resource.getpagesize())


def _read(path: Path) -> str:
    """What a file of the system says; nothing on systems without it."""
    try:
        return path.read_text()
    except OSError:
        return ""
