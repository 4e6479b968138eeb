"""Runs that alternate between checkpoints: memory stays, files are read only when there was no room to keep them."""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from safetensors import safe_open
from safetensors.torch import save_file

import nodeflow
import nodeflow_nodes
from nodeflow.session.memory import keep_one_arena

ROOT = Path(nodeflow_nodes.__file__ or "").parent
EMBEDDED = ROOT / "models" / "checkpoints" / "emoji-tiny.safetensors"
WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "txt2img.json"


class Turn(NamedTuple):
    """After one run: what the process holds in MiB, and how many checkpoints were read so far.

    Attributes:
        resident: All of it.
        anonymous: What is no page of a file; where the system does not tell, the same.
    """

    run: int
    resident: float
    anonymous: float
    read: int


def checkpoints(folder: Path, count: int) -> list[str]:
    """Writes checkpoints that differ in every weight."""
    folder.mkdir(parents=True)
    with safe_open(EMBEDDED, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    names = [f"{index}.safetensors" for index in range(count)]
    for index, name in enumerate(names):
        changed = {key: w * (1 + index / 1e4) if w.is_floating_point() else w.clone() for key, w in weights.items()}
        save_file(changed, folder / name, metadata)
    return names


def document(checkpoint: str, seed: int) -> dict[str, Any]:
    """A picture of 64 pixels in one step."""
    tree: dict[str, Any] = json.loads(WORKFLOW.read_text())
    for node in tree["nodes"].values():
        match node["type"]:
            case "LoadCheckpoint":
                node["inputs"]["checkpoint"] = checkpoint
            case "KSampler":
                node["inputs"].update(seed=seed, steps=1)
            case "EmptyLatent":
                node["inputs"].update(width=64, height=64)
    return tree


def turns(folder: Path, runs: int, memory: str, count: int = 3) -> Iterator[Turn]:
    """Runs, and tells after each.

    Args:
        folder: For the home, models and output.
        runs: How many.
        memory: The budget for weights and results together.
        count: How many checkpoints take turns.
    """
    home = folder / "home"
    home.mkdir(parents=True)
    (home / "config.toml").write_text(f'[cache]\nmemory = "{memory}"\ndisk = "1 MiB"\n')
    names = checkpoints(folder / "models" / "checkpoints", count)
    process, read = psutil.Process(), 0
    with nodeflow.Session(home, models_dirs=[folder / "models"], output_dir=folder / "output", device="cpu") as session:
        for run in range(runs):
            result = session.run(document(names[run % count], seed=run), write=[])
            read += result.nodes["base"].status == "ran"
            held = process.memory_info()
            yield Turn(run + 1, held.rss / 2**20, (held.rss - getattr(held, "shared", 0)) / 2**20, read)


def main() -> None:
    """Prints what is held after some of the runs, and how far the last runs are from the fiftieth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--memory", default="200 MiB")
    args = parser.parse_args()
    keep_one_arena()  # as the shell and the workers of a server do
    with tempfile.TemporaryDirectory() as folder:
        held: dict[int, Turn] = {}
        for turn in turns(Path(folder), args.runs, args.memory):
            held[turn.run] = turn
            if turn.run in (1, 3, 10) or turn.run % 50 == 0:
                print(
                    f"run {turn.run}: {turn.resident:.0f} MiB resident, {turn.anonymous:.0f} of them in no file; "
                    f"{turn.read} checkpoints read"
                )
        if args.runs > 50:
            # Nine runs each: what is held depends on whether the last one had to read its checkpoint.
            early, late = ([held[end - back] for back in range(9)] for end in (50, args.runs))
            resident = sum(turn.resident for turn in late) / sum(turn.resident for turn in early) - 1
            anonymous = sum(turn.anonymous for turn in late) / sum(turn.anonymous for turn in early) - 1
            print(f"last nine runs against runs 42 to 50: {resident:+.1%} resident, {anonymous:+.1%} in no file")


if __name__ == "__main__":
    main()
