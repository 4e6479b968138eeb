"""The memory tier: results bounded by bytes, the least valuable dropped first."""

from collections.abc import Callable, Hashable, Mapping
from heapq import heapify, heappop, heappush
from threading import Lock

from nodeflow.engine.blocking import first_blocked
from nodeflow.engine.demand import Demand
from nodeflow.engine.sizes import SCALAR_BYTES, SCALARS, parts, seconds_to_ready, text_size

ENTRY_BYTES = 300
"""What keeping an entry costs beyond its values, so that a million numbers are bounded too."""

_LEAST_SECONDS = 1e-6
_MOST_USES = 16.0
"""Uses that count: what was used a thousand times before it fell out of use shall not hold out for a thousand more."""


class Entry:
    """What is remembered of one computed node.

    Attributes:
        outputs: One value per output, in the order of the spec.
        seconds: What computing them took.
        total: What it would take with everything above, the longest way counted.
        cost: The same as far as it is kept in no file; nothing once the entry itself is.
        warnings: What the node said; said again when the entry is used.
        shown: What the node showed; shown again when the entry is used.
        label: Type id of the node, for messages about memory.
        blocked: One of the outputs is blocked, or an item of it.
        wanted: It was asked for again since it was first kept.
    """

    __slots__ = (
        "_parts",
        "_saves",
        "_uses",
        "blocked",
        "cost",
        "label",
        "nbytes",
        "outputs",
        "priority",
        "seconds",
        "shown",
        "total",
        "wanted",
        "warnings",
    )

    def __init__(
        self,
        outputs: tuple[object, ...],
        seconds: float,
        total: float,
        label: str,
        warnings: tuple[str, ...] = (),
        shown: tuple[object, ...] = (),
    ) -> None:
        self.outputs = outputs
        self.seconds = seconds
        self.total = total
        self.cost = total
        self.label = label
        self.warnings = warnings
        self.shown = shown
        self.priority = 0.0
        self.wanted = False
        self._uses = 0.0
        self._saves = max(seconds, _LEAST_SECONDS)
        self._parts: dict[Hashable, int] | None = None
        self.blocked = False
        size = ENTRY_BYTES
        for value in (*outputs, *shown) if shown else outputs:
            small = SCALAR_BYTES if type(value) in SCALARS else text_size(value)
            if small is None:
                self.blocked = first_blocked(outputs) is not None
                self._saves = max(self._saves, seconds_to_ready(outputs))
                self._parts = dict(parts((outputs, shown)))
                size = ENTRY_BYTES + sum(self._parts.values())
                break
            size += small
        self.nbytes = size

    @property
    def parts(self) -> dict[Hashable, int] | None:
        """The pieces of storage that other entries may hold as well; None for numbers and texts."""
        return self._parts

    def value_again(self, clock: float, likelihood: float = 1.0) -> float:
        """Rank this use: seconds saved, times how often it was of use, per byte, above what was dropped so far.

        Args:
            clock: The rank of what was dropped last.
            likelihood: That it will be of use: 1 when it just was.
        """
        self._uses = min(self._uses + likelihood, _MOST_USES)
        self.priority = clock + self._uses * self._saves / self.nbytes
        return self.priority


class MemoryCache:
    """Results by key, at most ``budget`` bytes of them.

    Values are dropped by (seconds saved x likelihood) / bytes. Seconds saved are those of computing a value, or those
    until it is ready where it says that these are more. Likelihood is the number of uses, ageing: every drop raises
    the bar for what comes later (GreedyDual-Size-Frequency, Cherkasova 1998); what is new counts as much of a use as
    others of its kind were asked for again. Bytes that several values share are counted once. Safe to use from
    several threads.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.dropped = 0
        """Bytes dropped so far to make room."""
        self._entries: dict[bytes, Entry] = {}
        self._queue: list[tuple[float, bytes]] | None = None
        self._holders: dict[Hashable, int] = {}
        self._nbytes = 0
        self._clock = 0.0
        self._demand = Demand()
        self._lock = Lock()
        self._claims: dict[bytes, list[Callable[[], None]] | None] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries

    def get(self, key: bytes) -> Entry | None:
        """The result kept under ``key``; looking it up makes it more valuable."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.value_again(self._clock)
            if not entry.wanted:
                entry.wanted = True
                self._demand.asked_again(entry.label)
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep a result, dropping less valuable ones where the budget demands it."""
        with self._lock:
            if key in self._entries or entry.nbytes > self.budget:
                return
            self._entries[key] = entry
            likelihood = self._demand.likelihood(key, entry.label)
            entry.wanted = self._demand.came(key, entry.label)
            rank = entry.value_again(self._clock, likelihood)
            if self._queue is not None:
                heappush(self._queue, (rank, key))
            self._nbytes += entry.nbytes
            if entry.parts:
                self._hold(entry.parts)
            while self._nbytes > self.budget:
                before = self._nbytes
                self._drop_one()
                self.dropped += before - self._nbytes

    def drop(self, key: bytes) -> None:
        """Let one result go, if it is there."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._remove(key, entry)

    def clear(self) -> int:
        """Drop everything and return how many bytes that were."""
        with self._lock:
            freed = self._nbytes
            self._entries.clear()
            self._queue = None
            self._holders.clear()
            self._nbytes = 0
            return freed

    def largest(self, count: int) -> list[tuple[str, int]]:
        """The largest results, as type id and bytes."""
        with self._lock:
            sizes = [(entry.label, entry.nbytes) for entry in self._entries.values()]
        return sorted(sizes, key=lambda item: item[1], reverse=True)[:count]

    def claim(self, key: bytes) -> bool:
        """Take the right to compute ``key``; False while another run has it."""
        with self._lock:
            if key in self._claims:
                return False
            self._claims[key] = None
            return True

    def wait(self, key: bytes, wake: Callable[[], None]) -> None:
        """Call ``wake`` once nobody has the right to compute ``key`` any more, which may be now."""
        with self._lock:
            if key in self._claims:
                self._claims[key] = [*(self._claims[key] or ()), wake]
                return
        wake()

    def disclaim(self, key: bytes) -> None:
        """Give the right to compute ``key`` back, whether it was computed or not."""
        with self._lock:
            waiting = self._claims.pop(key)
        if waiting:
            for wake in waiting:
                wake()

    def _hold(self, parts: Mapping[Hashable, int]) -> None:
        for identity, nbytes in parts.items():
            held = self._holders.get(identity, 0)
            self._holders[identity] = held + 1
            if held:
                self._nbytes -= nbytes

    def _drop_one(self) -> None:
        queue = self._queue
        if queue is None:  # most caches never come to this, so the order is made when it is first needed
            queue = self._queue = [(entry.priority, key) for key, entry in self._entries.items()]
            heapify(queue)
        while True:
            rank, key = heappop(queue)
            entry = self._entries.get(key)
            if entry is None:  # it was let go before its turn
                continue
            if entry.priority <= rank:
                break
            heappush(queue, (entry.priority, key))
        self._clock = rank
        self._demand.went(key, asked=entry.wanted)
        self._remove(key, entry)

    def _remove(self, key: bytes, entry: Entry) -> None:
        del self._entries[key]
        self._nbytes -= entry.nbytes
        for identity, nbytes in (entry.parts or {}).items():
            held = self._holders[identity] - 1
            if held:
                self._holders[identity] = held
                self._nbytes += nbytes
            else:
                del self._holders[identity]
