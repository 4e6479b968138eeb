"""Where the numbers of a network come from: its file, memory, or a formula over other weights.

A network holds its weights rounded to the precision it computes in. What is computed from weights (a merge, a LoRA)
starts from the numbers of the file, goes on in float32 through any number of formulas, and is rounded once.
"""

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

import torch
from torch import Tensor

T = TypeVar("T")


class Files:
    """Model files that are held open while weights are read from them.

    Args:
        device: Where the numbers are wanted.
    """

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self._stack = ExitStack()
        self._open: dict[Hashable, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.clear()
        self._stack.close()

    def opened(self, key: Hashable, opening: Callable[[], AbstractContextManager[T]]) -> T:
        """What `opening` gives, which is called once for all weights with this key and closed at the end."""
        if key not in self._open:
            self._open[key] = self._stack.enter_context(opening())
        return cast("T", self._open[key])


class Weight(Protocol):
    """The numbers of one weight, whatever precision a network keeps them in."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As the network has it."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """In which it is kept in a file."""
        ...

    def stored(self, files: Files) -> Tensor:
        """The numbers as a file keeps them: equal to the byte where nothing has changed them."""
        ...

    def unrounded(self, files: Files) -> Tensor:
        """The numbers in float32, as computed; not to be written to."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class HeldWeight:
    """A weight that is in no file."""

    tensor: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return tuple(self.tensor.shape)

    @property
    def dtype(self) -> torch.dtype:
        """Of the tensor."""
        return self.tensor.dtype

    def stored(self, files: Files) -> Tensor:
        """The tensor; see `Weight`."""
        return self.tensor.detach().to(files.device)

    def unrounded(self, files: Files) -> Tensor:
        """The tensor as float32; see `Weight`."""
        return self.stored(files).float()


@dataclass(frozen=True, slots=True, eq=False)
class ComputedWeight:
    """A weight by a formula over others; shape and dtype are the first one's.

    Attributes:
        inputs: What the formula takes, at least one.
        formula: Takes them in float32 on one device and gives a new float32 tensor of the first one's shape.
    """

    inputs: tuple[Weight, ...]
    formula: Callable[..., Tensor]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the first input."""
        return self.inputs[0].shape

    @property
    def dtype(self) -> torch.dtype:
        """Of the first input."""
        return self.inputs[0].dtype

    def stored(self, files: Files) -> Tensor:
        """Computes it and rounds once; see `Weight`."""
        return self.unrounded(files).to(self.dtype)

    def unrounded(self, files: Files) -> Tensor:
        """Computes it; see `Weight`."""
        return self.formula(*(weight.unrounded(files) for weight in self.inputs))
