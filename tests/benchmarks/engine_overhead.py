"""What the engine costs per node, beside dask and Hamilton, in CPU time.

Run it on an idle machine: ``python tests/benchmarks/engine_overhead.py [--json] [--quick]``. README.md says what
each row means and what was reached.
"""

import argparse
import gc
import json
import statistics
import sys
import tempfile
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time

from nodeflow.core.canonical import record_bytes
from nodeflow.core.resolved import ResolvedGraph, ResolvedNode, Wire
from nodeflow.core.secrets import Vault
from nodeflow.core.spec import Input, Output, Spec
from nodeflow.core.types import Codec, Type
from nodeflow.engine.cache import MemoryCache
from nodeflow.engine.events import Event, Status
from nodeflow.engine.executor import Engine
from nodeflow.engine.runtime import Expansion, ResolvedFile, SavedFile
from nodeflow.storage.results import DiskResults

INT = Type("int")
WIDTH = 10


def add(left: int, right: int = 1) -> int:
    """The trivial node."""
    return left + right


ADD = Spec(
    "Add",
    inputs=(Input("left", INT), Input("right", INT, required=False, default=1)),
    outputs=(Output("out", INT),),
)


class Services:
    """As little as an engine needs."""

    vault = Vault()

    def guard(self) -> None:
        return None

    def setting(self, spec: Spec, name: str) -> str:
        raise KeyError(name)

    def implementation(self, spec: Spec) -> Callable[..., object]:
        return add

    def resolve_file(self, input: Input, value: str) -> ResolvedFile:
        raise FileNotFoundError(value)

    def fingerprint(self, kind: str) -> str:
        return kind

    def code_digest(self, spec: Spec) -> str:
        return "0" * 64

    def environment(self, device: str, dtype: str) -> str:
        return f"{device} {dtype}"

    def expand(self, spec: Spec, values: Mapping[str, object], linked: Collection[str]) -> Expansion:
        raise NotImplementedError

    def codec(self, type_name: str) -> Codec | None:
        return None

    def extensions(self, table: str) -> Mapping[str, object]:
        return {}

    def choices(self, table: str) -> tuple[str, ...]:
        return ()

    def save(self, prefix: str, suffix: str, data: bytes) -> SavedFile:
        return SavedFile(prefix)

    def provenance(self, node_id: str, item: tuple[int, int] | None) -> Mapping[str, str]:
        return {}

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError)

    def release_memory(self) -> None:
        return None


class Listener:
    """Looks at every event, as a progress bar does, and keeps none."""

    def __init__(self) -> None:
        self.heard = 0

    def __call__(self, event: Event) -> None:
        self.heard += 1


def node(index: int, sources: tuple[int, ...], start: int, last: bool = False) -> ResolvedNode:
    literals = {} if len(sources) == 2 else {"right": 2 if last else 1}
    if not sources:
        literals["left"] = start
    wires = tuple(Wire(name, source, "out") for name, source in zip(("left", "right"), sources, strict=False))
    return ResolvedNode(f"n{index}", ADD, literals, record_bytes(literals), wires)


def chain(count: int, start: int = 0, last: bool = False) -> ResolvedGraph:
    """Every node takes the one before."""
    nodes = tuple(
        node(index, (index - 1,) if index else (), start, last and index == count - 1) for index in range(count)
    )
    return graph(nodes)


def layers(count: int, start: int = 0) -> ResolvedGraph:
    """Ten nodes side by side, each taking two of the layer above."""
    nodes = []
    for index in range(count):
        layer, place = divmod(index, WIDTH)
        above = (layer - 1) * WIDTH
        sources = (above + place, above + (place + 1) % WIDTH) if layer else ()
        nodes.append(node(index, sources, start + place))
    return graph(tuple(nodes))


def graph(nodes: tuple[ResolvedNode, ...]) -> ResolvedGraph:
    last = range(max(0, len(nodes) - WIDTH), len(nodes))
    return ResolvedGraph(
        nodes, {item.id: index for index, item in enumerate(nodes)}, {f"o{index}": (index, "out") for index in last}
    )


@dataclass(frozen=True)
class Row:
    """Microseconds of CPU per node, over several runs."""

    name: str
    nodes: int
    least: float
    median: float


def measure(name: str, nodes: int, repeats: int, once: Callable[[int], float]) -> Row:
    """Time ``once``, which returns its own CPU seconds, for fresh inputs each time."""
    times = []
    for number in range(repeats):
        gc.collect()
        times.append(once(number) / nodes * 1e6)
    return Row(name, nodes, min(times), statistics.median(times))


@contextmanager
def engine(disk: bool = False) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        tier = DiskResults(Path(folder), 1 << 30) if disk else None
        with Engine(Services(), MemoryCache(1 << 30), tier) as made:
            yield made


def timed(made: Engine, resolved: ResolvedGraph, status: dict[Status, int], **options: object) -> float:
    """CPU seconds of one run; checks that exactly the expected nodes ran."""
    listener = Listener()
    begin = process_time()
    result = made.run(resolved, on_event=listener, **options)  # type: ignore[arg-type]
    spent = process_time() - begin
    found = list(result.status.values())
    assert {kind: found.count(kind) for kind in status} == status, result.failures
    return spent


Shape = Callable[[int, int], ResolvedGraph]


def cold(shape: Shape, count: int, disk: bool = False) -> Callable[[int], float]:
    def once(number: int) -> float:
        with engine(disk) as made:
            return timed(made, shape(count, number), {Status.RAN: count})

    return once


def cached(shape: Shape, count: int, every: bool, disk: bool = False) -> Callable[[int], float]:
    """A finished graph again: with its declared outputs only, or with every node asked for."""

    def once(number: int) -> float:
        resolved = shape(count, number)
        with engine(disk) as made:
            made.run(resolved)
            if every:
                targets = [(index, "out") for index in range(count)]
                return timed(made, resolved, {Status.HIT_MEMORY: count}, targets=targets)
            return timed(made, resolved, {Status.HIT_MEMORY: WIDTH, Status.SKIPPED: count - WIDTH})

    return once


def last_changed(count: int) -> Callable[[int], float]:
    """A finished chain whose last node has another literal: one node runs."""

    def once(number: int) -> float:
        with engine() as made:
            made.run(chain(count, number))
            changed = chain(count, number, last=True)
            expected = {Status.RAN: 1, Status.HIT_MEMORY: 1, Status.SKIPPED: count - 2}
            return timed(made, changed, expected, targets=[(count - 1, "out")])

    return once


def dask_chain(count: int) -> Callable[[int], float]:
    from dask.local import get_sync

    def once(number: int) -> float:
        tasks = {f"n{index}": (add, f"n{index - 1}", 1) if index else (add, number, 1) for index in range(count)}
        begin = process_time()
        result = get_sync(tasks, f"n{count - 1}")
        spent = process_time() - begin
        assert result == number + count
        return spent

    return once


def hamilton_chain(count: int) -> Callable[[int], float]:
    from hamilton import driver

    source = ["def n0(start: int) -> int:\n    return start + 1\n"]
    source += [f"def n{index}(n{index - 1}: int) -> int:\n    return n{index - 1} + 1\n" for index in range(1, count)]
    module = types.ModuleType("chain_of_functions")
    sys.modules[module.__name__] = module
    exec("\n".join(source), module.__dict__)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20 * count + limit)
    built = driver.Builder().with_modules(module).build()

    def once(number: int) -> float:
        begin = process_time()
        result = built.execute([f"n{count - 1}"], inputs={"start": number})
        spent = process_time() - begin
        assert dict(result)[f"n{count - 1}"] == number + count
        return spent

    return once


def rows(quick: bool) -> Iterator[Row]:
    """Ours first: importing the peers makes the heap, and with it every garbage collection, several times larger."""
    repeats = 3 if quick else 25
    shapes = (("chain", chain), ("layers", layers))
    for name, shape in shapes:
        yield measure(f"{name}, executed", 600, repeats, cold(shape, 600))
        yield measure(f"{name}, executed, disk tier on", 600, repeats, cold(shape, 600, disk=True))
        yield measure(f"{name}, cached, declared outputs", 600, repeats, cached(shape, 600, every=False))
        yield measure(f"{name}, cached, every node asked for", 600, repeats, cached(shape, 600, every=True))
    for count in (10_000,) if quick else (10_000, 100_000):
        for name, shape in shapes:
            yield measure(f"{name}, executed", count, 5, cold(shape, count))
            yield measure(f"{name}, cached, declared outputs", count, 5, cached(shape, count, every=False))
            yield measure(f"{name}, cached, every node asked for", count, 5, cached(shape, count, every=True))
    yield measure("last node changed", 600, repeats, last_changed(600))
    yield measure("Hamilton execute, executed, no cache", 600, repeats, hamilton_chain(600))
    yield measure("dask get_sync, executed, no cache", 600, repeats, dask_chain(600))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    found = []
    for row in rows(options.quick):
        found.append(row)
        if not options.json:
            print(f"{row.nodes:>7}  {row.name:<42} min {row.least:7.2f}  median {row.median:7.2f} µs/node", flush=True)
    if options.json:
        print(json.dumps([asdict(row) for row in found], indent=1))


if __name__ == "__main__":
    main()
