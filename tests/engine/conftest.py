"""Builds resolved graphs out of plain functions, and the services an engine needs to run them."""

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from nodeflow.core.canonical import record_bytes
from nodeflow.core.resolved import ResolvedGraph, ResolvedNode, Wire
from nodeflow.core.secrets import Vault
from nodeflow.core.spec import Form, Input, Kind, Lane, Output, Spec, Widget
from nodeflow.core.types import Codec, Encoded, Type
from nodeflow.engine.cache import MemoryCache
from nodeflow.engine.events import Event
from nodeflow.engine.executor import Engine
from nodeflow.engine.inside import Nested
from nodeflow.engine.results import RunResult
from nodeflow.engine.runtime import DiskTier, Expansion, Guard, ResolvedFile, SavedFile

ANY = Type("any")


class Link:
    """An output of a node of a ``Drawing``."""

    def __init__(self, node: str, output: str) -> None:
        self.node = node
        self.output = output


def taken_out(value: Any, label: str, place: Any, links: dict[str, Link], nested: dict[str, Any]) -> Any:
    """``value`` with null where links were, which are noted by label."""
    name, path = place
    if isinstance(value, Link):
        links[label], nested[label] = value, place
        return None
    if isinstance(value, list):
        return [taken_out(item, f"{label}[{at}]", (name, (*path, at)), links, nested) for at, item in enumerate(value)]
    if isinstance(value, dict):
        return {
            key: taken_out(item, f"{label}.{key}", (name, (*path, key)), links, nested) for key, item in value.items()
        }
    return value


class Drawing:
    """Collects nodes in order and resolves them, as validation would."""

    def __init__(self) -> None:
        self.nodes: list[ResolvedNode] = []
        self.index: dict[str, int] = {}
        self.outputs: dict[str, tuple[int, str]] = {}

    def add(self, id: str, spec: Spec, depth: int = 0, depths: Mapping[str, int] | None = None, **inputs: Any) -> Link:
        names = [item.name for item in spec.inputs]
        assert set(inputs) <= set(names), inputs
        nested: dict[str, tuple[str, tuple[str | int, ...]]] = {}
        links = {name: value for name, value in sorted(inputs.items()) if isinstance(value, Link)}
        for name in inputs.keys() - links.keys():
            inputs[name] = taken_out(inputs[name], name, (name, ()), links, nested)
        literals = {item.name: item.default for item in spec.inputs if item.name not in links and not item.required}
        literals |= {name: value for name, value in inputs.items() if name not in links}
        links = dict(sorted(links.items()))
        wires = tuple(
            Wire(name, self.index[link.node], link.output, (depths or {}).get(name, 0)) for name, link in links.items()
        )
        self.index[id] = len(self.nodes)
        self.nodes.append(ResolvedNode(id, spec, literals, record_bytes(literals), wires, depth, nested or None))
        return Link(id, spec.outputs[0].name if spec.outputs else "")

    def output(self, name: str, link: Link) -> None:
        self.outputs[name] = (self.index[link.node], link.output)

    def place(self, link: Link) -> tuple[int, str]:
        return self.index[link.node], link.output

    def graph(self) -> ResolvedGraph:
        return ResolvedGraph(tuple(self.nodes), dict(self.index), dict(self.outputs))


@dataclass
class Bench:
    """Services over plain functions; counts calls and lets a test change every answer."""

    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    codecs: dict[str, Codec] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    digest: str = "code"
    environment_text: str = "machine"
    written: list[tuple[str, str, bytes]] = field(default_factory=list)
    released: int = 0
    sheet: type["Sheet"] | None = None
    expansions: dict[str, Callable[..., Expansion]] = field(default_factory=dict)
    vault: Vault = field(default_factory=Vault)
    watching: Guard | None = None
    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    now: float = 1_000_000.0

    def node(
        self,
        function: Callable[..., Any],
        *,
        id: str | None = None,
        kind: Kind = Kind.PURE,
        lane: Lane = Lane.DEVICE,
        outputs: tuple[str, ...] = ("out",),
        lazy: tuple[str, ...] = (),
        types: Mapping[str, str] | None = None,
        files: tuple[str, ...] = (),
        form: Form | None = None,
        fields: Mapping[str, tuple[Input, ...]] | None = None,
        secrets: tuple[str, ...] = (),
        **more: Any,
    ) -> Spec:
        """Describe ``function`` as a node; every call of it is noted in ``calls``."""
        name = id or function.__name__
        parameters = inspect.signature(function).parameters

        def widget(name: str) -> Widget | None:
            if name in secrets:
                return Widget("secret")
            return Widget("model_file", folder="checkpoints") if name in files else None

        inputs = tuple(
            Input(
                item.name,
                Type((types or {}).get(item.name, "any")),
                required=item.default is inspect.Parameter.empty,
                default=None if item.default is inspect.Parameter.empty else item.default,
                lazy=item.name in lazy,
                fields=(fields or {}).get(item.name, ()),
                widget=widget(item.name),
            )
            for item in parameters.values()
            if item.name != "run"
        )
        if form is None:
            form = Form.ASYNC if inspect.iscoroutinefunction(function) else Form.SYNC

        def counted(**arguments: Any) -> Any:
            self.calls.append(name)
            return function(**arguments)

        self.functions[name] = counted
        return Spec(
            name,
            inputs=inputs,
            outputs=tuple(Output(output, Type((types or {}).get(output, "any"))) for output in outputs),
            kind=kind,
            form=form,
            lane=lane,
            takes_run="run" in parameters,
            multiple=len(outputs) > 1,
            **more,
        )

    def guard(self) -> Guard | None:
        return self.watching

    def setting(self, spec: Spec, name: str) -> str | int | float | bool:
        return self.settings[f"{spec.id}.{name}"]

    def implementation(self, spec: Spec) -> Callable[..., object]:
        return self.functions[spec.id]

    def resolve_file(self, input: Input, value: str) -> ResolvedFile:
        if value not in self.fingerprints:
            raise FileNotFoundError(value)
        return ResolvedFile(f"/models/{value}", self.fingerprints[value])

    def fingerprint(self, kind: str) -> str:
        return self.fingerprints.get(f"all {kind}", "none")

    def code_digest(self, spec: Spec) -> str:
        return self.digest

    def environment(self, device: str, dtype: str) -> str:
        return f"{self.environment_text} {device} {dtype}"

    def expand(self, spec: Spec, values: Mapping[str, object], linked: Nested) -> Expansion:
        self.calls.append(spec.id)
        return self.expansions[spec.id](values, linked)

    def codec(self, type_name: str) -> Codec | None:
        return self.codecs.get(type_name)

    def extensions(self, table: str) -> Mapping[str, object]:
        return {"table": table}

    def choices(self, table: str) -> tuple[str, ...]:
        return {"tables": ("round", "square")}[table]

    def save(self, prefix: str, suffix: str, data: bytes) -> SavedFile:
        unchanged = (prefix, suffix, data) in self.written
        self.written.append((prefix, suffix, data))
        return SavedFile(f"/out/{prefix}_{len(self.written):05}.{suffix}", unchanged)

    def provenance(self, node_id: str, item: tuple[int, int] | None) -> Mapping[str, str]:
        return {"node": node_id, "item": str(item)}

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError)

    def release_memory(self) -> None:
        self.released += 1

    def engine(self, budget: int = 1 << 30, disk: DiskTier | None = None) -> Engine:
        return Engine(self, MemoryCache(budget), disk, clock=lambda: self.now)

    def draw(self) -> Drawing:
        """An empty graph."""
        return Drawing()

    def run(self, drawing: Drawing | ResolvedGraph, engine: Engine | None = None, **options: Any) -> RunResult:
        """Run in a new engine, unless one is given."""
        graph = drawing.graph() if isinstance(drawing, Drawing) else drawing
        if engine is not None:
            return engine.run(graph, **options)
        with self.engine() as fresh:
            return fresh.run(graph, **options)

    def listen(self, drawing: Drawing, engine: Engine | None = None, **options: Any) -> tuple[RunResult, list[Event]]:
        """Run and collect everything the listener is told."""
        events: list[Event] = []
        return self.run(drawing, engine, on_event=events.append, **options), events

    def counts(self) -> dict[str, int]:
        """How often each node was called since this was last asked."""
        calls, self.calls = Counter(self.calls), []
        return dict(calls)


class Sheet:
    """A large value with a codec, as packs have them."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def nbytes(self) -> int:
        return len(self.data)


class SheetCodec:
    """Keeps a ``Sheet`` as one blob."""

    def encode(self, value: Sheet, /) -> Encoded:
        return Encoded({"length": len(value.data)}, [value.data])

    def decode(self, encoded: Encoded, /) -> Sheet:
        (blob,) = encoded.blobs
        if encoded.header != {"length": len(blob)}:
            raise ValueError("another length")
        return Sheet(bytes(blob))


@pytest.fixture
def bench() -> Bench:
    found = Bench(codecs={"Sheet": SheetCodec()})
    found.sheet = Sheet
    return found
