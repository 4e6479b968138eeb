"""Reading an existing ComfyUI's ``extra_model_paths.yaml``, so that its models need not be copied."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from nodeflow.core.errors import UsageError

_RENAMED = {"unet": "diffusion_models", "clip": "text_encoders"}
"""Kinds that ComfyUI itself renamed; its old files still say these."""
_NOT_MODELS = frozenset({"base_path", "is_default", "custom_nodes"})
MAX_BYTES = 1 << 20


def read_model_paths(file: Path) -> Mapping[str, tuple[Path, ...]]:
    """The model folders by kind, in the order in which they are searched.

    Sections marked ``is_default`` come first, as in ComfyUI. Relative folders start at the section's ``base_path``,
    else at the folder of the file.

    Raises:
        UsageError: The file is missing, or is not such a file.
    """
    sections = _sections(file)
    ordered = sorted(sections, key=lambda name: sections[name].get("is_default") is not True)
    folders: dict[str, tuple[Path, ...]] = {}
    for name in ordered:
        for kind, paths in _section(file, name, sections[name]).items():
            folders[kind] = folders.get(kind, ()) + paths
    return folders


def _sections(file: Path) -> Mapping[str, Mapping[object, object]]:
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from error
    if len(text) > MAX_BYTES:
        raise UsageError(f"{file}: is larger than {MAX_BYTES} bytes, so it is no list of model folders")
    import yaml  # most homes name no such file, and checking a document should be quick

    try:
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{file}: is not YAML: {error}") from error
    if loaded is None:
        return {}
    table = cast("dict[object, object]", loaded) if isinstance(loaded, dict) else {}
    if not isinstance(loaded, dict) or not all(value is None or isinstance(value, dict) for value in table.values()):
        raise UsageError(f"{file}: expected sections of model kinds and their folders, as ComfyUI writes them")
    return {str(name): cast("dict[object, object]", value or {}) for name, value in table.items()}


def _section(file: Path, name: str, section: Mapping[object, object]) -> Mapping[str, tuple[Path, ...]]:
    base = _folder(file.parent, str(section["base_path"])) if section.get("base_path") else file.parent
    folders: dict[str, tuple[Path, ...]] = {}
    for key, value in section.items():
        if key in _NOT_MODELS or value is None:
            continue
        if not isinstance(value, str):
            raise UsageError(f"{file}: {name}.{key}: expected folders as text, found {value!r}")
        kind = _RENAMED.get(str(key), str(key))
        lines = [line.strip() for line in value.splitlines() if line.strip()]
        folders[kind] = folders.get(kind, ()) + tuple(_folder(base, line) for line in lines)
    return folders


def _folder(base: Path, text: str) -> Path:
    return base / Path(os.path.expandvars(text)).expanduser()
