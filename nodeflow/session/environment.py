"""What of this machine and its libraries changes results: part of every key and of every run record."""

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from nodeflow.core.errors import UsageError

DTYPES = ("auto", "fp32", "bf16")
_LIBRARIES = ("torch", "numpy", "transformers", "safetensors", "pillow")
_CPU_FLAGS = frozenset(
    {"avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "avx512_fp16", "amx_bf16", "asimd", "bf16", "sve"}
)


@dataclass(frozen=True)
class Environment:
    """The device and precision of a session, and the libraries it computes with.

    Attributes:
        watched: Whether nodes are watched for changed inputs; what was computed unwatched is no result then.
    """

    device: str
    dtype: str
    watched: bool = False

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """Versions of the installed libraries that compute."""
        return {name: version for name in _LIBRARIES if (version := _version(name)) is not None}

    @cached_property
    def hardware(self) -> str:
        """What computes, as far as it changes results; torch is imported only to ask a GPU for its name."""
        if self.device == "cpu":
            return f"{platform.machine()} {_cpu_flags()}".strip()
        import torch

        return f"{torch.cuda.get_device_name(self.device)}, CUDA {torch.version.cuda}"

    @cached_property
    def key(self) -> str:
        """One line that is equal where results are equal."""
        parts = {"device": self.device, "dtype": self.dtype, "hardware": self.hardware, **self.versions}
        watched = {"watched": True} if self.watched else {}
        return json.dumps({"python": platform.python_version(), **parts, **watched}, sort_keys=True)


def choose_device(wanted: str) -> str:
    """The device to run on: ``auto`` is the first GPU where there is one, else the CPU.

    torch is imported only to look for a GPU, and not where the system shows no driver.

    Raises:
        UsageError: There is no such device here.
    """
    if wanted == "cpu":
        return "cpu"
    if wanted == "auto":
        return "cuda:0" if has_gpu_driver() and _gpus() else "cpu"
    name, _, index = wanted.partition(":")
    if name != "cuda" or not (index or "0").isdecimal():
        raise UsageError(f"device {wanted!r}: expected cpu, cuda:0 or auto")
    count = _gpus()
    if int(index or 0) >= count:
        found = f"{count} CUDA device{'' if count == 1 else 's'}"
        raise UsageError(f"device {wanted!r}: this machine with this build of torch has {found}; try cpu")
    return f"cuda:{int(index or 0)}"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpu_flags() -> str:
    """The instruction sets that decide which kernels torch takes, where the system tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    line = next((line for line in text.splitlines() if line.lower().startswith(("flags", "features"))), "")
    return ",".join(sorted(_CPU_FLAGS.intersection(line.partition(":")[2].split())))


def has_gpu_driver() -> bool:
    """Whether the system shows one; what torch makes of it is another matter."""
    places = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    return sys.platform != "linux" or any(Path(place).exists() for place in places)


def _gpus() -> int:
    try:
        import torch
    except ImportError:
        return 0
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
