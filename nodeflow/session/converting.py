"""Pickled model files made safe to load: the work is done by a process of its own that may do little else."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from nodeflow.core.errors import MissingFile, NodeflowError, Problem, UsageError
from nodeflow.storage.outputs import write_failed
from nodeflow.storage.replacing import sync_folder
from nodeflow.storage.unfinished import hidden_name

SUFFIXES: Final = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
"""Endings of files that may be pickled."""

_PROGRAM: Final = "nodeflow.diffusion.checkpoints.unpickling"
_SECONDS: Final = 180.0
_BYTES_PER_SECOND: Final = 10 * 2**20
_KEPT: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "SYSTEMROOT",
    "TMPDIR",
    "TEMP",
    "TMP",
)
"""What of the environment the process gets: no secrets, no tokens."""


class ConversionRefused(NodeflowError):
    """The file is damaged, or holds more than weights; the message says which."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a file.

    Attributes:
        path: The safetensors file.
        tensors: How many there are in it.
        dropped: Names of some entries that are no tensors.
        dropped_count: How many such there were.
    """

    path: Path
    tensors: int
    dropped: tuple[str, ...]
    dropped_count: int


def convert(source: Path, target: Path | None = None, *, seconds: float | None = None) -> Converted:
    """Writes the tensors of a pickled torch file as safetensors; no code that is in the file is run.

    Args:
        source: The file.
        target: A file that is not there yet; beside the source, by default.
        seconds: How long it may take; by default as long as a file of its size may need.

    Raises:
        MissingFile: There is no such file.
        UsageError: There is a file in the place of the target, or its name is wrong.
        ConversionRefused: The file is not converted.
        OutputFailed: The target cannot be written.
    """
    if not source.is_file():
        raise MissingFile([Problem("file.missing", "there is no such file to convert", found=str(source))])
    _check_pickled(source)
    place = source.with_suffix(".safetensors") if target is None else target
    if place.suffix != ".safetensors":
        raise UsageError(f"{place}: the result is a safetensors file; give it a name that ends in .safetensors")
    other = shlex.join(["nodeflow", "convert", str(source), str(place.with_name("OTHER.safetensors"))])
    if os.path.exists(place):  # noqa: PTH110 - takes a name that is too long
        raise UsageError(f"{place} is there already; choose another name: {other}")
    if not place.parent.is_dir():
        raise UsageError(f"OUT {place}: there is no folder {place.parent}; make it first, or name another OUT")
    allowed = _SECONDS + source.stat().st_size / _BYTES_PER_SECOND if seconds is None else seconds
    hidden = place.with_name(hidden_name())
    _check_writable(hidden)
    try:
        report = _reported(source, hidden, allowed)
        _publish(hidden, place)
    finally:
        hidden.unlink(missing_ok=True)
    dropped = tuple(map(str, cast("list[object]", report["dropped"])))
    return Converted(place, cast("int", report["tensors"]), dropped, cast("int", report["dropped_count"]))


def _check_pickled(source: Path) -> None:
    """Refuses a file that is safe to load as it is."""
    try:
        with source.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise ConversionRefused(f"{source}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if start[8:] == b"{":
        name = source.with_suffix(".safetensors")
        way = "" if source == name else f"; name it {name}"
        raise ConversionRefused(f"{source}: it is a safetensors file already: there is nothing to convert{way}")


def _check_writable(hidden: Path) -> None:
    try:
        hidden.touch(exist_ok=False)
        hidden.unlink()
    except OSError as error:
        raise write_failed(hidden.parent, error) from error


def _reported(source: Path, hidden: Path, seconds: float) -> Mapping[str, object]:
    command = [sys.executable, "-P", "-m", _PROGRAM, str(source.absolute()), str(hidden.absolute())]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ConversionRefused(f"{source.name}: not converted: it took longer than {seconds:.0f} s") from error
    report = _last_line(done.stdout)
    if done.returncode == 0 and "tensors" in report:
        return report
    raise ConversionRefused(f"{source.name}: not converted: {report.get('error') or _ended(done)}")


def _last_line(output: bytes) -> Mapping[str, object]:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    with contextlib.suppress(ValueError):
        loaded: object = json.loads(lines[-1] if lines else "")
        if isinstance(loaded, dict):
            return cast("dict[str, object]", loaded)
    return {}


def _ended(done: "subprocess.CompletedProcess[bytes]") -> str:
    """Why the process ended without a word."""
    reasons = {
        -signal.SIGSEGV: "reading it crashed the process that was set apart for it",
        -signal.SIGABRT: "reading it crashed the process that was set apart for it",
        -signal.SIGKILL: "the system ended the process, which is usually for want of memory",
        -getattr(signal, "SIGXCPU", 0): "it takes far more time than a file of its size needs",
        -getattr(signal, "SIGXFSZ", 0): "it would become far larger than it is",
    }
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return reasons.get(done.returncode) or (said[-1][:300] if said else f"the process ended with {done.returncode}")


def _publish(hidden: Path, place: Path) -> None:
    """Gives a complete file its name, and never that of another."""
    try:
        with hidden.open("rb+") as file:
            os.fsync(file.fileno())
        try:
            os.link(hidden, place)
        except FileExistsError as error:
            raise UsageError(f"{place} is there already: it was written meanwhile") from error
        except OSError:  # a file system without hard links
            hidden.replace(place)
        sync_folder(place.parent)
    except OSError as error:
        raise write_failed(place, error) from error
