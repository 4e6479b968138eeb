"""The ``run`` a node is handed: progress, preview, warnings, outputs, and the wish to stop."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TypeAlias, TypeVar, cast

from nodeflow.core.errors import Cancelled, NodeflowError
from nodeflow.core.mentions import mentioning
from nodeflow.core.raised import told
from nodeflow.core.spec import Kind, Spec
from nodeflow.engine.events import Event, Progress, Saved, Shown, Warned
from nodeflow.engine.runtime import Cancel, Services

T = TypeVar("T")

Item: TypeAlias = tuple[int, ...]
"""Place of one call of a mapped node at each list level, outermost first; empty for a node that is not mapped."""


class RunContext:
    """What all nodes of one run share.

    Attributes:
        job: Names the job, so that tokens stay the same when it is tried again.
        previews: Whether somebody looks at previews; they are not computed otherwise.
        vault: Masks secrets in every text that leaves the run.
        guard: Watches what nodes do with their inputs; None when nobody wants to know.
        warnings: Everything that was said, in order.
        held: Events that wait until the start of the run is told; None from then on.
    """

    __slots__ = (
        "_listener",
        "_lock",
        "cancel",
        "device",
        "dtype",
        "guard",
        "held",
        "job",
        "previews",
        "services",
        "strict",
        "vault",
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
        self.vault = services.vault
        self.guard = services.guard()
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
                message = f"the listener raised {told(error)}"
                self.warnings.append(Warned("", self.vault.scrub(message)))

    def start(self, event: Event) -> None:
        """Tell the start of the run, and then what was held back until then."""
        held, self.held = self.held or [], None
        for waiting in (event, *held):
            self.emit(waiting)

    def warn(self, node: str, message: str) -> None:
        """Say something about a node, or about the whole run when ``node`` is empty."""
        warned = Warned(node, self.vault.scrub(message))
        self.warnings.append(warned)
        self.emit(warned)


class NodeLog:
    """What one node said, showed and wrote, all its calls together.

    Attributes:
        saved: Paths of the files the node wrote.
        stopped: The node was told to stop, so what it returns is not a result.
    """

    __slots__ = ("_context", "_counts", "_mapped", "_node", "_shown", "saved", "stopped", "warnings")

    def __init__(self, context: RunContext, node: str, mapped: bool) -> None:
        self.warnings: list[str] = []
        self.saved: list[str] = []
        self.stopped = False
        self._context = context
        self._node = node
        self._mapped = mapped
        self._counts: dict[str, set[Item]] = {}
        self._shown: list[tuple[Item, object]] = []

    @property
    def shown(self) -> list[object]:
        """What was shown, in the order of the items."""
        return [value for _, value in sorted(self._shown, key=lambda each: each[0])]

    def warn(self, item: Item, message: str) -> None:
        """Tell a warning; those of a mapped node are told at its end, equal ones once."""
        if self._mapped:
            self._counts.setdefault(message, set()).add(item)
        else:
            self._tell(message)

    def show(self, item: Item, value: object) -> None:
        """Tell what is shown."""
        self._shown.append((item, value))
        self._context.emit(Shown(self._node, value))

    def finish(self) -> None:
        """The node has ended: tell what was held back."""
        counts, self._counts = self._counts, {}
        for message, items in counts.items():
            self._tell(message if len(items) == 1 else f"{message} ({len(items)} items)")

    def _tell(self, message: str) -> None:
        self.warnings.append(message)
        self._context.warn(self._node, message)


class NodeRun:
    """The run as one call of a node sees it; implements ``nodeflow.core.run.Run``.

    Args:
        item: Place of the call when the node is mapped over lists.
    """

    __slots__ = ("_context", "_item", "_log", "_node", "_spec")

    def __init__(self, context: RunContext, node: str, spec: Spec, log: NodeLog, item: Item = ()) -> None:
        self._context = context
        self._node = node
        self._spec = spec
        self._log = log
        self._item = item

    def of(self, item: Item) -> "NodeRun":
        """The run for another item."""
        return NodeRun(self._context, self._node, self._spec, self._log, item)

    @property
    def device(self) -> str:
        return self._context.device

    @property
    def dtype(self) -> str:
        return self._context.dtype

    @property
    def token(self) -> str:
        parts = (self._context.job, self._node, *map(str, self._item))
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
        message = self._context.vault.scrub(message)
        self._log.warn(self._item, message)
        if self._context.strict:
            raise NodeflowError(message)

    def show(self, value: object) -> None:
        self._log.show(self._item, self._context.vault.scrub_value(value))

    def save(self, prefix: str, suffix: str, data: bytes | Iterable[bytes]) -> str:
        if self._spec.kind is not Kind.EFFECT:
            raise TypeError("only an effect may write files: its results are never remembered, so it always runs")
        vault = self._context.vault
        if vault.knows_any and vault.found_in(*(part.encode("utf-8", "surrogatepass") for part in (prefix, suffix))):
            raise NodeflowError("the name of a file would show a secret; name what is written after something else")
        file = self._context.services.save(prefix, suffix, data)
        self._log.saved.append(file.path)
        self._context.emit(Saved(self._node, file.path, file.unchanged))
        return file.path

    def provenance(self, item: tuple[int, int] | None = None) -> Mapping[str, str]:
        return self._context.services.provenance(self._node, item)

    def extensions(self, table: str) -> Mapping[str, object]:
        return self._context.services.extensions(table)

    def model_file(self, kind: str, name: str) -> Path:
        item = next((item for item, declared in mentioning(self._spec.inputs) if declared == kind), None)
        if item is None:
            raise TypeError(f"no input of {self._spec.id} is a text that names files of {kind}")
        return Path(self._context.services.resolve_file(item, name).path)

    def setting(self, name: str) -> str | int | float | bool:
        return self._context.services.setting(self._spec, name)

    def _stop_if_wanted(self) -> None:
        if self._context.cancel.requested:
            self._log.stopped = True
            raise Cancelled("cancelled")
