"""The places nodeflow keeps things in, and the settings file among them."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from nodeflow.core.errors import UsageError

_SECTIONS = ("models", "cache", "packs", "server")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?|)b?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Home:
    """One folder with everything that belongs to a user."""

    root: Path

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.root / "config.toml"

    @property
    def models(self) -> Path:
        """Model files, by kind: ``models/checkpoints/…``."""
        return self.root / "models"

    @property
    def input(self) -> Path:
        """Pictures that documents load by name."""
        return self.root / "input"

    @property
    def secrets(self) -> Path:
        """Files of secrets, one each, which only their owner may read."""
        return self.root / "secrets"

    @property
    def results(self) -> Path:
        """The disk cache of node results."""
        return self.root / "cache" / "results"

    @property
    def model_index(self) -> Path:
        """What is known of model files."""
        return self.root / "cache" / "models.json"

    @property
    def database(self) -> Path:
        """Jobs, events, documents and tokens of the server."""
        return self.root / "server.db"

    @property
    def output(self) -> Path:
        """Where jobs of the server write."""
        return self.root / "output"

    @property
    def uploads(self) -> Path:
        """Files that clients of the server have sent, a folder for each client."""
        return self.root / "uploads"

    @property
    def trash(self) -> Path:
        """Uploads that were deleted, each below an id that tells when: ``uploads/CLIENT/ID/NAME``."""
        return self.root / "trash"

    @property
    def thumbnails(self) -> Path:
        """Small pictures that were made of large ones."""
        return self.root / "cache" / "thumbnails"

    @property
    def digests(self) -> Path:
        """Digests of files already read."""
        return self.root / "cache" / "digests"


def find_home(environ: Mapping[str, str]) -> Home:
    """``$NODEFLOW_HOME``, else ``~/.nodeflow``; nothing is created."""
    chosen = environ.get("NODEFLOW_HOME")
    return Home(Path(chosen).expanduser().absolute() if chosen else Path.home() / ".nodeflow")


@dataclass(frozen=True, slots=True)
class Config:
    """What ``config.toml`` may say; every field has a default, so the file may be absent.

    Attributes:
        models: Further folders of models, each laid out as ``FOLDER/checkpoints/…``.
        comfyui: ``extra_model_paths.yaml`` files whose folders are used as they are.
        memory: Bytes of results kept in memory.
        disk: Bytes of results kept on disk.
        packs: Settings of packs, by the name of the pack; what they may be only the packs can tell.
        server: Settings of the server, which reads them itself.
    """

    models: tuple[Path, ...] = ()
    comfyui: tuple[Path, ...] = ()
    memory: int = 2 * 2**30
    disk: int = 8 * 2**30
    packs: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])
    server: Mapping[str, object] = field(default_factory=dict[str, object])


def read_config(home: Home) -> Config:
    """Reads the settings file.

    Raises:
        UsageError: It is not TOML, or names a setting that does not exist, or a value has the wrong type.
    """
    try:
        text = home.config.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{home.config}: cannot be read: {error}") from error
    try:
        table = cast("dict[str, object]", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{home.config}: {error}") from error
    return _Reader(home.config).config(table)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the parsed file into a Config, naming the setting in every complaint."""

    file: Path

    def config(self, table: Mapping[str, object]) -> Config:
        self._known(table, _SECTIONS, "")
        models = self._section(table, "models", ("folders", "comfyui"))
        cache = self._section(table, "cache", ("memory", "disk"))
        packs = self._table(table, "packs")
        defaults = Config()
        return Config(
            models=self._paths(models, "models", "folders"),
            comfyui=self._paths(models, "models", "comfyui"),
            memory=self._size(cache, "cache", "memory", defaults.memory),
            disk=self._size(cache, "cache", "disk", defaults.disk),
            packs={name: self._table(packs, name, "packs.") for name in packs},
            server=self._table(table, "server"),
        )

    def _section(self, table: Mapping[str, object], name: str, keys: Sequence[str]) -> Mapping[str, object]:
        values = self._table(table, name)
        self._known(values, keys, f"{name}.")
        return values

    def _table(self, table: Mapping[str, object], name: str, prefix: str = "") -> Mapping[str, object]:
        section = table.get(name, {})
        if not isinstance(section, dict):
            raise UsageError(f"{self.file}: [{prefix}{name}] must be a table, found {section!r}")
        return cast("dict[str, object]", section)

    def _known(self, table: Mapping[str, object], names: Sequence[str], prefix: str) -> None:
        for key in table:
            if key not in names:
                near = difflib.get_close_matches(key, names, 1)
                known = ", ".join(prefix + name for name in names)
                way_out = f"did you mean {prefix}{near[0]}?" if near else f"known: {known}"
                raise UsageError(f"{self.file}: there is no setting {prefix}{key}; {way_out}")

    def _paths(self, section: Mapping[str, object], name: str, key: str) -> tuple[Path, ...]:
        value = section.get(key, [])
        entries = cast("list[object]", value) if isinstance(value, list) else []
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in entries):
            raise UsageError(f"{self.file}: {name}.{key} must be a list of paths, found {value!r}")
        # Relative paths are meant from the settings file, whatever the working folder is.
        return tuple(self.file.parent / Path(os.path.expandvars(str(entry))).expanduser() for entry in entries)

    def _size(self, section: Mapping[str, object], name: str, key: str, default: int) -> int:
        value = section.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise UsageError(f'{self.file}: {name}.{key} must be bytes or a size such as "8 GiB", found {value!r}')
        return int(float(match[1]) * _UNITS[match[2].lower()])
