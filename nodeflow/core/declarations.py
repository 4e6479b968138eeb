"""What a pack declares as plain data, read with suspicion: what cannot be meant is left out and told."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from nodeflow.core.files import name_fault
from nodeflow.core.packs import ModelKind, Pack, Setting

T = TypeVar("T", ModelKind, Setting)

_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SUFFIX = re.compile(r"(/[^/\\\s.]+)?\.[^/\\\s]+")


def kinds_of(pack: Pack, problems: list[str]) -> tuple[ModelKind, ...]:
    """The kinds of models that a pack brings; what is wrong with one is added to ``problems``."""
    return tuple(replace(kind, suffixes=tuple(kind.suffixes)) for kind in _sound("kind", pack.kinds, _kind, problems))


def settings_of(pack: Pack, problems: list[str]) -> tuple[Setting, ...]:
    """The settings that a pack has; what is wrong with one is added to ``problems``."""
    return tuple(_sound("setting", pack.settings, _setting, problems))


def _sound(what: str, declared: Iterable[T], fault_of: Callable[[T], str], problems: list[str]) -> list[T]:
    sound: dict[str, T] = {}
    for item in declared:
        fault = "it is declared twice" if item.name in sound else fault_of(item)
        if fault:
            problems.append(f"{what} {item.name!r}: {fault}")
        else:
            sound[item.name] = item
    return list(sound.values())


def _kind(kind: ModelKind) -> str:
    if not _KIND.fullmatch(kind.name):
        return "its name may have letters, digits, dots, _ and -, and starts with a letter or a digit"
    if kind.folder and name_fault(kind.folder) is not None:
        return f"its folder {kind.folder!r} must lie below the folder of models, as in 'detectors/faces'"
    wrong = isinstance(kind.suffixes, str) or not kind.suffixes
    if wrong or not all(_SUFFIX.fullmatch(suffix) for suffix in kind.suffixes):
        return f"its suffixes are {kind.suffixes!r}; write them as in ('.onnx', '.safetensors')"
    return ""


def _setting(setting: Setting) -> str:
    if not setting.name.isidentifier():
        return "its name must be one word of letters, digits and _"
    default: object = setting.default
    if type(default) not in (str, int, float, bool) or (isinstance(default, float) and not math.isfinite(default)):
        return f"its default {default!r} is no text, number, true or false"
    return ""
