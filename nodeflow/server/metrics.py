"""What a server counts, for Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nodeflow.protocol.events import JobEvent

SECONDS: Final = (0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0, 300.0, 1800.0)


class Metrics:
    """Numbers of one server; each has its own registry, so that several live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.submits = Counter("nodeflow_jobs_submitted", "Jobs taken in", registry=self.registry)
        self.ended = Counter("nodeflow_jobs_ended", "Jobs that ended, by state", ("state",), registry=self.registry)
        self.requests = Histogram(
            "nodeflow_http_request_seconds",
            "HTTP requests",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.streams = Gauge("nodeflow_streams", "Open event streams and WebSockets", registry=self.registry)

    def hear(self, event: JobEvent) -> None:
        """Counts what an event tells; given to ``Hub.listen``."""

    def text(self) -> bytes:
        """All numbers in the text format."""
        return generate_latest(self.registry)
