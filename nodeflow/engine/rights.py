"""Who may compute a key: one run in this process, and one process among those that share a disk tier."""

from collections.abc import Callable
from functools import partial

from nodeflow.engine.nodetypes import NodeType
from nodeflow.engine.plan import Plan
from nodeflow.engine.tiers import Tiers


class Rights:
    """The rights of one run.

    A node that somebody else computes is put off: until that run ends it, or until its lock is free when another
    process has it. Then it is made ready again, to find the result or to be computed after all.

    Args:
        inbox: How word from another run's thread gets to this run's.
        have: Takes the result of a node over if it is there by now, and says whether the node is done with.
    """

    def __init__(
        self, plan: Plan, tiers: Tiers, inbox: Callable[[Callable[[], None]], None], have: Callable[[int, bytes], bool]
    ) -> None:
        self.contended: list[int] = []
        self._plan = plan
        self._board = plan.board
        self._tiers = tiers
        self._inbox = inbox
        self._have = have
        self._waiting: set[int] = set()

    @property
    def put_off(self) -> bool:
        """Whether a node waits for somebody else."""
        return bool(self._waiting or self.contended)

    def take(self, index: int, type: NodeType) -> bool:
        """Take the right to compute a node; False when somebody else has it or has done it."""
        key = self._board.keys[index]
        assert key is not None
        memory = self._tiers.memory
        if not memory.claim(key):
            self._waiting.add(index)
            memory.wait(key, partial(self._inbox, partial(self._try_again, index)))
            return False
        if key in memory:
            return not self._have_after_all(index, key)
        if self._tiers.disk is None or type.quick or not type.worth_a_lock:
            return True
        if not self._tiers.lock(key):
            memory.disclaim(key)
            self.contended.append(index)
            return False
        return not self._have_after_all(index, key)

    def give_back(self, index: int) -> None:
        """Let others compute a node, or take its result if there is one."""
        key = self._board.keys[index]
        if self._board.types[index].cached and key is not None:
            self._tiers.give_back(key)

    def retry_contended(self) -> None:
        """Look again whether other processes are done."""
        contended, self.contended = self.contended, []
        for index in contended:
            self._plan.make_ready(index)

    def forget(self) -> None:
        """The run ends without what was put off."""
        self._waiting.clear()
        self.contended.clear()

    def _have_after_all(self, index: int, key: bytes) -> bool:
        done = self._have(index, key)
        if done:
            self._tiers.give_back(key)
        return done

    def _try_again(self, index: int) -> None:
        self._waiting.discard(index)
        self._plan.make_ready(index)
