"""Runs resolved graphs: a plain loop over a ready queue."""

from collections.abc import Callable, Collection, Sequence
from secrets import token_hex
from time import time
from types import TracebackType
from typing import Self

from nodeflow.core.resolved import ResolvedGraph
from nodeflow.engine.cache import MemoryCache
from nodeflow.engine.events import Event
from nodeflow.engine.execution import Execution
from nodeflow.engine.lanes import Lanes
from nodeflow.engine.noderun import RunContext
from nodeflow.engine.outside import Outside, Refresh
from nodeflow.engine.results import RunResult
from nodeflow.engine.runtime import Cancel, DiskTier, Services
from nodeflow.engine.tiers import Tiers

CPU_WORKERS = 4


class Engine:
    """Evaluates graphs on one device and remembers results between runs.

    Two runs at once, from two threads, take turns on the device and never compute the same key twice. Use it as a
    context manager, or call ``close``, to end its threads.

    Args:
        clock: Seconds since the epoch, by which the results of external nodes grow old.
    """

    def __init__(
        self,
        services: Services,
        memory: MemoryCache,
        disk: DiskTier | None = None,
        *,
        cpu_workers: int = CPU_WORKERS,
        clock: Callable[[], float] = time,
    ) -> None:
        self.services = services
        self.memory = memory
        self.disk = disk
        self._lanes = Lanes(cpu_workers)
        self._clock = clock

    def run(
        self,
        graph: ResolvedGraph,
        *,
        targets: Sequence[tuple[int, str]] | None = None,
        device: str = "cpu",
        dtype: str = "auto",
        use_cache: bool = True,
        strict: bool = False,
        stop_on_failure: bool = False,
        previews: bool = False,
        refresh: Collection[str] | bool = False,
        job: str = "",
        on_event: Callable[[Event], None] | None = None,
        cancel: Cancel | None = None,
    ) -> RunResult:
        """Compute what is wanted of ``graph``; a failing node is reported in the result, not raised.

        Args:
            targets: Wanted outputs as node index and output name; an empty name means the node itself. By default
                every declared output of the graph and every effect; in a graph with neither, every output that no
                node takes.
            use_cache: Look up and remember results; without it everything is computed, and kept for this run only.
            strict: A node that warns fails.
            stop_on_failure: Start nothing more after the first failure.
            previews: Call the nodes' preview functions; somebody looks.
            refresh: Ids of external nodes that are to be asked again whatever is remembered of them, each with all
                that it expands to; True for all.
            job: Names the job, so that a repeated call to an outside service is recognised as the same.
            on_event: Called for every event, one at a time but from several threads. What it raises is reported
                once as a warning and changes nothing else.
            cancel: Asking it stops the run between two nodes or two steps.

        Raises:
            UsageError: ``refresh`` names something else than external nodes.
        """
        again = Refresh(refresh)
        again.check(graph)
        memory = self.memory if use_cache else MemoryCache(self.memory.budget)
        tiers = Tiers(memory, self.disk if use_cache else None, self.services.codec, self.services.vault)
        context = RunContext(
            self.services, cancel or Cancel(), device, dtype, job or token_hex(16), strict, previews, on_event
        )
        outside = Outside(tiers, self._clock, again)
        execution = Execution(graph, context, tiers, outside, self._lanes, stop_on_failure)
        return execution.run(targets)

    def close(self) -> None:
        """End the engine's threads; results stay in its caches."""
        self._lanes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
