"""Code of others, imported: whatever it raises becomes one line that names the pack and the place."""

import importlib
import sys
import traceback
from types import ModuleType
from typing import Any

from nodeflow.core.errors import PackFailed
from nodeflow.core.integrity import parts, restore
from nodeflow.core.packs import BUILT_IN
from nodeflow.core.raised import words_of


def import_module(pack: str, name: str) -> ModuleType:
    """Import a module of a pack.

    Raises:
        PackFailed: Whatever the module raised, also when it tried to end the process; or it changed nodeflow itself,
            which is undone.
    """
    if pack == BUILT_IN or name in sys.modules:
        return _import(pack, name)
    before, loaded = parts(), frozenset(sys.modules)
    failure: PackFailed | None = None
    try:
        _import(pack, name)
    except PackFailed as error:
        failure = error
    top = name.partition(".")[0]
    if touched := restore(before, top):
        # Forgotten, so that whatever leads to that code leads to this problem again.
        for new in [new for new in sys.modules.keys() - loaded if new.partition(".")[0] == top]:
            del sys.modules[new]
        reason = f"{name} changes {touched[0]} when it is imported; a pack must leave nodeflow as it is"
        failure = PackFailed(pack, reason)
    if failure is not None:
        raise failure
    return sys.modules[name]


def import_attribute(pack: str, place: str) -> Any:
    """Import what stands at ``module:attribute``; raises PackFailed when there is nothing."""
    module, _, path = place.partition(":")
    value: Any = import_module(pack, module)
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            raise PackFailed(pack, f"{module} has no {path}") from None
    return value


def _import(pack: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise PackFailed(pack, f"{name} cannot be imported: {_reason(error)}{_way_out(error, name)}") from error


def _reason(error: BaseException) -> str:
    """What was raised, and the last line that raised it outside the import system."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and frame.filename != __file__
    ]
    if isinstance(error, SyntaxError) and error.filename:
        place = f" ({error.filename}:{error.lineno})"
    else:
        place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    what = "it called sys.exit" if isinstance(error, SystemExit) else type(error).__name__
    text = words_of(error).splitlines()
    return f"{what}{f': {text[0]}' if text else ''}{place}"


def _way_out(error: BaseException, name: str) -> str:
    """What to do where something else is missing."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return f"; install what brings {missing}" if missing not in ("", name.partition(".")[0]) else ""
