"""What can be done when a node runs out of memory."""

from collections.abc import Callable

from nodeflow.core.raised import words_of
from nodeflow.core.resolved import ResolvedNode
from nodeflow.engine.cache import MemoryCache
from nodeflow.engine.failures import let_go, out_of_memory
from nodeflow.engine.runtime import Services


class Room:
    """Makes room, and says what stood in the way when that was not enough.

    Attributes:
        resident: Names the results that cannot be dropped, with their bytes, largest first.
    """

    def __init__(self, memory: MemoryCache, services: Services, resident: Callable[[], list[tuple[str, int]]]) -> None:
        self._memory = memory
        self._services = services
        self._resident = resident
        self._dropped = 0

    def ran_out(self, error: BaseException) -> bool:
        """Whether ``error`` means that there was not enough memory."""
        return self._services.is_out_of_memory(error)

    def make(self, error: BaseException) -> None:
        """Drop what can be dropped, the failed call's own values first, so that it can be tried again."""
        let_go(error)
        self._dropped = self._memory.clear()
        self._services.release_memory()

    def explained(self, node: ResolvedNode, error: BaseException) -> BaseException:
        """``error``; in place of an allocator's one that says what was asked for and what was resident."""
        if not self.ran_out(error):
            return error
        let_go(error)
        return out_of_memory(node, words_of(error), self._resident(), self._dropped)
