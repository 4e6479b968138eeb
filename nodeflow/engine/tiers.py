"""Memory and disk as one place: where a result is looked up and kept, and who may compute it."""

import json
from collections.abc import Callable, Iterator
from math import inf

from nodeflow.core.errors import PackFailed
from nodeflow.core.raised import told
from nodeflow.core.secrets import Vault
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

    def __init__(self, memory: MemoryCache, disk: DiskTier | None, codecs: Codecs, vault: Vault) -> None:
        self.memory = memory
        self.disk = disk
        self.complaints: list[str] = []
        self._vault = vault
        self._held: dict[bytes, tuple[Entry, Status]] = {}
        self._codecs = codecs
        self._on_disk: set[bytes] = set(disk.known()) if disk is not None else set()
        self._unlocks: dict[bytes, Callable[[], None]] = {}

    def recall(self, key: bytes) -> tuple[Entry, Status] | None:
        """The result kept under ``key`` and where it was; what comes from the disk is kept in memory as well."""
        if self._held and key in self._held:
            return self._held[key]
        entry = self.memory.get(key)
        if entry is not None:
            return entry, Status.HIT_MEMORY
        if key not in self._on_disk:
            return None
        entry = self._read(key)
        return None if entry is None else (entry, Status.HIT_DISK)

    def hold(self, key: bytes) -> bool:
        """Whether a result is there; then it stays at hand until the run ends, whatever is dropped meanwhile."""
        found = self.recall(key)
        if found is not None:
            self._held[key] = found
        return found is not None

    def keep(self, key: bytes, entry: Entry, worth: float, *, must: bool = False) -> None:
        """Keep a result; on the disk only when ``worth`` seconds are far more than writing it takes.

        Args:
            must: It was to be found by later processes, so it is said when it cannot be.
        """
        self.memory.put(key, entry)
        if self.disk is not None and worth >= LEAST_SECONDS:
            self._write(self.disk, key, entry, worth, must)

    def replace(self, key: bytes, entry: Entry, *, on_disk: bool) -> None:
        """Keep an entry in place of an earlier one under the same key."""
        self.memory.drop(key)
        self.memory.put(key, entry)
        if self.disk is not None and on_disk:
            self._on_disk.discard(key)
            self._write(self.disk, key, entry, inf, must=False)

    def versions(self, key: bytes, *, on_disk: bool) -> Iterator[Entry]:
        """What is kept under a key whose entry may be replaced: in memory, and after that by other processes."""
        entry = self.memory.get(key)
        if entry is not None:
            yield entry
        if on_disk and key in self._on_disk:
            self.memory.drop(key)
            entry = self._read(key)
            if entry is not None:
                yield entry

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

    def _write(self, disk: DiskTier, key: bytes, entry: Entry, worth: float, must: bool) -> None:
        if key in self._on_disk or not worth_writing(worth, total_size(entry.outputs)):
            return
        try:
            stored = encode_entry(entry, self._codecs)
        except NotStorable as error:
            if must:
                self.complaints.append(f"{entry.label}: its result cannot be kept on disk: {error} has no codec")
            return
        except Exception as error:  # noqa: BLE001 - a codec that fails costs a file, not the run
            self._complain(f"{entry.label}: its result cannot be kept on disk: {told(error)}")
            return
        if self._holds_secret(stored):
            self.complaints.append(f"{entry.label}: its result holds a secret, so it is not kept on disk")
        elif disk.write(key, stored):
            self._on_disk.add(key)
            entry.cost = 0.0

    def _complain(self, message: str) -> None:
        """Say what goes wrong with a codec, the same of many files once."""
        if message not in self.complaints:
            self.complaints.append(message)

    def _holds_secret(self, stored: Stored) -> bool:
        if not self._vault.knows_any:
            return False
        header = json.dumps(stored.content.header, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return self._vault.found_in(header, *stored.content.blobs)

    def _read(self, key: bytes) -> Entry | None:
        self._on_disk.discard(key)
        stored: Stored | None = self.disk.read(key) if self.disk is not None else None
        if self.disk is None or stored is None:
            return None
        try:
            entry = decode_entry(stored, self._codecs)
        except Exception as error:  # noqa: BLE001 - whatever a codec stumbles over is not a result
            if isinstance(error, PackFailed):  # and not a file that is damaged, or of another version
                self._complain(f"{stored.type}: its result on disk cannot be used: {told(error)}")
            self.disk.forget(key)
            return None
        self._on_disk.add(key)
        self.memory.put(key, entry)
        return entry
