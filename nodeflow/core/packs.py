"""What a pack of nodes says about itself, and what it was found to contain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from nodeflow.core.spec import Spec
from nodeflow.core.types import Socket

BUILT_IN = "nodeflow_nodes"
"""Name of the pack that owns every id without a dot."""


@dataclass(frozen=True, slots=True)
class ModelKind:
    """A kind of model file that a pack reads.

    Attributes:
        name: As ``ModelFile(name)`` has it; also the folder below every root of models, unless ``folder`` is given.
        suffixes: Endings of its files, with the dot; files with another ending are not of this kind. One such as
            ``/model_index.json`` takes the file of that name in every folder, and stands for the folder.
    """

    name: str
    suffixes: tuple[str, ...] = (".safetensors",)
    folder: str = ""
    help: str = ""

    @property
    def place(self) -> str:
        """Its folder below a root of models."""
        return self.folder or self.name

    def takes(self, file: str) -> bool:
        """Whether a file of this name can be of this kind."""
        return file.lower().endswith(tuple(map(str.lower, self.suffixes)))


SettingValue: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that a user may set for a pack in ``config.toml`` under ``[packs.NAME]``; nodes ask ``run.setting``.

    Attributes:
        default: What holds where the user says nothing; its type is the type of the setting.
    """

    name: str
    default: SettingValue
    help: str = ""


@dataclass(frozen=True, slots=True)
class Pack:
    """What a pack says about itself, as ``pack = Pack(...)`` in the module that the entry point names.

    Attributes:
        name: Starts the ids of the pack's nodes.
        modules: Modules with nodes and migrations, relative to the pack's package, with or without a leading dot; each
            fails on its own.
        sockets: Titles, colours and codecs of the pack's own value types.
        extensions: Entries for open tables, as ``{"samplers": {"name": "module:attribute"}}``; a module that starts
            with a dot, or none, is relative to the pack's package.
            The tables are ``samplers``, ``schedulers`` and ``draws``, and those that packs ask for with ``Open``.
        requires: Packs whose modules this pack imports, each a name with or without a version: ``"otherpack>=1.2"``.
        kinds: Kinds of model files that it brings.
        settings: What a user may set for it.
        package: Import name of the pack's package, where it is not ``name``.
    """

    name: str
    version: str
    modules: Sequence[str] = ()
    sockets: Sequence[Socket[Any]] = ()
    extensions: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    requires: Sequence[str] = ()
    kinds: Sequence[ModelKind] = ()
    settings: Sequence[Setting] = ()
    package: str = ""

    @property
    def import_name(self) -> str:
        """Import name of the pack's package."""
        return self.package or self.name


@dataclass(frozen=True, slots=True)
class SocketSpec:
    """What is known of a value type without importing its class; see ``Socket``."""

    name: str
    title: str
    color: str
    codec: str | None = None


@dataclass(frozen=True, slots=True)
class MigrationSpec:
    """Where the function is that takes inputs of ``id`` saved with ``version`` to the next version."""

    id: str
    version: int
    implementation: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is known of a pack without importing it.

    Attributes:
        extensions: As in ``Pack``, with every place absolute.
        imports: Top-level packages of other packs that its modules import, be they required or not.
        problems: Why nodes of the pack are missing, one line each.
    """

    name: str
    version: str = ""
    package: str = ""
    requires: tuple[str, ...] = ()
    specs: tuple[Spec, ...] = ()
    migrations: tuple[MigrationSpec, ...] = ()
    sockets: tuple[SocketSpec, ...] = ()
    extensions: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    kinds: tuple[ModelKind, ...] = ()
    settings: tuple[Setting, ...] = ()
    imports: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
