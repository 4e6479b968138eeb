"""A node that is given lists where it takes single values: which calls are made, and how results become lists."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

Arguments: TypeAlias = dict[str, object]
Outputs: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a mapped node.

    Attributes:
        path: Place of the call at each list level, outermost first.
    """

    path: tuple[int, ...]
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Calls:
    """All calls of a mapped node, as a tree whose leaves are calls.

    Attributes:
        uneven: Names of inputs whose list was shorter than another, so that its last item was repeated.
    """

    tree: "list[Tree]"
    uneven: tuple[str, ...]

    def __iter__(self) -> Iterator[Call]:
        return _leaves(self.tree)

    @property
    def complaint(self) -> str:
        """What to say of uneven lists."""
        return f"lists of different lengths: {', '.join(self.uneven)} repeats its last item"

    def fold(self, results: Sequence[Outputs], count: int) -> Outputs:
        """Turn the outputs of all calls, in order, into one nested list per output."""
        return tuple(_fold(self.tree, iter([result[place] for result in results])) for place in range(count))


Tree: TypeAlias = "Call | list[Tree]"


def spread(arguments: Arguments, depths: Mapping[str, int], depth: int) -> Calls:
    """Plan the calls of a node that is mapped over ``depth`` list levels.

    A list of one item, or a shorter one, repeats its last item; an empty list makes no call at all.

    Args:
        depths: For every input fed by a list, over how many levels it is spread.
    """
    uneven: set[str] = set()

    def level(at: int, arguments: Arguments, path: tuple[int, ...]) -> "Tree":
        if at > depth:
            return Call(path, arguments)
        lists = _lists(arguments, depths, at)
        count = max(map(len, lists.values()), default=1) if all(lists.values()) else 0
        uneven.update(name for name, items in lists.items() if 1 < len(items) < count)
        return [level(at + 1, arguments | _items(lists, place), (*path, place)) for place in range(count)]

    tree = level(1, arguments, ())
    return Calls(cast("list[Tree]", tree), tuple(sorted(uneven)))


def _lists(arguments: Arguments, depths: Mapping[str, int], at: int) -> dict[str, list[object]]:
    spread = ((name, arguments[name]) for name, depth in depths.items() if depth >= at)
    return {name: cast("list[object]", value) if isinstance(value, list) else [value] for name, value in spread}


def _items(lists: Mapping[str, list[object]], place: int) -> Arguments:
    return {name: items[min(place, len(items) - 1)] for name, items in lists.items()}


def _leaves(tree: Tree) -> Iterator[Call]:
    if isinstance(tree, Call):
        yield tree
        return
    for branch in tree:
        yield from _leaves(branch)


def _fold(tree: Tree, results: Iterator[object]) -> object:
    if isinstance(tree, Call):
        return next(results)
    return [_fold(branch, results) for branch in tree]
