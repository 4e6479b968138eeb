"""Markers that say how an input is edited and what its literal means, for use inside ``Annotated``."""

import re
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from nodeflow.core.spec import Widget


@runtime_checkable
class Marker(Protocol):
    """Anything inside ``Annotated`` that describes itself as a widget."""

    def widget(self) -> Widget: ...


@dataclass(frozen=True, slots=True)
class Seed:
    """An integer from which randomness is drawn; the editor offers to draw a new one."""

    def widget(self) -> Widget:
        return Widget("seed")


@dataclass(frozen=True, slots=True)
class Batch:
    """A number of pictures that are made together; of such a batch, one can be made alone."""

    def widget(self) -> Widget:
        return Widget("batch")


@dataclass(frozen=True, slots=True)
class Text:
    """A text field of ``lines`` lines, which may name model files in its midst.

    Such files are looked for when a document is checked, and what is in them is part of the key. The node gets the text
    as it is and asks for each file by ``run.model_file``:

        text: Annotated[str, Text(lines=4, kind="embeddings", naming=r"embedding:(\\S+)")]

    Args:
        lines: Height of the field.
        kind: Of the model files that the text may name, such as ``embeddings``.
        naming: A regular expression that finds such names; its first group is the name.

    Raises:
        ValueError: Only one of the two is given, or the expression has no group.
    """

    lines: int = 1
    kind: str | None = None
    naming: str | None = None

    def __post_init__(self) -> None:
        groups = None if self.naming is None else re.compile(self.naming).groups
        if groups == 0 or (groups is None) != (self.kind is None):
            raise ValueError("a text that names files needs their kind, and a pattern whose first group is the name")

    def widget(self) -> Widget:
        return Widget("text", lines=self.lines, folder=self.kind, pattern=self.naming)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file, named relative to the folders of its kind, such as ``checkpoints``; it arrives as a ``Path``."""

    kind: str

    def widget(self) -> Widget:
        return Widget("model_file", folder=self.kind)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A picture of the user's input folders; it arrives as a ``Path``."""

    def widget(self) -> Widget:
        return Widget("image_file")


@dataclass(frozen=True, slots=True)
class OutputImage:
    """A picture that runs have written into the output folder; it arrives as a ``Path``."""

    def widget(self) -> Widget:
        return Widget("output_image")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of any kind in the user's input folders; it arrives as a ``Path``."""

    def widget(self) -> Widget:
        return Widget("input_file")


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """A folder among the user's input folders, or ``.`` for these themselves; it arrives as a ``Path``.

    The names and the content of the files that lie in it are part of the key: a new picture makes a new result.
    """

    def widget(self) -> Widget:
        return Widget("image_folder")


@dataclass(frozen=True, slots=True)
class Secret:
    """The name of a secret; it arrives as the value, which never stands in a document.

    The value is that of the environment's ``NODEFLOW_SECRET_NAME``, else of the file ``secrets/NAME`` in the home. It
    is masked in all that a run tells: failures, warnings, what is shown. What a node *returns* is not touched, so do
    not return it; a result that holds it is never kept on disk.
    """

    def widget(self) -> Widget:
        return Widget("secret")


@dataclass(frozen=True, slots=True)
class Color:
    """A colour, written ``#rrggbb``."""

    def widget(self) -> Widget:
        return Widget("color")


@dataclass(frozen=True, slots=True)
class SubGraph:
    """The name of a sub-graph of the document, for an expander that records it; it arrives as that name."""

    def widget(self) -> Widget:
        return Widget("graph")


@dataclass(frozen=True, slots=True)
class Open:
    """A choice among the names that packs have put into ``table``, such as ``samplers``."""

    table: str
