"""The user's files as documents see them: by name, contained, with digests."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nodeflow.core.errors import InputError, MissingFile, Problem
from nodeflow.core.mentions import spoken
from nodeflow.core.secrets import SecretFault
from nodeflow.core.spec import Input, Widget
from nodeflow.core.suggest import did_you_mean
from nodeflow.engine.runtime import ResolvedFile
from nodeflow.storage.digests import Digests
from nodeflow.storage.inputs import InputFiles, files_in
from nodeflow.storage.models import ModelFolders
from nodeflow.storage.secrets import SecretPlaces

IMAGE_FOLDER: Final = "image_folder"
"""Kind of widget whose literal names a folder of pictures."""


@dataclass(frozen=True, slots=True)
class SessionFiles:
    """Model folders and input folders behind the one protocol that validation knows.

    Attributes:
        granted: Files that the caller named outright, wherever they are: by kind of model (None for a picture,
            ``IMAGE_FOLDER`` for a folder of pictures) and the name under which the document has them.
        secrets: Where secrets are.
        outputs: Where pictures that runs have written are.
    """

    models: ModelFolders
    inputs: InputFiles
    granted: Mapping[tuple[str | None, str], Path] = field(default_factory=dict[tuple[str | None, str], Path])
    secrets: SecretPlaces | None = None
    outputs: InputFiles = field(default_factory=lambda: InputFiles(()))

    def find(self, folder: str, name: str) -> Path | None:
        """The model file called ``name`` in the folders of one kind."""
        return self.granted.get((folder, name)) or self.models.find(folder, name)

    def meant(self, folder: str, name: str) -> str | None:
        """The full name of the model file that a text names."""
        return self.models.meant(folder, name)

    def unfit(self, folder: str, name: str) -> str | None:
        """Why a model file of that name, though it is there, is not found."""
        return self.models.unfit(folder, name)

    def names(self, folder: str) -> Sequence[str]:
        """The names that ``find`` would find."""
        return self.models.names(folder)

    def folder(self, folder: str) -> Path:
        """Where a missing file of that kind is expected."""
        return self.models.folder(folder)

    def input(self, name: str) -> Path | None:
        """The picture called ``name`` in the input folders."""
        return self.granted.get((None, name)) or self.inputs.find(name)

    def input_folder(self, name: str) -> Path | None:
        """The folder called ``name`` in the input folders."""
        return self.granted.get((IMAGE_FOLDER, name)) or self.inputs.find_folder(name)

    def input_places(self) -> Sequence[Path]:
        """The input folders, in the order in which they are looked through."""
        return self.inputs.folders

    def output(self, name: str) -> Path | None:
        """The picture called ``name`` in the output folder."""
        return self.granted.get((None, name)) or self.outputs.find(name)

    def output_places(self) -> Sequence[Path]:
        """Where such pictures are looked for, in order."""
        return self.outputs.folders

    def secret(self, name: str) -> SecretFault | None:
        """Why the secret called ``name`` cannot be had."""
        return self.secrets.fault(name) if self.secrets is not None else None


@dataclass(frozen=True, slots=True)
class FileDigests:
    """Finds the files of one run and keeps their digests for its record."""

    files: SessionFiles
    memo: Digests
    _models: dict[str, str] = field(default_factory=dict[str, str])
    _inputs: dict[str, str] = field(default_factory=dict[str, str])

    def resolve(self, input: Input, value: str) -> ResolvedFile:
        """The file that a literal names, with the sha256 of its bytes as fingerprint.

        Raises:
            MissingFile: It is gone, or cannot be read.
        """
        if input.widget is not None and input.widget.pattern is not None:
            return self._mentioned(input, input.widget.folder or "", value)
        folder = input.widget.folder if input.widget is not None else None
        whole = input.widget is not None and input.widget.kind == IMAGE_FOLDER
        written = input.widget is not None and input.widget.kind == "output_image"
        path = self.files.output(value) if written else self._found(folder, whole, value)
        what = "folder" if whole else "file"
        if path is None:
            raise _missing(input, value, f"there is no such {what} any more")
        try:
            digest = self._digest_of_folder(path) if whole else self.memo.sha256(path)
        except OSError as error:
            raise _missing(input, value, f"the {what} cannot be read: {error.strerror or error}") from error
        if folder is not None:
            self._models[f"{folder}/{value}"] = digest
        else:
            self._inputs[value] = digest
        return ResolvedFile(str(path.absolute()), digest)

    def fingerprint(self, kind: str) -> str:
        """Changes with the name and the content of every model file of one kind."""
        files = [(name, self.files.find(kind, name)) for name in self.files.names(kind)]
        lines = (f"{self.memo.sha256(path)} {name}\n" for name, path in files if path is not None)
        return _digest(lines)

    def _mentioned(self, input: Input, kind: str, value: str) -> ResolvedFile:
        """The file that a text names."""
        name = self.files.meant(kind, value)
        if name is None:
            way_out = (
                did_you_mean(value, spoken(self.files.names(kind))) or f"put the file into {self.files.folder(kind)}"
            )
            raise InputError(input.name, f"there is no {value} in {kind}; {way_out}")
        return self.resolve(Input(input.name, input.type, widget=Widget("model_file", folder=kind)), name)

    def _found(self, folder: str | None, whole: bool, value: str) -> Path | None:
        if whole:
            return self.files.input_folder(value)
        return self.files.find(folder, value) if folder is not None else self.files.input(value)

    def _digest_of_folder(self, folder: Path) -> str:
        """Changes with every name and every content of a file in it."""
        return _digest(f"{self.memo.sha256(file)} {file.name}\n" for file in files_in(folder))

    @property
    def models(self) -> Mapping[str, str]:
        """Digests of the model files met so far, by folder and name."""
        return dict(sorted(self._models.items()))

    @property
    def inputs(self) -> Mapping[str, str]:
        """Digests of the input files met so far, by name."""
        return dict(sorted(self._inputs.items()))


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _missing(input: Input, value: str, message: str) -> MissingFile:
    return MissingFile([Problem("file.gone", message, input=input.name, found=value)])
