"""What a run gives back: values by the names of the document's interface, and the files they are in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from nodeflow.core.errors import NodeFailed, UsageError
from nodeflow.core.json import JsonValue
from nodeflow.diffusion.types import Image, Latent, Mask

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image as Picture


@dataclass(frozen=True, slots=True)
class Output:
    """One named result.

    Attributes:
        name: Name in the document's interface, or ``node.output`` for a target chosen at run time.
        type: Name of the socket type.
        value: What the node returned.
        paths: Files it was written to, by the run or by a node that saves it.
    """

    name: str
    type: str
    value: object
    paths: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """The first file.

        Raises:
            UsageError: It is in no file.
        """
        if not self.paths:
            raise UsageError(f"{self.name}: this {self.type} was not written to a file")
        return self.paths[0]

    def pil(self) -> "Picture":
        """The first picture, for Pillow.

        Raises:
            UsageError: It is not a picture.
        """
        return self.pictures()[0]

    def pictures(self) -> "Sequence[Picture]":
        """All pictures of the batch, for Pillow; their bytes are those of the files.

        Raises:
            UsageError: It is not a picture.
        """
        from PIL.Image import fromarray

        from nodeflow.diffusion.images import to_uint8

        images = [image_of(value) for value in self._values()]
        if not images or not all(images):
            raise UsageError(f"{self.name}: a picture was asked for, but this is of type {self.type}")
        return [fromarray(pixels) for image in images if image is not None for pixels in to_uint8(image)]

    def tensor(self) -> "torch.Tensor":
        """The tensor inside: pixels of an Image, values of a Mask, samples of a Latent. Do not write into it.

        Raises:
            UsageError: There is none, or there are several.
        """
        match self.value:
            case Image():
                return self.value.pixels
            case Mask():
                return self.value.values
            case Latent():
                return self.value.samples
            case _:
                raise UsageError(f"{self.name}: a single tensor was asked for, but this is of type {self.type}")

    def json(self) -> JsonValue:
        """The value where it is a text, a number, a boolean, or a list of such; None for everything else."""
        return plain(self.value)

    def _repr_png_(self) -> bytes | None:
        """The first picture, for a notebook to show."""
        from io import BytesIO

        if not any(image_of(value) for value in self._values()):
            return None
        stream = BytesIO()
        self.pil().save(stream, "PNG")
        return stream.getvalue()

    def _values(self) -> Sequence[object]:
        return cast("Sequence[object]", self.value) if isinstance(self.value, (list, tuple)) else (self.value,)


@dataclass(frozen=True, slots=True)
class NodeReport:
    """How one node ended: ``ran``, ``hit-memory``, ``hit-disk``, ``skipped``, ``failed``; and how long it took.

    Attributes:
        reason: What held it, or what it gives on, back; empty when nothing did.
    """

    status: str
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Result(Mapping[str, Output]):
    """Everything a run gave; a mapping of its outputs by name.

    Attributes:
        outputs: By interface name, as far as they were computed.
        saved: Files written, by the id of the node that wrote them.
        shown: What nodes showed, by node id.
        withheld: For results that a node held back, or items of them, the reason.
        nodes: Status and time of every node.
        warnings: Pairs of node id and message.
        failures: What failed; empty when all went well.
        cancelled: The run was stopped before its end.
        unchanged: Those of the files that were there already, to the last byte.
        document: The bytes that ran, inputs filled in, literals in the places of draws.
        drawn: What draws gave, by ``node.input``, or by the name under which a draw was given.
    """

    outputs: Mapping[str, Output]
    saved: Mapping[str, Sequence[Path]] = field(default_factory=dict[str, Sequence[Path]])
    shown: Mapping[str, Sequence[object]] = field(default_factory=dict[str, Sequence[object]])
    nodes: Mapping[str, NodeReport] = field(default_factory=dict[str, NodeReport])
    warnings: tuple[tuple[str, str], ...] = ()
    failures: tuple[NodeFailed, ...] = ()
    cancelled: bool = False
    unchanged: frozenset[Path] = frozenset()
    document: bytes = b""
    drawn: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    withheld: Mapping[str, str] = field(default_factory=dict[str, str])

    def __getitem__(self, name: str) -> Output:
        return self.outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)


def plain(value: object) -> JsonValue:
    """A text, a number, a boolean, or a list or table of such as JSON has it; None for everything else."""
    match value:
        case None | str() | bool() | int() | float():
            return value
        case list() | tuple():
            members = [plain(member) for member in cast("Sequence[object]", value)]
            return None if None in members else members
        case dict():
            table = {str(name): plain(entry) for name, entry in cast("dict[object, object]", value).items()}
            return None if None in table.values() else table
        case _:
            return None


def described(value: object) -> str | None:
    """A value for people: a text as it is, a picture by its size; None for what has no form that says anything."""
    image = image_of(value)
    if image is not None:
        count = f"{len(image)} pictures" if len(image) > 1 else "a picture"
        return f"{count} of {image.width} x {image.height}"
    if isinstance(value, str):
        return value
    known = plain(value)
    return None if known is None else json.dumps(known, ensure_ascii=False)


def image_of(value: object) -> Image | None:
    """A picture of a value: an Image itself, a Mask in grey, None for anything else."""
    match value:
        case Image():
            return value
        case Mask():
            return value.as_image()
        case _:
            return None
