"""The document: what the editor saves, the shell runs and the HTTP API takes, byte for byte the same.

A :class:`Document` is a typed, frozen view of a JSON tree. The tree keeps whatever the view does not name (the order
of keys, nodes of packs that are not installed, everything in ``ui`` and ``meta``), so that saving what was loaded
changes nothing. An edit makes a new document.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Annotated, Any, Final, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PrivateAttr, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from nodeflow.core.canonical import MAX_SAFE_INTEGER, document_bytes
from nodeflow.core.draws import BuiltInDraw, ForeignDraw
from nodeflow.core.errors import InvalidDocument, Problem
from nodeflow.core.json import JsonValue
from nodeflow.core.reading import LIMITS, Limits, Path, read_json
from nodeflow.core.structure import count_nodes, foreign_problem, is_foreign, structure_problems, without_faults

NODE_ID: Final = r"^[A-Za-z][A-Za-z0-9_-]*$"
SOCKET: Final = r"^[A-Za-z][A-Za-z0-9_-]*\.[A-Za-z_][A-Za-z0-9_]*$"

NodeId = Annotated[str, Field(pattern=NODE_ID)]
SocketName = Annotated[str, Field(pattern=SOCKET)]
Order = Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]
Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Link(_Part):
    """An input that is fed by an output of another node."""

    link: SocketName


class Escaped(_Part):
    """A literal object."""

    value: Any


class _InputValue:
    """Lets any JSON through, because inputs are read against the node's spec; the schema tells the forms there are."""

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return core_schema.any_schema()

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        plain = list[Any] | str | bool | float | None
        forms: TypeAdapter[Any] = TypeAdapter(Link | BuiltInDraw | ForeignDraw | Escaped | plain)
        return handler(forms.core_schema)


Inputs = dict[str, Annotated[JsonValue, _InputValue()]]


class Node(BaseModel):
    """One node.

    Fields that are not listed are kept; they are an error where the pack is installed.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    type: Text
    version: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)] = 1
    mode: Literal["bypass", "mute"] | None = None
    title: str | None = None
    inputs: Inputs = {}


Nodes = Annotated[dict[NodeId, Node], Field(json_schema_extra={"additionalProperties": False})]


class Bounds(_Part):
    """A range within the one that the socket declares."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    multiple_of: Annotated[float, Field(gt=0)] | None = None


class InterfaceInput(_Part):
    """A value that a caller may set by name; it goes to one or several inputs."""

    to: Annotated[list[SocketName], Field(min_length=1)]
    title: str | None = None
    order: Order | None = None
    range: Bounds | None = None


class InterfaceOutput(_Part):
    """A result that a caller gets by name."""

    source: SocketName = Field(alias="from")
    title: str | None = None
    order: Order | None = None


class Interface(_Part):
    """What a document shows to whoever runs it without looking inside."""

    inputs: dict[Text, InterfaceInput] = {}
    outputs: dict[Text, InterfaceOutput] = {}


class Definition(_Part):
    """A sub-graph, used as the node type ``graph:NAME``."""

    nodes: Nodes
    interface: Interface = Interface()
    title: str | None = None
    meta: dict[str, Any] = {}
    ui: dict[str, Any] = {}


class PackPin(_Part):
    """The pack that a document was made with."""

    version: str | None = None
    sha256: str | None = None


class ModelPin(_Part):
    """The model file that a document was made with."""

    sha256: str


class Document(BaseModel):
    """A workflow.

    Attributes:
        nodeflow: Version of the format.
        meta: Title, author, licence: kept and never read.
        graphs: Sub-graphs by name.
        packs: Packs it was made with.
        models: Model files it was made with.
        ui: Where things are and how they look: kept, and nothing in it changes what runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    nodeflow: Literal[1]
    meta: dict[str, Any] = {}
    nodes: Nodes
    graphs: dict[NodeId, Definition] = {}
    interface: Interface = Interface()
    packs: dict[Text, PackPin] = {}
    models: dict[Text, ModelPin] = {}
    ui: dict[str, Any] = {}

    _tree: dict[str, JsonValue] | None = PrivateAttr(default=None)
    _faults: tuple[Problem, ...] = PrivateAttr(default=())
    _broken: tuple[str, ...] = PrivateAttr(default=())
    _lost_graphs: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def from_tree(cls, tree: JsonValue, *, keep_going: bool = False) -> Self:
        """The document that a JSON tree describes; the tree is kept and must not be changed afterwards.

        Args:
            tree: The document as JSON.
            keep_going: Leave out the parts that are not of the schema and remember why, so that ``resolve`` reports
                them together with whatever else is wrong.

        Raises:
            InvalidDocument: With every field that is missing, unknown or of the wrong type.
        """
        if not isinstance(tree, dict) or is_foreign(tree):
            raise InvalidDocument([foreign_problem(tree)])
        try:
            document = cls.model_validate(tree)
        except ValidationError as error:
            problems = tuple(structure_problems(error, tree, fields_at))
            if not keep_going or not isinstance(tree.get("nodes"), dict):
                raise InvalidDocument(problems) from None
            return cls._mended(tree, error, problems)
        document._tree = tree
        return document

    @classmethod
    def _mended(cls, tree: dict[str, JsonValue], error: ValidationError, faults: tuple[Problem, ...]) -> Self:
        mended, broken, lost_graphs = without_faults(tree, error)
        document = cls.from_tree(mended)
        document._faults = faults
        document._broken = broken
        document._lost_graphs = lost_graphs
        return document

    @property
    def faults(self) -> tuple[Problem, ...]:
        """What was left out of the tree, and why."""
        return self._faults

    @property
    def ids(self) -> Set[str]:
        """All node ids, also those of nodes that were left out."""
        return dict.fromkeys([*self.nodes, *self._broken]).keys() if self._broken else self.nodes.keys()

    @property
    def lost_graphs(self) -> Sequence[str]:
        """Names of the sub-graphs that were left out."""
        return self._lost_graphs

    @property
    def tree(self) -> dict[str, JsonValue]:
        """The document as JSON; not to be changed."""
        if self._tree is None:
            self._tree = self.model_dump(by_alias=True, exclude_unset=True)
        return self._tree

    def with_tree(self, tree: dict[str, JsonValue]) -> "Document":
        """The same document after an edit, which still knows what was left out when it was read."""
        document = Document.from_tree(tree)
        document._faults, document._broken, document._lost_graphs = self._faults, self._broken, self._lost_graphs
        return document

    def with_nodes(self, changed: Mapping[str, Mapping[str, JsonValue]]) -> "Document":
        """A document in which some fields of some nodes are other ones."""
        nodes = cast(dict[str, JsonValue], self.tree["nodes"])
        renewed = {
            id: {**cast(dict[str, JsonValue], node), **changed[id]} if id in changed else node
            for id, node in nodes.items()
        }
        return self.with_tree({**self.tree, "nodes": cast(JsonValue, renewed)})

    def with_inputs(self, values: Mapping[str, Mapping[str, JsonValue]]) -> "Document":
        """A document in which some inputs of some nodes are other ones."""
        return self.with_nodes({id: {"inputs": {**self.nodes[id].inputs, **inputs}} for id, inputs in values.items()})

    def dumps(self) -> bytes:
        """The bytes to save: canonical, and equal to what was loaded when that was canonical.

        Raises:
            InvalidDocument: Parts were left out when it was read, and saving it would lose them.
        """
        if self._faults:
            raise InvalidDocument(self._faults)
        return document_bytes(self.tree)


def parse_document(data: bytes | str, limits: Limits = LIMITS, *, keep_going: bool = False) -> Document:
    """Read a document.

    Args:
        data: JSON text.
        limits: What it may not exceed.
        keep_going: See ``Document.from_tree``.

    Raises:
        InvalidDocument: Not JSON, over a limit, or not of the schema; all problems at once.
    """
    tree = read_json(data, limits)
    count = count_nodes(tree)
    if count > limits.nodes:
        problem = Problem(
            "limit.nodes", "the document is too large", found=f"{count:,} nodes", expected=f"at most {limits.nodes:,}"
        )
        raise InvalidDocument([problem])
    return Document.from_tree(tree, keep_going=keep_going)


def fed_inputs(graph: Document | Definition) -> dict[str, dict[str, str]]:
    """The inputs that the interface feeds: node id to input to the name under which a caller sets it."""
    fed: dict[str, dict[str, str]] = {}
    for name, declared in graph.interface.inputs.items():
        for socket in declared.to:
            node, _, input = socket.partition(".")
            fed.setdefault(node, {})[input] = name
    return fed


def fields_at(path: Path) -> tuple[str, ...]:
    """The fields that the object at ``path`` of a document may have."""
    match path:
        case ("graphs", _, *inner) if inner:
            return fields_at(tuple(inner))
        case ("graphs", _):
            model: type[BaseModel] = Definition
        case ("interface",):
            model = Interface
        case ("interface", "inputs", _):
            model = InterfaceInput
        case ("interface", "inputs", _, "range"):
            model = Bounds
        case ("interface", "outputs", _):
            model = InterfaceOutput
        case ("packs", _):
            model = PackPin
        case ("models", _):
            model = ModelPin
        case _:
            model = Document
    return tuple(info.alias or name for name, info in model.model_fields.items())
