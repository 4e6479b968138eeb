"""What is installed and where the user's things are: all that checking a document needs, without engine and torch."""

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from nodeflow.core.assigning import assign
from nodeflow.core.completion import complete
from nodeflow.core.drawing import draw_all, draw_settings
from nodeflow.core.draws import DrawSource
from nodeflow.core.errors import Problem
from nodeflow.core.json import JsonValue
from nodeflow.core.pins import PinCheck
from nodeflow.core.registry import Registry
from nodeflow.core.subgraphs import with_subgraphs
from nodeflow.core.suggest import shorten
from nodeflow.core.upgrade import migrate
from nodeflow.core.validate import Resolution, resolve
from nodeflow.core.workflow import Document
from nodeflow.session.drawing import SubmissionSource
from nodeflow.session.files import SessionFiles
from nodeflow.session.items import alone, chosen_item
from nodeflow.session.packs import installed_packs
from nodeflow.session.pinning import LocalStock, Locked, pinned, used_packs
from nodeflow.session.sources import Loaded, Source, Value, load, pack_folders, settings, workflow_folders
from nodeflow.session.spread import Spread
from nodeflow.session.verification import Verdict, verdicts
from nodeflow.storage.documents import shipped_workflows, write_document
from nodeflow.storage.draws import DrawStates
from nodeflow.storage.home import Config, Home, find_home, read_config
from nodeflow.storage.inputs import InputFiles
from nodeflow.storage.models import ModelFolders, model_folders
from nodeflow.storage.secrets import SecretPlaces

_OF_ALL: Final = ("config", "registry", "models", "secrets", "workflows")
"""What is the same for all folders of pictures and outputs, and is found out once."""
_PACK_MISSING: Final = frozenset({"pack.absent", "pack.failed"})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that was read and checked.

    Attributes:
        document: As it came; once nothing is wrong and nothing is left to draw, with every input written out.
        resolution: The graph, and what is wrong.
        files: Where its files are.
        settings: Values for its inputs.
        targets: What of it is asked for; None for all that it declares.
        drawn: What its draws gave, by ``node.input``, or by the name under which a draw was given.
    """

    document: Document
    resolution: Resolution
    files: SessionFiles
    settings: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    targets: Sequence[str] | None = None
    drawn: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True)
class Workplace:
    """Places, settings, packs, models.

    Attributes:
        home: Folder of settings, packs, models and caches.
        models_dirs: Further folders of models, searched first.
        input_dirs: Further folders of pictures, searched first.
        output_dir: Where runs write, and where documents find what earlier ones have written.
    """

    home: Home
    models_dirs: tuple[Path, ...] = ()
    input_dirs: tuple[Path, ...] = ()
    output_dir: Path = Path("output")

    @classmethod
    def at(
        cls,
        home: Path | str | None = None,
        *,
        models_dirs: Iterable[Path | str] = (),
        input_dir: Path | str | None = None,
        output_dir: Path | str = "output",
    ) -> "Workplace":
        """The workplace in a folder; ``$NODEFLOW_HOME`` or ``~/.nodeflow`` by default."""
        place = find_home(os.environ) if home is None else Home(Path(home).absolute())
        inputs = () if input_dir is None else (Path(input_dir),)
        return cls(place, tuple(Path(folder) for folder in models_dirs), inputs, Path(output_dir))

    @cached_property
    def config(self) -> Config:
        """The settings in ``config.toml``."""
        return read_config(self.home)

    @cached_property
    def registry(self) -> Registry:
        """The packs that are installed; reading their manifests imports none of them."""
        return installed_packs(self.home, self.config)

    def renewed(self) -> "Workplace":
        """The workplace as it is now; the very same when neither a pack nor ``config.toml`` has changed."""
        config = read_config(self.home)
        registry = installed_packs(self.home, config, before=self.registry)
        if registry is self.registry and config == self.config:
            return self
        place = replace(self)
        place.__dict__.update(config=config, registry=registry)
        return place

    def elsewhere(self, input_dirs: Iterable[Path], output_dir: Path) -> "Workplace":
        """The same packs and models, with other folders of pictures and another one for what runs write."""
        place = replace(self, input_dirs=tuple(input_dirs), output_dir=output_dir)
        place.__dict__.update({name: getattr(self, name) for name in _OF_ALL})
        return place

    @cached_property
    def models(self) -> ModelFolders:
        """Where model files are."""
        packs = pack_folders(self.registry)
        kinds = self.registry.kinds
        return model_folders(self.home, self.config, models_dirs=self.models_dirs, packs=packs, kinds=kinds)

    @cached_property
    def secrets(self) -> SecretPlaces:
        """Where secrets are."""
        return SecretPlaces(os.environ, self.home.secrets)

    @cached_property
    def workflows(self) -> Mapping[str, Path]:
        """Workflows that come with packs, by name."""
        return shipped_workflows(workflow_folders(pack_folders(self.registry)))

    def load(self, source: Source, *, item: bool | int = False) -> Loaded:
        """Reads a document, once: what it gives may be run many times.

        Args:
            source: Where it is.
            item: True for a picture's own item of its batch alone, a number from 1 for that one, False for all.

        Raises:
            MissingFile: There is no such file or workflow.
            InvalidDocument: It is no document.
            UsageError: There is no such item.
        """
        loaded = load(source, self.registry, self.workflows)
        if item is False:
            return loaded
        return replace(loaded, document=alone(loaded.document, chosen_item(source, item), self.registry))

    def prepare(
        self, source: Source, inputs: Mapping[str, Value] | None = None, targets: Sequence[str] | None = None
    ) -> Prepared:
        """Reads a document, fills it in and checks it; what is wrong is in the result. Nothing is drawn yet.

        Raises:
            MissingFile: The document, or a file given as an input, is not there.
            InvalidDocument: It is no document.
        """
        loaded = load(source, self.registry, self.workflows)
        document, _ = migrate(loaded.document, self.registry)
        given = settings(document, inputs or {}, with_subgraphs(document, self.registry))
        files = replace(self.files(loaded), granted=given.granted)
        resolution = resolve(
            loaded.document,
            self.registry,
            files,
            targets=targets,
            settings=given.values,
            draws=SubmissionSource(files.inputs, self._draws.read),
            stock=self._stock(files),
        )
        if resolution.graph is not None and not resolution.undrawn:
            document = complete(assign(document, given.values, self.registry), self.registry)
        return Prepared(document, resolution, files, given.values, targets)

    def spread(self, loaded: Loaded) -> Spread:
        """Reads the values of a sweep of a document as they are typed."""
        document, _ = migrate(loaded.document, self.registry)
        return Spread(document, with_subgraphs(document, self.registry), self.files(loaded))

    def files(self, loaded: Loaded) -> SessionFiles:
        """Where the files of a document are looked for."""
        beside = () if loaded.folder is None else (loaded.folder,)
        folders = (*self.input_dirs, *beside, self.home.input)
        outputs = InputFiles((self.output_dir, *beside))  # a picture is made again from beside what it was made of
        return SessionFiles(self.models, InputFiles(folders), secrets=self.secrets, outputs=outputs)

    @contextmanager
    def submission(self, prepared: Prepared) -> Generator[Prepared]:
        """A document that runs: its draws are made, and it says which packs and models it is run with.

        At the end counters and last files are kept for the next. Nothing is kept when the document does not fit after
        all, or when an exception ends the block.

        Raises:
            InvalidDocument: With every problem of the document.
            UsageError: It draws from counters or folders, and these cannot be kept.
        """
        prepared.resolution.require()
        with self._draws.turn() as state:
            ready = self._drawn(prepared, SubmissionSource(prepared.files.inputs, state))
            ready.resolution.require()
            yield replace(ready, document=self._pinned(ready.document, ready))

    def foreseen(self, prepared: Prepared) -> Prepared:
        """What a submission would make of a document now; nothing is kept."""
        prepared.resolution.require()
        state = self._draws.read()
        return self._drawn(prepared, SubmissionSource(prepared.files.inputs, lambda: state))

    def _drawn(self, prepared: Prepared, draws: DrawSource) -> Prepared:
        """The document with literals in the places of draws, checked once more."""
        if not prepared.resolution.undrawn:
            return prepared
        given = draw_settings(prepared.settings, self.registry, draws)
        document = assign(prepared.document, {**prepared.settings, **given}, self.registry)
        found = draw_all(document, self.registry, draws)
        resolution = resolve(
            found.document,
            self.registry,
            prepared.files,
            targets=prepared.targets,
            draws=draws,
            stock=self._stock(prepared.files),
        )
        return replace(
            prepared,
            document=complete(found.document, self.registry),
            resolution=resolution,
            settings={},
            drawn={**given, **found.values},
        )

    def save(self, source: Source, path: Path | str) -> Document:
        """Writes a document as it is saved; see ``Session.save``."""
        document = self.saved(source)
        write_document(Path(path), document.dumps())
        return document

    def saved(self, source: Source) -> Document:
        """A document as it is saved: every input is written, and so are the packs and models that it is made with."""
        loaded = self._whole(source)
        return self._pinned(complete(loaded.document, self.registry), self.prepare(loaded))

    def lock(self, source: Source) -> Locked:
        """A document that says exactly which packs and models it needs; nothing else of it is changed or written.

        Raises:
            MissingFile: The document is not there.
            InvalidDocument: It is no document, or has parts that cannot be kept.
        """
        loaded = self._whole(source)
        prepared = self.prepare(loaded)
        document = self._pinned(loaded.document, prepared, exact=True)
        unpinned = tuple(self._unpinned(document, prepared))
        left = self.prepare(replace(loaded, document=document)).resolution.problems
        return Locked(loaded.document, document, unpinned, tuple(item for item in left if item not in unpinned))

    def verify(self, source: Source) -> tuple[Verdict, ...]:
        """Holds the model files that a document pins or uses against its pins, reading every one of them anew.

        Raises:
            MissingFile: The document is not there.
            InvalidDocument: It is no document.
        """
        prepared = self.prepare(source)
        return tuple(verdicts(prepared.document.models, prepared.resolution.models, prepared.files, self.home))

    def _whole(self, source: Source) -> Loaded:
        """A document that can be written without losing anything."""
        loaded = self.load(source)
        loaded.document.dumps()
        return loaded

    def _pinned(self, document: Document, prepared: Prepared, *, exact: bool = False) -> Document:
        """``document`` with pins of what it uses as it was prepared."""
        packs, models = used_packs(prepared.document, self.registry), prepared.resolution.models
        return pinned(document, packs, models, self._stock(prepared.files), exact=exact)

    def _unpinned(self, document: Document, prepared: Prepared) -> Iterator[Problem]:
        """Why packs and models of a locked document are not pinned as they should be."""
        stock = self._stock(prepared.files)
        absent = {shorten(name) for kind, name in prepared.resolution.models if stock.sha256(kind, name) is None}
        for problem in prepared.resolution.problems:
            if problem.code in _PACK_MISSING or (problem.code == "file.missing" and problem.found in absent):
                yield problem
        yield from (problem for problem in PinCheck(document, stock).packs() if problem.severity == "error")

    def _stock(self, files: SessionFiles) -> LocalStock:
        return LocalStock(self.registry, self.home, files)

    @cached_property
    def _draws(self) -> DrawStates:
        return DrawStates(self.home.root / "draws")

    def check(
        self, source: Source, inputs: Mapping[str, Value] | None = None, *, targets: Sequence[str] | None = None
    ) -> tuple[Problem, ...]:
        """Everything that is wrong with a document, found without running any node."""
        return self.prepare(source, inputs, targets).resolution.problems
