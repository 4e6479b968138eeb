"""What nodes and models there are."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from nodeflow.protocol.base import Message


class PackFault(Message):
    """Why nodes of a pack are missing."""

    pack: str
    message: str


class NodeList(Message):
    """Every node of every pack, as the packs' own manifests have them."""

    packs: tuple[Mapping[str, Any], ...]
    problems: tuple[PackFault, ...] = ()


class NodeEntry(Message):
    """One node."""

    pack: str
    version: str
    """Of the pack."""
    node: Mapping[str, Any]


class ModelEntry(Message):
    """A model file, by the name that documents give it, with what its header tells."""

    kind: str
    name: str
    bytes: int
    title: str = ""
    family: str = ""
    base: str | None = None
    precision: str = ""
    parameters: int = 0
    prediction: str | None = None
    triggers: tuple[str, ...] = ()
    metadata: Mapping[str, str] = Field(default_factory=dict[str, str])
    fault: str = ""
    """Why it cannot be used."""


class ModelPage(Message):
    """Models by kind and name; ``next`` is the ``after`` of the following part."""

    models: tuple[ModelEntry, ...]
    kinds: Mapping[str, int]
    """How many there are of each kind."""
    next: str | None = None


class ModelQuery(Message):
    """Which models: of one kind, with a text in the name, from behind one on."""

    kind: Annotated[str, Field(max_length=200)] | None = None
    search: Annotated[str, Field(max_length=200)] = ""
    after: Annotated[str, Field(max_length=2000)] = ""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
