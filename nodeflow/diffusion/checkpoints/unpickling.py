"""A program that reads one pickled torch file and writes its tensors as safetensors.

It is started as a process of its own (`python -m`), because what it reads may be made to harm: it limits itself in
memory, time, file size and network before it looks at the file, and torch's unpickler for weights alone builds tensors
and plain containers only. What it has to say is one line of JSON on standard output.
"""

import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nodeflow.diffusion.checkpoints.confinement import confine, limit_memory

if TYPE_CHECKING:
    import torch

_WRAPPERS = ("state_dict", "model_state_dict", "params_ema", "params", "model", "net", "generator")
"""Where trainers put the weights when the file holds more than those."""

_INERT = ("pytorch_lightning.", "lightning.", "lightning_fabric.", "omegaconf.", "numpy.", "collections.", "argparse.")
"""Modules of things that trainers leave in files; each becomes an empty object, and nothing of them is imported."""

_MAX_ENTRIES = 200_000
_MAX_PICKLE = 256 * 2**20
_SLACK = 16 * 2**20
_SHOWN = 5
_RESERVED = "__metadata__"
"""Where a safetensors file has its metadata among the names of tensors."""


class Refused(Exception):
    """The file is not converted; the message says why."""


class Dropped:
    """Stands for an object that is no tensor; takes whatever it is given and keeps nothing."""

    def __new__(cls, *_given: object, **_named: object) -> "Dropped":
        """Made of anything."""
        return object.__new__(cls)

    def __init__(self, *_given: object, **_named: object) -> None:
        """Keeps nothing."""

    def __setstate__(self, _state: object) -> None:
        """Keeps nothing."""


def main(words: list[str]) -> int:
    """Converts the file named first into the one named second; 0 when that was done."""
    source, target = map(Path, words)
    size = source.stat().st_size
    confine(size)
    try:
        report = _convert(source, target, size)
    except Refused as error:
        return _say({"error": str(error)}, 1)
    except MemoryError:
        return _say({"error": "it asks for far more memory than a file of its size needs"}, 1)
    except RecursionError:
        return _say({"error": "it is nested too deeply for weights"}, 1)
    return _say(report, 0)


def _say(report: Mapping[str, object], code: int) -> int:
    print(json.dumps(report))
    return code


def _convert(source: Path, target: Path, size: int) -> Mapping[str, object]:
    zipped = _checked_container(source, size)

    from nodeflow.diffusion.checkpoints.write import Writing
    from nodeflow.diffusion.weights import HeldWeight

    limit_memory(size)
    loaded = _load(source, zipped)
    tensors, dropped = _tensors(loaded)
    if not tensors:
        raise Refused(_nothing_in(loaded, dropped))
    total = sum(tensor.numel() * tensor.itemsize for tensor in tensors.values())
    if total > 2 * size + _SLACK:
        raise Refused(f"its tensors claim {total:,} bytes, the file has {size:,}")
    writing = Writing({name: HeldWeight(tensor) for name, tensor in tensors.items()}, {"format": "pt"})
    with target.open("xb") as file:
        for chunk in writing.chunks():
            file.write(chunk)
    return {"tensors": len(tensors), "dropped": dropped[:_SHOWN], "dropped_count": len(dropped)}


def _checked_container(source: Path, size: int) -> bool:
    """Whether it is an archive, which is then sound; sizes and names are checked before anything is read out of it."""
    with source.open("rb") as file:
        start = file.read(16)
    if start[8:9] == b"{":
        raise Refused("it is a safetensors file already: there is nothing to convert")
    if not start.startswith(b"PK"):
        if not start.startswith(b"\x80"):
            raise Refused("it is no file that torch.save wrote")
        return False
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise Refused(f"the archive is damaged: {error}") from error
    _check_entries(entries, size)
    return True


def _check_entries(entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > _MAX_ENTRIES:
        raise Refused(f"the archive has {len(entries):,} entries, far more than weights need")
    for entry in entries:
        name = entry.filename
        if name.startswith("/") or "\\" in name or ".." in name.split("/") or "\0" in name:
            raise Refused(f"the archive has an entry with the name {name[:80]!r}, which leads out of it")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise Refused("the archive is compressed, which torch never does: it may unpack to any size")
        if name.endswith(".pkl") and entry.file_size > _MAX_PICKLE:
            raise Refused(f"{name[:80]} has {entry.file_size:,} bytes, far more than weights need")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > size:
        raise Refused(f"the archive claims to hold {unpacked:,} bytes, the file has {size:,}")


def _load(source: Path, zipped: bool) -> object:
    import pickle

    try:
        return _unpickled(source, zipped)
    except pickle.UnpicklingError as error:
        raise Refused(f"{_asked_for(str(error))}; nothing of it was run") from error
    except (RuntimeError, ValueError, TypeError, LookupError, EOFError, AttributeError, OverflowError) as error:
        if "can't allocate" in str(error) or "not enough memory" in str(error):
            raise MemoryError from error
        said = _first_line(str(error))
        raise Refused("it is damaged, or no file of weights" + (f": {said}" if said else "")) from error


def _unpickled(source: Path, zipped: bool) -> object:
    import torch
    from torch import serialization

    unknown: list[str] = serialization.get_unsafe_globals_in_checkpoint(source) if zipped else []
    asked = sorted(name for name in unknown if not name.startswith(_INERT))
    if asked:
        raise Refused(f"it asks for {', '.join(asked[:_SHOWN])}, which weights never need; nothing of it was run")
    inert = [(type("Dropped", (Dropped,), {}), name) for name in unknown]
    with serialization.safe_globals(cast("list[Any]", inert)):
        return torch.load(source, map_location="cpu", weights_only=True, mmap=zipped)


def _asked_for(message: str) -> str:
    """What torch says in many lines, in a few words."""
    for word in ("Unsupported global: GLOBAL ", "Trying to load unsupported GLOBAL ", "Unsupported class "):
        if word in message:
            return f"it asks for {message.partition(word)[2].split()[0].strip('.,')}, which weights never need"
    return "it holds something else than weights"


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:200]


def _tensors(loaded: object) -> "tuple[dict[str, torch.Tensor], list[str]]":
    """The tensors by name, and the names of what is none."""
    table: Mapping[object, object] = _table(loaded)
    if embedding := _table(table.get("string_to_param")):
        sound = [value for name, value in embedding.items() if not _flaw(name, value)]
        return {"emb_params": cast("torch.Tensor", value).detach() for value in sound[:1]}, _dropped(embedding)  # noqa: B035 - there is one
    outside: list[str] = []
    for wrapper in _WRAPPERS:
        if inner := _table(table.get(wrapper)):
            outside = [str(name) for name in table if name != wrapper]
            table = inner
            break
    found = {
        cast("str", name): cast("torch.Tensor", value).detach()
        for name, value in table.items()
        if not _flaw(name, value)
    }
    return found, outside + _dropped(table)


def _dropped(table: Mapping[object, object]) -> list[str]:
    """The entries that safetensors cannot hold, tensors among them with the reason."""
    import torch

    flaws = ((name, value, _flaw(name, value)) for name, value in table.items())
    return [f"{name} ({flaw})" if isinstance(value, torch.Tensor) else str(name) for name, value, flaw in flaws if flaw]


def _nothing_in(loaded: object, dropped: Sequence[str]) -> str:
    """What there is instead of tensors with names."""
    import torch

    if isinstance(loaded, torch.Tensor):
        return 'it is a bare tensor, and safetensors needs names; save it as torch.save({"NAME": tensor}, FILE)'
    if not isinstance(loaded, dict):
        return f"it holds a {type(loaded).__name__}, where weights are a dict of tensors by name"
    more = f" and {len(dropped) - _SHOWN} more" if len(dropped) > _SHOWN else ""
    found = f"; found {', '.join(dropped[:_SHOWN])}{more}" if dropped else "; it is empty"
    return f"there is no tensor with a name in it that safetensors can hold{found}"


def _table(value: object) -> Mapping[object, object]:
    return cast("Mapping[object, object]", value) if isinstance(value, dict) else {}


def _flaw(name: object, value: object) -> str:
    """Why safetensors cannot hold an entry; empty when it can."""
    import torch

    from nodeflow.diffusion.checkpoints.origins import DTYPES

    if not isinstance(value, torch.Tensor):
        return "no tensor"
    if not isinstance(name, str):
        return f"its name is no text, but of type {type(name).__name__}"
    if name == _RESERVED:
        return "a name that safetensors keeps for itself"
    if value.is_quantized:
        return "a quantized tensor"
    if value.layout is not torch.strided:
        return "a sparse tensor"
    return "" if value.dtype in DTYPES.values() else f"{value.dtype}".removeprefix("torch.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
