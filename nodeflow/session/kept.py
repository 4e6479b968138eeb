"""What a session keeps from one run to the next, in whatever places they work."""

from collections.abc import Callable
from functools import cached_property
from threading import Lock

from nodeflow.core.secrets import Vault
from nodeflow.engine.cache import MemoryCache
from nodeflow.engine.events import Event
from nodeflow.engine.runtime import Cancel
from nodeflow.session.job import Job
from nodeflow.session.memory import release_memory
from nodeflow.session.residents import Residents
from nodeflow.session.results import Result
from nodeflow.session.workplace import Workplace
from nodeflow.storage.results import DiskResults

_MUCH = 16 * 2**20
"""Bytes dropped in one run for which it pays to give memory back to the system: allocators keep it in pieces."""


class Kept:
    """Results in memory and on disk, the models among them, and the secrets that runs were given.

    Runs take turns here: they share a device and its memory.
    """

    def __init__(self, workplace: Workplace) -> None:
        self.memory = MemoryCache(workplace.config.memory)
        self.residents = Residents(self.memory)
        self.vault = Vault(workplace.secrets)
        self._workplace = workplace
        self._turn = Lock()

    @cached_property
    def disk(self) -> DiskResults:
        """Results that outlive the process."""
        return DiskResults(self._workplace.home.results, self._workplace.config.disk)

    def run(self, job: Job, emit: Callable[[Event], None], cancel: Cancel) -> Result:
        """Carries a run out when its turn has come."""
        with self._turn:
            before = self.memory.dropped
            try:
                return job.run(emit, cancel)
            finally:
                if self.memory.dropped - before > _MUCH:
                    release_memory()

    def release(self) -> None:
        """Lets go of everything in memory between two runs, and gives it back to the system."""
        with self._turn:
            self.memory.clear()
            release_memory()
