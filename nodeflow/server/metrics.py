"""What a server counts, for Prometheus."""

import os
import resource
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import JsonValue

from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.jobs import JobState, WorkerInfo

WAITS: Final = (0.005, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)
"""Seconds of requests."""
WORKS: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Seconds of jobs and nodes."""
STATES: Final = ("starting", "idle", "busy", "restarting")

_MOST_RUNNING: Final = 10_000

_Hear: TypeAlias = Callable[[JobEvent], None]


class Metrics:
    """Numbers of one server; each has its own registry, so that several live in one process.

    What happens is counted as it is told of; how things stand is asked for when somebody looks.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "nodeflow_http_request_seconds",
            "HTTP requests",
            ("method", "route", "status"),
            buckets=WAITS,
            registry=self.registry,
        )
        self._queued = self._counter("jobs_queued", "Jobs taken in, and those queued again")
        self._attempts = self._counter("attempts", "Attempts of jobs that began")
        self._finished = self._counter("jobs_finished", "Jobs that ended, by how", "state")
        self._nodes = self._counter(
            "nodes", "Nodes of jobs that ended, by how: hit-memory and hit-disk are cached", "how"
        )
        self._waited = self._seconds("job_wait_seconds", "From the queue to a worker")
        self._worked = self._seconds("job_seconds", "Last attempts of jobs, by how they ended", "state")
        self._node_seconds = self._seconds("node_seconds", "Calls of nodes that ran")
        self._jobs = self._gauge("jobs", "Jobs that are kept, by state", "state")
        self._workers = self._gauge("workers", "Workers, by state", "state")
        self._restarts = self._gauge("worker_restarts", "Processes of a worker that were replaced", "worker")
        self._held = self._gauge("worker_memory_bytes", "Results and models that a worker holds", "worker")
        self._streams = self._gauge("streams", "Open event streams and WebSockets")
        self._memory = self._gauge("server_memory_bytes", "Resident memory of the server process")
        self._since: dict[str, float] = {}
        self._hears: Mapping[str, _Hear] = {
            "queued": self._hear_queued,
            "attempt": self._hear_attempt,
            "node.finished": self._hear_node,
            "node.failed": lambda _: self._nodes.labels("failed").inc(),
            "finished": self._hear_finished,
        }

    def hear(self, event: JobEvent) -> None:
        """Counts what an event tells; given to ``Hub.listen``."""
        hear = self._hears.get(event.kind)
        if hear is not None:
            hear(event)

    def text(self, jobs: Mapping[JobState, int], workers: Iterable[WorkerInfo], streams: int) -> bytes:
        """All numbers in the text format, with how things stand now."""
        infos = tuple(workers)
        for state in JobState:
            self._jobs.labels(state.value).set(jobs.get(state, 0))
        for name in STATES:
            self._workers.labels(name).set(sum(info.state == name for info in infos))
        for info in infos:
            self._restarts.labels(info.name).set(info.restarts)
            self._held.labels(info.name).set(info.memory)
        self._streams.set(streams)
        self._memory.set(resident_bytes())
        return generate_latest(self.registry)

    def _hear_queued(self, event: JobEvent) -> None:
        self._queued.inc()
        self._begin(event)

    def _hear_attempt(self, event: JobEvent) -> None:
        self._attempts.inc()
        self._waited.observe(self._seconds_since(event))
        self._begin(event)

    def _hear_node(self, event: JobEvent) -> None:
        how = event.data.get("status")
        self._nodes.labels(str(how)).inc()
        if how == "ran":
            self._node_seconds.observe(_number(event.data.get("seconds")))

    def _hear_finished(self, event: JobEvent) -> None:
        state = str(event.data.get("state"))
        self._finished.labels(state).inc()
        self._worked.labels(state).observe(self._seconds_since(event))

    def _begin(self, event: JobEvent) -> None:
        """Remembers since when a job waits or works; of far too many the oldest is forgotten."""
        self._since[event.job] = event.at
        if len(self._since) > _MOST_RUNNING:
            del self._since[next(iter(self._since))]

    def _seconds_since(self, event: JobEvent) -> float:
        return max(0.0, event.at - self._since.pop(event.job, event.at))

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"nodeflow_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"nodeflow_{name}", what, labels, registry=self.registry)

    def _seconds(self, name: str, what: str, *labels: str) -> Histogram:
        return Histogram(f"nodeflow_{name}", what, labels, buckets=WORKS, registry=self.registry)


def resident_bytes() -> int:
    """Memory that this process has in use; where the system does not tell, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _number(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
