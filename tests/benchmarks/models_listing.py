"""What ``nodeflow models`` costs for thousands of files: the first time, and when nothing has changed.

    python tests/benchmarks/models_listing.py [FILES [RUNS]]

Each run is a process of its own, imports and output included. Printed are seconds of CPU time and of the clock.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DATA = 6144


def lora(number: int) -> bytes:
    """A tiny LoRA with the metadata that trainers write."""
    tags = {"10_pictures": {f"tag {number}": 5, "cat": 3}}
    header = {
        "__metadata__": {"ss_base_model_version": "sd_v1", "ss_tag_frequency": json.dumps(tags)},
        "lora_unet_x_attn2_to_k.lora_down.weight": {"dtype": "F16", "shape": [4, 768], "data_offsets": [0, DATA]},
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(DATA)


def write(folder: Path, count: int) -> None:
    """So many files below ``loras``, in folders of a hundred."""
    for number in range(count):
        place = folder / "loras" / f"{number // 100:03d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"style{number:05d}.safetensors").write_bytes(lora(number))


def listed(folder: Path, home: Path, *options: str) -> tuple[float, float, int]:
    """CPU seconds, seconds by the clock, and how many files were listed."""
    command = [sys.executable, "-m", "nodeflow.cli.main", "models", "--models-dir", str(folder), *options]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env={**os.environ, "NODEFLOW_HOME": str(home)}, capture_output=True, check=True)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, clock, done.stdout.count(b"style")


def main(count: int = 10_000, runs: int = 5) -> dict[str, float]:
    """The costs of listing so many files, the least of several runs."""
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name) / "models", Path(name) / "home"
        write(folder, count)
        time.sleep(0.1)  # the state of files that have just changed is not remembered
        empty = min(listed(folder / "none", home)[0] for _ in range(runs))
        first = listed(folder, home)
        warm = min(listed(folder, home) for _ in range(runs))
        as_json = min(listed(folder, home, "--json") for _ in range(runs))
        assert first[2] == warm[2] == count
        return {
            "files": count,
            "nothing to list, cpu": empty,
            "first, cpu": first[0],
            "first, clock": first[1],
            "warm, cpu": warm[0],
            "warm, clock": warm[1],
            "warm --json, cpu": as_json[0],
        }


if __name__ == "__main__":
    print(json.dumps({key: round(value, 3) for key, value in main(*map(int, sys.argv[1:])).items()}))
