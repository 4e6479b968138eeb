"""Memory and disk as one place to look a result up and to keep it."""

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


def worth_writing(seconds: float, nbytes: int) -> bool:
    """Whether recomputing for ``seconds`` costs far more than writing ``nbytes`` once."""
    return seconds >= FAR_MORE * (WRITE_SECONDS + nbytes / WRITE_BYTES_PER_SECOND)


class Tiers:
    """Where one run looks results up and keeps them.

    Attributes:
        on_disk: Keys that were on the disk when the run began, and those it wrote.
    """

    def __init__(self, memory: MemoryCache, disk: DiskTier | None, codecs: Codecs) -> None:
        self.memory = memory
        self.disk = disk
        self._codecs = codecs
        self.on_disk: set[bytes] = set(disk.known()) if disk is not None else set()

    def recall(self, key: bytes) -> tuple[Entry, Status] | None:
        """The result kept under ``key`` and where it was; what comes from the disk is kept in memory as well."""
        entry = self.memory.get(key)
        if entry is not None:
            return entry, Status.HIT_MEMORY
        if key not in self.on_disk:
            return None
        entry = self._read(key)
        return None if entry is None else (entry, Status.HIT_DISK)

    def keep(self, key: bytes, entry: Entry, worth: float) -> None:
        """Keep a result; on the disk only when ``worth`` seconds are far more than writing it takes."""
        self.memory.put(key, entry)
        if self.disk is None or not worth_writing(worth, 0) or key in self.on_disk:
            return
        if not worth_writing(worth, total_size(entry.outputs)):
            return
        try:
            stored = encode_entry(entry, self._codecs)
        except NotStorable:
            return
        if self.disk.write(key, stored):
            self.on_disk.add(key)
            entry.total = 0.0

    def look_again(self, key: bytes) -> None:
        """Another process may have written ``key`` since the run began."""
        if self.disk is not None and key in self.disk.known():
            self.on_disk.add(key)

    def _read(self, key: bytes) -> Entry | None:
        assert self.disk is not None
        stored: Stored | None = self.disk.read(key)
        self.on_disk.discard(key)
        if stored is None:
            return None
        try:
            entry = decode_entry(stored, self._codecs)
        except (ValueError, TypeError, KeyError, IndexError):
            self.disk.forget(key)
            return None
        self.on_disk.add(key)
        self.memory.put(key, entry)
        return entry
