"""Google docstrings, taken apart."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SECTION = re.compile(
    r"(Args|Arguments|Attributes|Returns|Return|Yields|Raises|Examples?|Notes?|References|Source|See Also|Warnings?):"
)
_ENTRY = re.compile(r"(\w+)\s*(?:\([^)]*\))?:\s*(.*)")


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says.

    Attributes:
        help: Everything before the first section.
        entries: Names described under ``Args:`` or ``Attributes:``, with their text.
        returns: The text under ``Returns:``.
    """

    help: str = ""
    entries: Mapping[str, str] = field(default_factory=dict[str, str])
    returns: str = ""


def read_docstring(text: str | None) -> Docstring:
    """Take a Google docstring apart; sections other than the three named in ``Docstring`` are passed over."""
    sections: dict[str, list[str]] = {"": []}
    section = ""
    for line in inspect.cleandoc(text or "").splitlines():
        if found := _SECTION.fullmatch(line):
            section = found[1]
            sections[section] = []
        else:
            sections[section].append(line)
    described = [sections[name] for name in ("Args", "Arguments", "Attributes") if name in sections]
    return Docstring(
        help="\n".join(sections[""]).strip(),
        entries={name: text for lines in described for name, text in _entries(lines).items()},
        returns=_joined(sections.get("Returns", [])),
    )


def _entries(lines: list[str]) -> dict[str, str]:
    """Names at the smallest indentation, each with the lines that follow it."""
    filled = [line for line in lines if line.strip()]
    indent = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    entries: dict[str, list[str]] = {}
    current: list[str] = []
    for line in filled:
        found = _ENTRY.match(line.strip()) if not line[indent : indent + 1].isspace() else None
        if found:
            current = entries[found[1]] = [found[2]]
        else:
            current.append(line)
    return {name: _joined(text) for name, text in entries.items()}


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines if line.strip())
