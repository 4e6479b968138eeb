"""Whether code of a pack has changed nodeflow itself while it was imported, and what nodeflow was before."""

import sys
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import NamedTuple

_OURS = "nodeflow"


class Part(NamedTuple):
    """One name in a module of nodeflow, or in a class of such a module."""

    holder: ModuleType | type
    name: str
    value: object


def parts() -> Mapping[str, Part]:
    """What nodeflow consists of at this moment, by dotted name."""
    found: dict[str, Part] = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == _OURS:
            for part in _members(module):
                found[f"{name}.{part.name}"] = part
                if isinstance(part.value, type) and part.value.__module__ == name:
                    found.update((f"{name}.{part.name}.{inner.name}", inner) for inner in _members(part.value))
    return found


def restore(before: Mapping[str, Part], package: str) -> list[str]:
    """Put back what is no longer as it was ``before``.

    Returns:
        What had been replaced, and what code of ``package`` had put into nodeflow besides.
    """
    now = parts()
    replaced = [name for name, part in before.items() if name not in now or now[name].value is not part.value]
    planted = [name for name, part in now.items() if name not in before and _origin(part.value) == package]
    for name in replaced:
        setattr(before[name].holder, before[name].name, before[name].value)
    for name in planted:
        delattr(now[name].holder, now[name].name)
    return sorted(replaced + planted)


def _members(holder: ModuleType | type) -> Iterator[Part]:
    """What stands in a module or a class, without what Python and pydantic keep there for themselves."""
    for name, value in list(vars(holder).items()):
        if not name.startswith(("__", "_abc_")) and not isinstance(value, ModuleType):
            yield Part(holder, name, value)


def _origin(value: object) -> str:
    """The top-level package in which a function or a class was written, whatever it calls itself."""
    named = value.__globals__.get("__name__") if isinstance(value, FunctionType) else getattr(value, "__module__", "")
    return str(named).partition(".")[0]
