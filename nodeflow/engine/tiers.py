"""Memory and disk as one place: where a result is looked up and kept, and who may compute it."""

from collections.abc import Callable

from nodeflow.core.stored import Stored
from nodeflow.engine.cache import Entry, MemoryCache
from nodeflow.engine.encoding import Codecs, NotStorable, decode_entry, encode_entry
from nodeflow.engine.events import Status
from nodeflow.engine.runtime import DiskTier
from nodeflow.engine.sizes import total_size

WRITE_SECONDS = 0.003
"""What making one file durable takes at least."""

WRITE_BYTES_PER_SECOND = 200e6
FAR_MORE = 10.0
"""A value goes to the disk when recomputing it costs this many times what writing costs."""

LEAST_SECONDS = FAR_MORE * WRITE_SECONDS


def worth_writing(seconds: float, nbytes: int) -> bool:
    """Whether recomputing for ``seconds`` costs far more than writing ``nbytes`` once."""
    return seconds >= FAR_MORE * (WRITE_SECONDS + nbytes / WRITE_BYTES_PER_SECOND)


class Tiers:
    """Where one run looks results up and keeps them.

    Attributes:
        complaints: What went wrong with codecs.
    """

    def __init__(self, memory: MemoryCache, disk: DiskTier | None, codecs: Codecs) -> None:
        self.memory = memory
        self.disk = disk
        self.complaints: list[str] = []
        self._codecs = codecs
        self._on_disk: set[bytes] = set(disk.known()) if disk is not None else set()
        self._unlocks: dict[bytes, Callable[[], None]] = {}

    def recall(self, key: bytes) -> tuple[Entry, Status] | None:
        """The result kept under ``key`` and where it was; what comes from the disk is kept in memory as well."""
        entry = self.memory.get(key)
        if entry is not None:
            return entry, Status.HIT_MEMORY
        if key not in self._on_disk:
            return None
        entry = self._read(key)
        return None if entry is None else (entry, Status.HIT_DISK)

    def keep(self, key: bytes, entry: Entry, worth: float) -> None:
        """Keep a result; on the disk only when ``worth`` seconds are far more than writing it takes."""
        self.memory.put(key, entry)
        if self.disk is not None and worth >= LEAST_SECONDS:
            self._write(self.disk, key, entry, worth)

    def lock(self, key: bytes) -> bool:
        """Take the right to compute ``key`` from other processes; False while one of them has it."""
        if self.disk is None:
            return True
        unlock = self.disk.lock(key)
        if unlock is None:
            return False
        self._unlocks[key] = unlock
        if key in self.disk.known():
            self._on_disk.add(key)
        return True

    def give_back(self, key: bytes) -> None:
        """Let others compute ``key``, or take it if it was computed."""
        if self._unlocks and key in self._unlocks:
            self._unlocks.pop(key)()
        self.memory.disclaim(key)

    def _write(self, disk: DiskTier, key: bytes, entry: Entry, worth: float) -> None:
        if key in self._on_disk or not worth_writing(worth, total_size(entry.outputs)):
            return
        try:
            stored = encode_entry(entry, self._codecs)
        except NotStorable:
            return
        except Exception as error:  # noqa: BLE001 - a codec that fails costs a file, not the run
            self.complaints.append(f"{entry.label}: its result cannot be kept on disk: {type(error).__name__}: {error}")
            return
        if disk.write(key, stored):
            self._on_disk.add(key)
            entry.cost = 0.0

    def _read(self, key: bytes) -> Entry | None:
        self._on_disk.discard(key)
        stored: Stored | None = self.disk.read(key) if self.disk is not None else None
        if self.disk is None or stored is None:
            return None
        try:
            entry = decode_entry(stored, self._codecs)
        except Exception:  # noqa: BLE001 - whatever a codec stumbles over is not a result
            self.disk.forget(key)
            return None
        self._on_disk.add(key)
        self.memory.put(key, entry)
        return entry
