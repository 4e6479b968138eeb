"""What remains of a list or of rows when some of the links inside lead to nothing."""

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from nodeflow.core.forms import Place
from nodeflow.core.json import JsonValue
from nodeflow.core.places import input_inside, is_row
from nodeflow.core.rawlinks import is_closed, link_of
from nodeflow.core.spec import Input


class Why(Enum):
    """Why nothing arrives."""

    MUTED = "muted"
    BYPASSED = "bypassed"
    CIRCLE = "circle"


class Nothing(NamedTuple):
    """Nothing arrives.

    Attributes:
        node: Path of the node that is muted, or bypassed, or in a circle of bypassed ones.
        output: The output that was asked for.
    """

    why: Why
    node: str
    output: str


class Gap(NamedTuple):
    """A place inside a value to which nothing comes.

    Attributes:
        label: Of the place as it is written, without the input: ``[0].strength``.
        within: Label in what remains of the list that is an item short; None for a field, which gets its default.
        position: Where in that list the items behind it have moved up.
    """

    label: str
    nothing: Nothing
    within: str | None = None
    position: int = 0


Follow: TypeAlias = Callable[[tuple[str, str]], JsonValue | Nothing]
"""The value that takes the place of a link: another link, or what a bypassed node hands on."""


class Remains:
    """Follows the links inside one value.

    Attributes:
        gaps: Places that are filled otherwise, or left out.
    """

    def __init__(self, follow: Follow) -> None:
        self.gaps: list[Gap] = []
        self._follow = follow

    def of(self, value: JsonValue, input: Input | None, label: str = "", path: str = "") -> JsonValue | Nothing:
        """The value with its links followed; nothing when it cannot do without one that leads to nothing.

        Args:
            input: What takes it, if that is known.
            label: Of the place as it is written.
            path: Of the place in what remains.
        """
        if isinstance(value, list):
            return self._list(value, input, label, path)
        if not isinstance(value, dict) or is_closed(value):
            return value
        if (link := link_of(value)) is not None:
            return self._follow(link)
        members: dict[str, JsonValue] = {}
        for key, member in value.items():
            field, known = input and input_inside(input, (key,)), len(self.gaps)
            step = Place("", "").inside(key).label
            followed = self.of(member, field, label + step, path + step)
            if not isinstance(followed, Nothing):
                members[key] = followed
            elif input and is_row(input) and field and not field.required:
                self.gaps[known:] = [Gap(label + step, followed)]
            else:
                return followed
        return members

    def _list(self, values: list[JsonValue], input: Input | None, label: str, path: str) -> JsonValue | Nothing:
        inner = input and input_inside(input, (0,))
        items: list[JsonValue] = []
        lost: Nothing | None = None
        for index, value in enumerate(values):
            followed = self.of(value, inner, f"{label}[{index}]", f"{path}[{len(items)}]")
            if not isinstance(followed, Nothing):
                items.append(followed)
            elif link_of(value) is None:  # a row or a list that is not whole is no item less
                return followed
            else:
                self.gaps.append(Gap(f"{label}[{index}]", followed, path, len(items)))
                lost = lost or followed
        least = (input and input.range and input.range.min_length) or 1
        return items if lost is None or len(items) >= least else lost


_POSITION: Final = re.compile(r"(\[\d+\])")


def written_label(label: str, gaps: Sequence[Gap]) -> str:
    """The label of a place in what remains, as it is written: items that are left out counted as well."""
    steps = _POSITION.split(label)
    written = [*steps]
    for at in range(1, len(steps), 2):
        index, within = int(steps[at][1:-1]), "".join(steps[:at])
        written[at] = f"[{index + sum(gap.within == within and gap.position <= index for gap in gaps)}]"
    return "".join(written)
