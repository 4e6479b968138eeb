"""What is installed and where the user's things are: all that checking a document needs, without engine and torch."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nodeflow.core.errors import Problem
from nodeflow.core.interface import assign
from nodeflow.core.manifest import load_registry
from nodeflow.core.registry import Registry
from nodeflow.core.upgrade import migrate
from nodeflow.core.validate import Resolution, resolve
from nodeflow.core.workflow import Document
from nodeflow.session.embedding import written_out
from nodeflow.session.files import SessionFiles
from nodeflow.session.sources import Source, Value, load, pack_folders, settings, workflow_folders
from nodeflow.storage.documents import shipped_workflows
from nodeflow.storage.home import Config, Home, find_home, read_config
from nodeflow.storage.inputs import InputFiles
from nodeflow.storage.models import ModelFolders, model_folders


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that was read and checked.

    Attributes:
        document: With every input written out, if nothing is wrong.
        resolution: The graph, and what is wrong.
        files: Where its files are.
    """

    document: Document
    resolution: Resolution
    files: SessionFiles


@dataclass(frozen=True)
class Workplace:
    """Places, settings, packs, models.

    Attributes:
        home: Folder of settings, packs, models and caches.
        models_dirs: Further folders of models, searched first.
        input_dirs: Further folders of pictures, searched first.
    """

    home: Home
    models_dirs: tuple[Path, ...] = ()
    input_dirs: tuple[Path, ...] = ()

    @classmethod
    def at(
        cls,
        home: Path | str | None = None,
        *,
        models_dirs: Iterable[Path | str] = (),
        input_dir: Path | str | None = None,
    ) -> "Workplace":
        """The workplace in a folder; ``$NODEFLOW_HOME`` or ``~/.nodeflow`` by default."""
        place = find_home(os.environ) if home is None else Home(Path(home).absolute())
        inputs = () if input_dir is None else (Path(input_dir),)
        return cls(place, tuple(Path(folder) for folder in models_dirs), inputs)

    @cached_property
    def config(self) -> Config:
        """The settings in ``config.toml``."""
        return read_config(self.home)

    @cached_property
    def registry(self) -> Registry:
        """The packs that are installed; reading their manifests imports none of them."""
        return load_registry(self.home.root)

    @cached_property
    def models(self) -> ModelFolders:
        """Where model files are."""
        packs = pack_folders(self.registry)
        return model_folders(self.home, self.config, models_dirs=self.models_dirs, packs=packs)

    @cached_property
    def workflows(self) -> Mapping[str, Path]:
        """Workflows that come with packs, by name."""
        return shipped_workflows(workflow_folders(pack_folders(self.registry)))

    def document(self, source: Source) -> Document:
        """Reads a document.

        Raises:
            MissingFile: There is no such file or workflow.
            InvalidDocument: It is no document.
        """
        return load(source, self.registry, self.workflows).document

    def prepare(
        self, source: Source, inputs: Mapping[str, Value] | None = None, targets: Sequence[str] | None = None
    ) -> Prepared:
        """Reads a document, fills it in and checks it; what is wrong is in the result.

        Raises:
            MissingFile: The document, or a file given as an input, is not there.
            InvalidDocument: It is no document.
        """
        loaded = load(source, self.registry, self.workflows)
        document, _ = migrate(loaded.document, self.registry)
        given = settings(document, inputs or {}, self.registry)
        beside = () if loaded.folder is None else (loaded.folder,)
        folders = (*self.input_dirs, *beside, self.home.input)
        files = SessionFiles(self.models, InputFiles(folders), given.granted)
        resolution = resolve(loaded.document, self.registry, files, targets=targets, settings=given.values)
        if resolution.graph is not None:
            document = written_out(assign(document, given.values, self.registry), resolution.graph)
        return Prepared(document, resolution, files)

    def check(
        self, source: Source, inputs: Mapping[str, Value] | None = None, *, targets: Sequence[str] | None = None
    ) -> tuple[Problem, ...]:
        """Everything that is wrong with a document, found without running any node."""
        return self.prepare(source, inputs, targets).resolution.problems
