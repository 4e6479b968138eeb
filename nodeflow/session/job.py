"""One run: the engine's part, and afterwards the files for results that no node saves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nodeflow.core.errors import NodeFailed, OutOfMemory
from nodeflow.core.json import JsonValue
from nodeflow.core.resolved import ResolvedGraph, ResolvedNode
from nodeflow.diffusion.errors import DiffusionError
from nodeflow.diffusion.files import files_of
from nodeflow.engine.cache import MemoryCache
from nodeflow.engine.events import Event, Saved, Warned
from nodeflow.engine.executor import Engine
from nodeflow.engine.failures import failure_of
from nodeflow.engine.results import RunResult
from nodeflow.engine.runtime import Cancel, DiskTier
from nodeflow.session.residents import Residents
from nodeflow.session.results import NodeReport, Output, Result
from nodeflow.session.services import RunServices

Emit = Callable[[Event], None]
Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is carried out.

    Attributes:
        cache: Look up and remember results.
        strict: A warning of a node is its failure.
        write: Names of results to write where no node saves them; None for all.
        previews: Somebody looks at previews.
        refresh: Ids of external nodes to ask again, or True for all.
        job: Names the job, for calls to outside services that are made again.
    """

    cache: bool = True
    strict: bool = False
    write: frozenset[str] | None = None
    previews: bool = False
    refresh: frozenset[str] | bool = False
    job: str = ""

    def writes(self, name: str) -> bool:
        """Whether a result is to be written."""
        return self.write is None or name in self.write


@dataclass(frozen=True, slots=True)
class Job:
    """Everything one run needs.

    Attributes:
        targets: What was asked for by name; None for all that the document declares.
        document: What runs, for the result.
        drawn: What its draws gave, for the result.
        names: What each target is called by whoever asked for it.
    """

    graph: ResolvedGraph
    targets: Sequence[Place] | None
    services: RunServices
    memory: MemoryCache
    residents: Residents
    disk: DiskTier | None
    options: Options
    document: bytes
    drawn: Mapping[str, JsonValue]
    names: Sequence[str] = ()

    def run(self, emit: Emit, cancel: Cancel) -> Result:
        """Carries the run out; what fails is in the result."""
        environment = self.services.environment_of_run
        with Engine(self.services, self.memory, self.disk) as engine:
            done = engine.run(
                self.graph,
                targets=self.targets,
                device=environment.device,
                dtype=environment.dtype,
                use_cache=self.options.cache,
                strict=self.options.strict,
                previews=self.options.previews,
                refresh=self.options.refresh,
                job=self.options.job,
                on_event=emit,
                cancel=cancel,
            )
        self.residents.note(self.graph, done.keys)
        outputs, failures = self._outputs(done, emit)
        return Result(
            outputs=outputs,
            saved={node: tuple(Path(path) for path in paths) for node, paths in done.saved.items()},
            shown=done.shown,
            nodes={
                node: NodeReport(status.value, done.seconds.get(node, 0.0), done.blocked.get(node, ""))
                for node, status in done.status.items()
            },
            warnings=tuple((warning.node, warning.message) for warning in done.warnings),
            failures=(*done.failures, *failures),
            cancelled=done.cancelled,
            unchanged=self.services.outputs.unchanged,
            document=self.document,
            drawn=self.drawn,
            withheld=self._withheld(done),
        )

    def _outputs(self, done: RunResult, emit: Emit) -> tuple[Mapping[str, Output], Sequence[NodeFailed]]:
        outputs: dict[str, Output] = {}
        failures: list[NodeFailed] = []
        for name, (index, output) in self._named().items():
            node = self.graph.nodes[index]
            declared = node.spec.output(output)
            if declared is None or (node.id, output) not in done.values:
                continue
            value = done.values[node.id, output]
            result = Output(name, str(declared.type), value, self._saved_by_nodes((index, output), done))
            if not result.paths and not done.cancelled and self.options.writes(name):
                try:
                    result = replace(result, paths=self._write(name, node.id, value, emit))
                except Exception as error:  # noqa: BLE001 - one result that cannot be written leaves the others
                    failures.append(self._failure(node, name, error))
            outputs[name] = result
        return outputs, failures

    def _withheld(self, done: RunResult) -> Mapping[str, str]:
        """Why results are not there, or not all of their items, where a node says so."""
        places = ((name, (self.graph.nodes[index].id, output)) for name, (index, output) in self._named().items())
        return {name: done.withheld[place] for name, place in places if place in done.withheld}

    def _named(self) -> Mapping[str, Place]:
        """The results of the run by name; those that the interface does not name are as they were asked for."""
        if self.targets is None:
            return self.graph.outputs
        names = {place: name for name, place in self.graph.outputs.items()}
        asked = zip(self.targets, self.names, strict=True)
        return {names.get(place, name): place for place, name in asked if place[1]}

    def _saved_by_nodes(self, place: Place, done: RunResult) -> tuple[Path, ...]:
        """Files of nodes that take this very output and write files."""
        takers = (node for node in self.graph.nodes if any((w.source, w.output) == place for w in node.wires))
        return tuple(Path(path) for node in takers for path in done.saved.get(node.id, ()))

    def _failure(self, node: ResolvedNode, name: str, error: Exception) -> NodeFailed:
        if self.services.is_out_of_memory(error):
            return OutOfMemory(node.id, node.spec.id, f'out of memory while the result "{name}" was written')
        vault = self.services.vault
        return (
            NodeFailed(node.id, node.spec.id, vault.scrub(str(error)))
            if isinstance(error, DiffusionError)
            else failure_of(node, error, vault)
        )

    def _write(self, name: str, node: str, value: object, emit: Emit) -> tuple[Path, ...]:
        recorder, outputs = self.services.recorder, self.services.outputs
        paths: list[Path] = []
        for suffix, data in files_of(value, lambda item: recorder.chunks(node, item, name)):
            path, unchanged = outputs.save(name, suffix, data)
            paths.append(path)
            emit(Saved(node, str(path), unchanged))
        if not paths:
            emit(Warned(node, f'the result "{name}" is of a type that cannot be written to a file'))
        return tuple(paths)
