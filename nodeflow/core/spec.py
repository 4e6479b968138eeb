"""The description of a node as plain data, independent of how it was made."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from nodeflow.core.json import AsIs, JsonValue
from nodeflow.core.types import Type


class Kind(StrEnum):
    """How the result of a node may be remembered."""

    PURE = "pure"
    """Same inputs, same outputs: cached."""
    EFFECT = "effect"
    """Saves or shows: never cached, always runs, a root of the run."""
    EXTERNAL = "external"
    """Depends on the outside world: remembered only within a declared age."""


class Scope(StrEnum):
    """How far a result of an external node is remembered, within its age."""

    RUN = "run"
    """Until the run ends: the same call is made once."""
    SESSION = "session"
    """In the memory of the process."""
    HOME = "home"
    """On disk, for every later process."""


class Form(StrEnum):
    """How a node computes."""

    SYNC = "sync"
    ASYNC = "async"
    EXPANDER = "expander"


class Lane(StrEnum):
    """Which thread runs a synchronous node."""

    DEVICE = "device"
    """The one thread that owns the device."""
    CPU = "cpu"
    """A pool for work that needs no device."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number or of a length; None means open."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Widget:
    """How an input is edited, and what its literal means.

    Attributes:
        kind: ``seed``, ``batch``, ``text``, ``model_file``, ``image_file``, ``input_file``, ``output_image``,
            ``image_folder``, ``secret``, ``color``, ``graph``; plain inputs have none.
        lines: Height of a text field.
        folder: Kind of model for ``model_file``, such as ``checkpoints``, or of the files that a text may name.
        pattern: How a ``text`` names such files; the first group is the name. None when it names none.
    """

    kind: str
    lines: int | None = None
    folder: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a node.

    Attributes:
        required: Must be linked or set; otherwise ``default`` applies.
        choices: The values allowed, for a closed choice.
        open_choices: Name of the table that packs extend, for an open choice.
        lazy: Computed only when the node awaits it; in an expander, handed over as a reference to record with.
        fields: Of each row, where the input is a list of rows; the item type of ``type`` names the row's class.
    """

    name: str
    type: Type
    required: bool = True
    default: Annotated[JsonValue, AsIs()] = None
    range: Range | None = None
    choices: tuple[Annotated[JsonValue, AsIs()], ...] | None = None
    open_choices: str | None = None
    widget: Widget | None = None
    lazy: bool = False
    fields: "tuple[Input, ...]" = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a node; links name it."""

    name: str
    type: Type
    help: str = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """All that is known of a node type without importing the code that computes it.

    Attributes:
        version: Counts changes of the saved inputs and outputs only.
        takes_run: The function declares ``*, run: Run = quiet``.
        checks: The function has cross-input checks for literal values.
        multiple: The result is a NamedTuple whose fields are the outputs.
        implementation: ``module:qualname``, imported at first use; empty for specs made at run time.
        pack: Name of the pack the node belongs to.
        scope: How far an external node's result is remembered.
        age: For how many seconds it is remembered there; at 0 the node runs again each time it is asked for.
        concurrency: How many calls of an async node may be under way at once when it is mapped over a list.
        converts: Offered where a link does not fit: the one required input is the source, the one output the target.
    """

    id: str
    version: int = 1
    category: str = ""
    title: str = ""
    help: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    kind: Kind = Kind.PURE
    form: Form = Form.SYNC
    lane: Lane = Lane.DEVICE
    takes_run: bool = False
    checks: bool = False
    multiple: bool = False
    implementation: str = ""
    pack: str = ""
    scope: Scope = Scope.RUN
    age: float = 0.0
    concurrency: int = 1
    converts: bool = False
    input_names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_names", frozenset(item.name for item in self.inputs))

    def input(self, name: str) -> Input | None:
        """The input called ``name``, or None."""
        return next((item for item in self.inputs if item.name == name), None)

    def output(self, name: str) -> Output | None:
        """The output called ``name``, or None."""
        return next((item for item in self.outputs if item.name == name), None)
