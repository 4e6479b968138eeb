"""Which workers there shall be: ``cpu*2,cuda:0`` read."""

import re
from typing import Final

from nodeflow.core.errors import UsageError
from nodeflow.session.environment import has_gpu_driver

AUTO: Final = "auto"
_ENTRY: Final = re.compile(r"(?P<device>auto|cpu|cuda(?::\d{1,3})?)(?:\*(?P<times>\d{1,3}))?")
_CPU_COUNT: Final = re.compile(r"cpu:(\d{1,3})")
_MOST: Final = 256


def devices_of(text: str, *, gpu: bool | None = None) -> tuple[str, ...]:
    """The devices that a setting names, one for each worker.

    Args:
        text: Such as ``cpu*2,cuda:0``; ``cpu:2`` is another way to write ``cpu*2``. ``auto`` stays where only a worker
            can tell, which asks torch; it is ``cpu`` where there can be nothing else.
        gpu: Whether the system shows a driver; found out when it is None.

    Raises:
        UsageError: It names none, or something else.
    """
    found: list[str] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _ENTRY.fullmatch(_CPU_COUNT.sub(r"cpu*\1", entry))
        times = int(match["times"] or 1) if match is not None else 0
        if match is None or not times:
            raise UsageError(f"workers {entry!r}: expected a device such as cpu, cuda:0, cpu*2 or auto")
        found += [match["device"]] * times
    if not found:
        raise UsageError("workers: none are named; write auto for one on each GPU, or cpu")
    if len(found) > _MOST:
        raise UsageError(f"workers: {len(found)} of them are more than the {_MOST} that one server may have")
    shown = has_gpu_driver() if gpu is None else gpu
    return tuple(device if shown or device != AUTO else "cpu" for device in found)
