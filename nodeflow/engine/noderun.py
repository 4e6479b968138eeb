"""The ``run`` a node is handed: progress, preview, warnings, outputs, and the wish to stop."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from threading import Lock
from typing import TypeVar, cast

from nodeflow.core.errors import Cancelled, NodeflowError
from nodeflow.core.spec import Kind
from nodeflow.engine.events import Event, Progress, Saved, Shown, Warned
from nodeflow.engine.runtime import Cancel, Services

T = TypeVar("T")


class RunContext:
    """What all nodes of one run share.

    Attributes:
        job: Names the job, so that tokens stay the same when it is tried again.
        previews: Whether somebody looks at previews; they are not computed otherwise.
        warnings: Everything that was said, in order.
        held: Events that wait until the start of the run is told; None from then on.
    """

    __slots__ = (
        "_listener",
        "_lock",
        "cancel",
        "device",
        "dtype",
        "held",
        "job",
        "previews",
        "services",
        "strict",
        "warnings",
    )

    def __init__(
        self,
        services: Services,
        cancel: Cancel,
        device: str,
        dtype: str,
        job: str,
        strict: bool,
        previews: bool,
        listener: Callable[[Event], None] | None,
    ) -> None:
        self.services = services
        self.cancel = cancel
        self.device = device
        self.dtype = dtype
        self.job = job
        self.strict = strict
        self.previews = previews
        self.warnings: list[Warned] = []
        self.held: list[Event] | None = []
        self._listener = listener
        self._lock = Lock()

    def emit(self, event: Event) -> None:
        """Tell the listener; one that raises is reported and not called again."""
        with self._lock:
            if self._listener is None:
                return
            if self.held is not None:
                self.held.append(event)
                return
            try:
                self._listener(event)
            except Exception as error:  # noqa: BLE001 - a listener may do anything, and the run goes on
                self._listener = None
                self.warnings.append(Warned("", f"the listener raised {type(error).__name__}: {error}"))

    def start(self, event: Event) -> None:
        """Tell the start of the run, and then what was held back until then."""
        held, self.held = self.held or [], None
        for waiting in (event, *held):
            self.emit(waiting)

    def warn(self, node: str, message: str) -> None:
        """Say something about a node, or about the whole run when ``node`` is empty."""
        warned = Warned(node, message)
        self.warnings.append(warned)
        self.emit(warned)


class NodeRun:
    """The run as one node sees it; implements ``nodeflow.core.run.Run``.

    Attributes:
        warnings: What the node said.
        shown: What the node showed.
        saved: Paths of the files the node wrote.
        stopped: The node was told to stop, so what it returns is not a result.
        path: Place of the current call when the node is mapped over lists.
    """

    __slots__ = ("_context", "_kind", "_node", "path", "saved", "shown", "stopped", "warnings")

    def __init__(self, context: RunContext, node: str, kind: Kind) -> None:
        self._context = context
        self._node = node
        self._kind = kind
        self.warnings: list[str] = []
        self.shown: list[object] = []
        self.saved: list[str] = []
        self.stopped = False
        self.path: tuple[int, ...] = ()

    @property
    def device(self) -> str:
        return self._context.device

    @property
    def dtype(self) -> str:
        return self._context.dtype

    @property
    def token(self) -> str:
        parts = (self._context.job, self._node, *map(str, self.path))
        return sha256("\n".join(parts).encode()).hexdigest()

    def track(
        self, steps: Iterable[T], *, total: int | None = None, preview: Callable[[T], object] | None = None
    ) -> Iterator[T]:
        if preview is not None and not self._context.previews:
            preview = None
        step = 0
        iterator = iter(steps)
        try:
            self._stop_if_wanted()
            for value in iterator:
                step += 1
                self._context.emit(Progress(self._node, step, total, preview(value) if preview else None))
                yield value
                self._stop_if_wanted()
        finally:
            close = cast("Callable[[], None] | None", getattr(iterator, "close", None))
            if close is not None:
                close()

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self._context.warn(self._node, message)
        if self._context.strict:
            raise NodeflowError(message)

    def show(self, value: object) -> None:
        self.shown.append(value)
        self._context.emit(Shown(self._node, value))

    def save(self, prefix: str, suffix: str, data: bytes) -> str:
        if self._kind is not Kind.EFFECT:
            raise TypeError("only an effect may write files: its results are never remembered, so it always runs")
        file = self._context.services.save(prefix, suffix, data)
        self.saved.append(file.path)
        self._context.emit(Saved(self._node, file.path, file.unchanged))
        return file.path

    def provenance(self, item: tuple[int, int] | None = None) -> Mapping[str, str]:
        return self._context.services.provenance(self._node, item)

    def extensions(self, table: str) -> Mapping[str, object]:
        return self._context.services.extensions(table)

    def _stop_if_wanted(self) -> None:
        if self._context.cancel.requested:
            self.stopped = True
            raise Cancelled("cancelled")
