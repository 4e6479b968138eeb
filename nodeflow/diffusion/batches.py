"""Rows of a batch: which picture of which batch each row is, and checks that values share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodeflow.diffusion.errors import ValueRuleError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """Which picture of which batch a row is: item 2 of 8 gets the noise that row 2 of eight gets, also when alone."""

    index: int
    batch_size: int


def fresh_items(rows: int) -> tuple[Item, ...]:
    """Numbers the rows of a new batch."""
    return tuple(Item(index, rows) for index in range(rows))


def checked_items(items: Iterable[Item], rows: int, what: str) -> tuple[Item, ...]:
    """Returns the items, or fresh ones where there are none.

    Raises:
        ValueRuleError: There is not one item per row, or an index lies outside its batch.
    """
    known = tuple(items)
    if not known:
        return fresh_items(rows)
    if len(known) != rows:
        raise ValueRuleError(f"{what}: {len(known)} batch items for {rows} rows; there must be one per row")
    for item in known:
        if not 0 <= item.index < item.batch_size:
            raise ValueRuleError(f"{what}: item {item.index} does not exist in a batch of {item.batch_size}")
    return known


def joined_items(groups: Iterable[tuple[Item, ...]]) -> tuple[Item, ...]:
    """Items of concatenated batches: kept where they are different items of one batch, else numbered anew."""
    items = tuple(item for group in groups for item in group)
    one_batch = len({item.batch_size for item in items}) == 1
    return items if one_batch and len(set(items)) == len(items) else fresh_items(len(items))


def rows_of(rows: Iterable[int], count: int, what: str) -> list[int]:
    """Checks row numbers against a batch of `count` rows.

    Raises:
        ValueRuleError: No row is asked for, or one that does not exist.
    """
    chosen = list(rows)
    if not chosen:
        raise ValueRuleError(f"{what}: at least one row must be chosen")
    for row in chosen:
        if not 0 <= row < count:
            raise ValueRuleError(f"{what}: there is no row {row}; the batch has rows 0 to {count - 1}")
    return chosen


def require_shape(tensor: "torch.Tensor", layout: str, what: str) -> None:
    """Checks that `tensor` has as many dimensions as `layout` names and none of them is empty.

    Raises:
        ValueRuleError: It is no tensor, or of another shape.
    """
    import torch

    if not isinstance(tensor, torch.Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueRuleError(f"{what}: a torch tensor [{layout}] is expected, found {type(tensor).__name__}")
    if tensor.ndim != len(layout.split(",")) or 0 in tensor.shape:
        raise ValueRuleError(f"{what}: shape [{layout}] is expected, found {list(tensor.shape)}")


def require_unit_range(tensor: "torch.Tensor", what: str) -> None:
    """Checks for float32 numbers from 0 to 1.

    Raises:
        ValueRuleError: Another dtype, or a number that is not finite or out of range.
    """
    import torch

    if tensor.dtype != torch.float32:
        raise ValueRuleError(f"{what}: float32 is expected, found {dtype_name(tensor.dtype)}")
    low, high = (float(bound) for bound in torch.aminmax(tensor))
    if not (low >= 0.0 and high <= 1.0):  # written so that NaN fails too
        raise ValueRuleError(f"{what}: values must lie in 0..1, found {low:g} to {high:g}")


def require_finite(tensor: "torch.Tensor", what: str) -> None:
    """Checks for floating-point numbers without NaN and infinity.

    Raises:
        ValueRuleError: An integer dtype, or a number that is not finite.
    """
    import torch

    if not tensor.is_floating_point():
        raise ValueRuleError(f"{what}: floating point is expected, found {dtype_name(tensor.dtype)}")
    if not bool(torch.isfinite(tensor).all()):
        raise ValueRuleError(f"{what}: the values contain NaN or infinity")


def require_equal_sizes(shapes: Sequence[tuple[int, ...]], what: str) -> None:
    """Checks that batches to be joined agree in everything but their number of rows.

    Raises:
        ValueRuleError: They do not; the first two different shapes are named.
    """
    for shape in shapes[1:]:
        if shape[1:] != shapes[0][1:]:
            raise ValueRuleError(f"{what}: only equal sizes can be joined, found {list(shapes[0])} and {list(shape)}")


def dtype_name(dtype: "torch.dtype") -> str:
    """Gives the short name of a dtype, such as "float32"."""
    return str(dtype).removeprefix("torch.")
