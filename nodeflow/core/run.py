"""What a node may ask of the run it is part of: progress, warnings, device, outputs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from nodeflow.core.errors import InputError

T = TypeVar("T")


class Run(Protocol):
    """Handed to every node that declares ``*, run: Run = quiet``; the engine fills it in.

    Attributes:
        device: Where tensors live, such as ``cpu`` or ``cuda:0``.
        dtype: ``fp32``, ``bf16`` or ``auto``.
        token: Stable per job, node and item, so that a retry of an outside call is recognised.
    """

    @property
    def device(self) -> str: ...

    @property
    def dtype(self) -> str: ...

    @property
    def token(self) -> str: ...

    def track(
        self, steps: Iterable[T], *, total: int | None = None, preview: Callable[[T], object] | None = None
    ) -> Iterator[T]:
        """Pass ``steps`` on one by one, reporting each; cancellation is raised between two steps."""
        ...

    def warn(self, message: str) -> None:
        """Say something that is shown on the node and kept in the record; an error with ``--strict``."""
        ...

    def show(self, value: object) -> None:
        """Show a text, a number or a picture on the node."""
        ...

    def save(self, prefix: str, suffix: str, data: bytes | Iterable[bytes]) -> str:
        """Write ``data`` as ``PREFIX_00001.SUFFIX`` into the output folder and return the path.

        The file appears whole or not at all and never replaces another. ``prefix`` may name sub-folders but not
        leave the output folder. ``suffix`` has no dot. What is large comes in pieces, which are written one by one.
        """
        ...

    def provenance(self, item: tuple[int, int] | None = None) -> Mapping[str, str]:
        """Text chunks to embed into a file: the document and the record of this run; empty when switched off.

        Args:
            item: Index and batch size of the picture, so that it can be made again alone.
        """
        ...

    def extensions(self, table: str) -> Mapping[str, object]:
        """What packs have added to an open table such as ``samplers``, by name."""
        ...

    def model_file(self, kind: str, name: str) -> Path:
        """The model file that a text of this node names; suffix and sub-folder may be left out.

        Only for a kind that one of its inputs declares, ``Text(kind="embeddings", naming=...)``: what is in the file
        is then part of the key.

        Raises:
            InputError: There is no such file.
            TypeError: No input declares the kind.
        """
        ...

    def setting(self, name: str) -> str | int | float | bool:
        """A setting of the node's own pack, as ``Pack.settings`` declares it; KeyError when it declares none such."""
        ...


class Quiet:
    """The run outside any graph: nothing is reported and nothing is written, so that a node's test is a call."""

    device = "cpu"
    dtype = "auto"
    token = ""

    def track(
        self, steps: Iterable[T], *, total: int | None = None, preview: Callable[[T], object] | None = None
    ) -> Iterator[T]:
        return iter(steps)

    def warn(self, message: str) -> None:
        return None

    def show(self, value: object) -> None:
        return None

    def save(self, prefix: str, suffix: str, data: bytes | Iterable[bytes]) -> str:
        return f"{prefix}_00001.{suffix}"

    def provenance(self, item: tuple[int, int] | None = None) -> Mapping[str, str]:
        return {}

    def extensions(self, table: str) -> Mapping[str, object]:
        return {}

    def model_file(self, kind: str, name: str) -> Path:
        raise InputError(kind, f"{name} is not found: outside a graph no model folders are known")

    def setting(self, name: str) -> str | int | float | bool:
        raise KeyError(name)


quiet: Run = Quiet()
"""Default of every ``run`` parameter."""
