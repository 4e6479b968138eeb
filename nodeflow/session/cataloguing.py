"""The user's model files with what is known of each, from the index where they have not changed."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from nodeflow.core.json import JsonValue
from nodeflow.diffusion import checkpoints
from nodeflow.diffusion.checkpoints.describe import Description, describe
from nodeflow.storage.digests import CONTENTS
from nodeflow.storage.modelindex import ModelIndex
from nodeflow.storage.models import ModelFile, ModelFolders, Root

_SAFETENSORS: Final = frozenset({".safetensors", ".sft"})
_PICKLED: Final = frozenset({".ckpt", ".pt", ".pth", ".bin"})
_REFUSED: Final = "pickled: such files can run code and are not loaded; nodeflow convert makes a safetensors file of it"
_SIZE: Final = "file_bytes"


@dataclass(frozen=True, slots=True)
class Catalogued:
    """A model file.

    Attributes:
        nbytes: Of the file; of a folder, what its weights take.
        about: What its header tells.
    """

    name: str
    path: Path
    root: Root
    nbytes: int
    about: Description


def catalogue(models: ModelFolders) -> Mapping[str, Sequence[Catalogued]]:
    """All model files by kind, in order."""
    files = {kind: list(models.files(kind)) for kind in models.kinds()}
    index = ModelIndex(models.home.model_index, _version(), _look)
    known = dict(index.about(file.path for group in files.values() for file in group))
    return {kind: [_catalogued(file, known[file.path]) for file in group] for kind, group in files.items()}


def _catalogued(file: ModelFile, about: Mapping[str, JsonValue]) -> Catalogued:
    fields: dict[str, Any] = dict(about)
    size = cast("int", fields.pop(_SIZE))
    fields["triggers"] = tuple(fields.get("triggers", ()))
    return Catalogued(file.name, file.path, file.root, size, Description(**fields))


def _look(path: Path) -> Mapping[str, JsonValue]:
    found = _described(path)
    size = found.nbytes if path.name == CONTENTS else path.stat().st_size
    # Only what is not usual is kept: the index of thousands of files is read at every listing.
    usual = Description()
    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    told = {name: value for name, value in fields.items() if value != getattr(usual, name)}
    return {**told, **({"triggers": list(found.triggers)} if found.triggers else {}), _SIZE: size}


def _described(path: Path) -> Description:
    suffix = path.suffix.lower()
    if suffix in _PICKLED:
        return Description(fault=_REFUSED)
    if suffix not in _SAFETENSORS and path.name != CONTENTS:
        return Description(title=f"a {suffix.removeprefix('.')} file")
    found = describe(path)
    return dataclasses.replace(found, fault=f"damaged: {found.fault}") if found.fault else found


def _version() -> str:
    """Changes with the code that looks into files, so that an upgrade shows what it has learned."""
    digest = hashlib.sha256()
    for place in sorted(Path(folder) for folder in checkpoints.__path__):
        for file in sorted(place.glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
