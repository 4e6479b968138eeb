"""A session: models and results stay warm between runs, and every run gives typed results."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property, partial
from pathlib import Path
from typing import Self, cast

from nodeflow.core.errors import InvalidDocument, Problem, UsageError, refusal
from nodeflow.core.json import JsonValue
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.workflow import Document
from nodeflow.engine.events import Event
from nodeflow.engine.explain import NodeExplanation, explain
from nodeflow.session.axes import axes_of
from nodeflow.session.environment import DTYPES, Environment, choose_device
from nodeflow.session.expansion import Expanders
from nodeflow.session.files import FileDigests
from nodeflow.session.job import Job, Options
from nodeflow.session.kept import Kept
from nodeflow.session.outlook import Outlook, outlook_of
from nodeflow.session.record import Recorder
from nodeflow.session.results import Result
from nodeflow.session.running import Running
from nodeflow.session.services import RunServices
from nodeflow.session.sources import Loaded, Source, Value
from nodeflow.session.sweeping import Sweep
from nodeflow.session.warming import quiet_ends
from nodeflow.session.workplace import Prepared, Workplace
from nodeflow.storage.digests import Digests
from nodeflow.storage.outputs import Outputs


class Session:
    """Runs documents and graphs in this process.

    Args:
        home: Folder of settings, packs, models and caches; ``$NODEFLOW_HOME`` or ``~/.nodeflow`` by default.
        models_dirs: Further folders of models, searched first, each laid out as ``DIR/checkpoints/…``.
        input_dir: Folder of pictures that documents load by name, searched first.
        output_dir: Where files are written, and pictures of earlier runs are found; made when the first one is written.
        device: ``cpu``, ``cuda:0``, or ``auto`` for a GPU where there is one.
        dtype: ``fp32``, ``bf16``, or ``auto``.
        cache: Remember results, in memory and on disk; models are kept in memory only.
        metadata: Embed the document and a record of the run into pictures.
        dev: For people who write packs: what has changed of a pack or of ``config.toml`` counts from the next run on,
            and a node that changes one of its inputs fails.

    Attributes:
        workplace: What is installed and where the user's things are.

    Raises:
        UsageError: The device, the precision or a setting in ``config.toml`` makes no sense.
    """

    def __init__(
        self,
        home: Path | str | None = None,
        *,
        models_dirs: Iterable[Path | str] = (),
        input_dir: Path | str | None = None,
        output_dir: Path | str = "output",
        device: str = "auto",
        dtype: str = "auto",
        cache: bool = True,
        metadata: bool = True,
        dev: bool = False,
    ) -> None:
        if dtype not in DTYPES:
            raise UsageError(f"dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
        self.workplace = Workplace.at(home, models_dirs=models_dirs, input_dir=input_dir, output_dir=output_dir)
        self.outputs = Outputs(Path(output_dir))
        self._device = device
        self._dtype = dtype
        self._cache = cache
        self._metadata = metadata
        self._dev = dev
        self._kept = Kept(self.workplace)

    @cached_property
    def environment(self) -> Environment:
        """The device, the precision and the libraries."""
        return Environment(choose_device(self._device), self._dtype, self._dev)

    def document(self, source: Source, *, item: bool | int = False) -> Document:
        """Reads a document: a file, a picture that carries one, JSON bytes, a shipped workflow's name, a graph.

        Args:
            source: Where it is.
            item: Of a document that makes a batch, the document that makes one of its pictures alone: True for the
                one that ``source`` shows, a number from 1 for that one.

        Raises:
            MissingFile: There is no such file or workflow.
            InvalidDocument: It is no document.
            UsageError: There is no such item.
        """
        return self.load(source, item=item).document

    def load(self, source: Source, *, item: bool | int = False) -> Loaded:
        """Reads a document once, to run it many times, and keeps in mind where its files are; see ``document``."""
        return self._present().load(source, item=item)

    def save(self, source: Source, path: Path | str) -> Document:
        """Writes a document as it is saved: of today's node versions, every input written, packs and models pinned.

        Draws stay draws, and nodes of packs that are not installed stay as they are. Saving what was saved changes
        nothing.

        Returns:
            What was written.

        Raises:
            InvalidDocument: It has parts that cannot be kept, so nothing was written.
            UsageError: The file cannot be written; what was there is still there.
        """
        return self._present().save(source, path)

    def check(self, source: Source, inputs: Mapping[str, Value] | None = None) -> tuple[Problem, ...]:
        """Everything that is wrong with a document, found without running any node."""
        return self._present().check(source, inputs)

    def start(
        self,
        source: Source,
        inputs: Mapping[str, Value] | None = None,
        *,
        targets: Sequence[str] | None = None,
        strict: bool = False,
        write: Iterable[str] | None = None,
        previews: bool = False,
        refresh: Collection[str] | bool = False,
        job: str = "",
        label: str = "",
    ) -> Running:
        """Starts a run in a thread and returns an iterator of its events; ``result()`` of it waits for the end.

        Args:
            source: What to run; see ``document``.
            inputs: Values by name of the document's interface or by ``node.input``. Texts are read by the declared
                type; a Path gives a text input that file's text and a file input that very file.
            targets: Node ids, ``node.output`` or interface outputs to run up to; everything by default.
            strict: A warning of a node is its failure, and one about the document forbids the run.
            write: Names of results to write into the output folder where no node saves them; all by default.
            previews: Let nodes make previews of their steps, which come with the events.
            refresh: Ids of external nodes to ask again whatever is remembered of them; True for all.
            job: Names the job: outside services are given the same token when it is run again under this name.
            label: Stands in the names of all files of this run, before their number.

        Raises:
            InvalidDocument: With every problem of the document.
            MissingFile: It needs files that are not here.
            UsageError: The output folder cannot be written to, or a counter cannot be kept.
        """
        workplace = self._present()
        with workplace.submission(workplace.prepare(source, inputs, targets)) as prepared:
            problems = prepared.resolution.problems
            if strict and problems:
                raise InvalidDocument(problems)
            self.outputs.check()
        graph = prepared.resolution.require()
        again = refresh if isinstance(refresh, bool) else frozenset(refresh)
        names = None if write is None else frozenset(write)
        work = Job(
            graph,
            None if targets is None else prepared.resolution.targets,
            self._services(prepared, graph, label),
            self._kept.memory,
            self._kept.residents,
            self._kept.disk if self._cache else None,
            Options(self._cache, strict, names, previews, again, job),
            prepared.document.dumps(),
            prepared.drawn,
            prepared.resolution.names,
        )
        return Running(partial(self._kept.run, work), problems, prepared.drawn)

    def run(
        self,
        source: Source,
        inputs: Mapping[str, Value] | None = None,
        *,
        targets: Sequence[str] | None = None,
        strict: bool = False,
        write: Iterable[str] | None = None,
        refresh: Collection[str] | bool = False,
        job: str = "",
        on_event: Callable[[Event], None] | None = None,
    ) -> Result:
        """Runs to the end; see ``start`` for the arguments. Ctrl-C stops the run within one step.

        Raises:
            NodeFailed: A node failed; when several did, the others are notes of the first.
        """
        running = self.start(source, inputs, targets=targets, strict=strict, write=write, refresh=refresh, job=job)
        try:
            for event in running:
                if on_event is not None:
                    on_event(event)
        except BaseException:
            running.cancel()
            raise
        return running.result()

    def sweep(
        self,
        source: Source,
        over: Mapping[str, Iterable[Value]],
        inputs: Mapping[str, Value] | None = None,
        *,
        rows: Iterable[Mapping[str, Value]] = (),
        zipped: bool = False,
        targets: Sequence[str] | None = None,
        strict: bool = False,
        fresh: bool = False,
        stop: bool = False,
    ) -> Sweep:
        """A document at every combination of some values; iterate over it to run it, point by point.

        Args:
            source: What to run; see ``document``.
            over: Values by name of the document's interface or by ``node.input``; every one is an axis.
            inputs: Further values, the same at all points.
            rows: One more axis, each step of which sets several inputs.
            zipped: The values in ``over`` walk together instead of being combined.
            targets: What to run up to; everything by default.
            strict: Warnings are errors.
            fresh: Run also what is done already, as the journal in the output folder says.
            stop: End at the first failure.

        Raises:
            InvalidDocument: Some point cannot run; found for all of them before the first one runs.
            MissingFile: Some point needs files that are not here.
            UsageError: There is nothing to vary, or the output folder cannot be written to.
        """
        axes = axes_of(over, rows, zipped=zipped)
        return Sweep(self, self.load(source), axes, inputs, targets=targets, strict=strict, fresh=fresh, stop=stop)

    def explain(
        self,
        source: Source,
        inputs: Mapping[str, Value] | None = None,
        *,
        targets: Sequence[str] | None = None,
        refresh: Collection[str] | bool = False,
    ) -> tuple[NodeExplanation, ...]:
        """For every node: whether it would run or is remembered, and what changed since it last ran.

        Raises:
            InvalidDocument: With every problem of the document; ``outlook`` goes on without what is wrong.
        """
        found = self.outlook(source, inputs, targets=targets, refresh=refresh)
        if found.failed:
            raise refusal(found.problems)
        return found.nodes

    def outlook(
        self,
        source: Source,
        inputs: Mapping[str, Value] | None = None,
        *,
        targets: Sequence[str] | None = None,
        refresh: Collection[str] | bool = False,
    ) -> Outlook:
        """``explain`` for a document that may be broken: what is wrong with it, and what is known of its nodes."""
        workplace = self._present()
        return outlook_of(workplace, workplace.prepare(source, inputs, targets), refresh, self._explained)

    def _explained(
        self,
        prepared: Prepared,
        graph: ResolvedGraph,
        targets: Sequence[tuple[int, str]] | None,
        refresh: Collection[str] | bool,
    ) -> tuple[NodeExplanation, ...]:
        return explain(
            graph,
            self._services(prepared, graph),
            self._kept.memory,
            self._kept.disk,
            device=self.environment.device,
            dtype=self.environment.dtype,
            targets=targets,
            refresh=refresh,
        )

    def elsewhere(self, *, input_dirs: Iterable[Path], output_dir: Path, metadata: bool = True) -> "Session":
        """This session for runs in other places: device, models, and all that is kept are the same.

        Args:
            input_dirs: Folders of pictures that documents load by name, searched first.
            output_dir: Where files are written, and pictures of earlier runs are found.
            metadata: Embed the document and a record of the run into pictures.
        """
        places = self._present().elsewhere(input_dirs, output_dir)
        other = copy(self)
        new = {"workplace": places, "outputs": Outputs(output_dir), "_metadata": metadata}
        vars(other).update(new, environment=self.environment)
        return other

    def warm_up(self, source: Source) -> Running:
        """Computes what a document computes, so that its models are in memory and ready for the first run.

        Nothing is written, no counter moves, no external node is asked, and nothing below such a node is computed.

        Raises:
            InvalidDocument: With every problem of the document.
            MissingFile: It needs files that are not here.
        """
        workplace = self._present()
        prepared = workplace.foreseen(workplace.prepare(source))
        graph = prepared.resolution.require()
        options = Options(self._cache, write=frozenset())
        services, kept, ends = self._services(prepared, graph), self._kept, quiet_ends(graph)
        disk = kept.disk if self._cache else None
        work = Job(graph, ends, services, kept.memory, kept.residents, disk, options, b"", {}, [""] * len(ends))
        return Running(partial(kept.run, work), prepared.resolution.problems)

    @property
    def nbytes(self) -> int:
        """Bytes of models and results that are kept in memory."""
        return self._kept.memory.nbytes

    @property
    def models(self) -> tuple[str, ...]:
        """The model files that are in memory, as ``checkpoints/emoji-tiny.safetensors``."""
        return self._kept.residents.names

    def release(self) -> None:
        """Lets go of everything that was kept in memory, and gives it back to the system; not while a run goes on."""
        self._kept.release()

    def close(self) -> None:
        """Lets go of everything that was kept in memory."""
        self._kept.memory.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _present(self) -> Workplace:
        """The workplace, in development as it is by now."""
        if self._dev:
            self.workplace = self.workplace.renewed()
        return self.workplace

    def _services(self, prepared: Prepared, graph: ResolvedGraph, label: str = "") -> RunServices:
        home, registry = self.workplace.home, self.workplace.registry
        files = FileDigests(prepared.files, Digests(home.digests))
        text = "" if prepared.document.faults else prepared.document.dumps().decode("utf-8")
        recorder = Recorder(text, graph, registry, self.environment, files, home, self._metadata)
        graphs = cast("dict[str, JsonValue]", prepared.document.tree.get("graphs", {}))
        expanders, outputs = Expanders(registry, prepared.files, graphs), self.outputs.for_run(label)
        return RunServices(
            registry, self.environment, files, outputs, recorder, home, expanders, self._kept.vault, self._dev
        )


def run(
    source: Source,
    inputs: Mapping[str, Value] | None = None,
    *,
    targets: Sequence[str] | None = None,
    on_event: Callable[[Event], None] | None = None,
    output_dir: Path | str = "output",
    device: str = "auto",
    dtype: str = "auto",
) -> Result:
    """Runs one document or graph in a session of its own; see ``Session`` for the arguments and what is raised."""
    with Session(output_dir=output_dir, device=device, dtype=dtype) as session:
        return session.run(source, inputs, targets=targets, on_event=on_event)
