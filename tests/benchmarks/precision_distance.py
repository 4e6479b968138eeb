"""How far latents in bf16 end from those in fp32, after whole runs with the same noise.

    python tests/benchmarks/precision_distance.py --checkpoint sd15.safetensors --size 256 --steps 4 10
    python tests/benchmarks/precision_distance.py --prompts "a cat on a blue background" "a red heart" "a panda"

The distance is |bf16 - fp32| / |fp32| over the final latent. Without `--checkpoint` it is the embedded one.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

import nodeflow_nodes
from nodeflow.diffusion.checkpoints.load import Checkpoint, load_checkpoint
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.latents import empty_latent
from nodeflow.diffusion.sampling.run import sample

EMBEDDED = Path(nodeflow_nodes.__file__).parent / "models/checkpoints/emoji-tiny.safetensors"
SAMPLERS = ("euler", "dpmpp_2m")


class Distance(NamedTuple):
    """How far one run in bf16 ended from the same in fp32."""

    sampler: str
    steps: int
    prompt: str
    seed: int
    relative: float


def final(checkpoint: Checkpoint, prompt: str, seed: int, sampler: str, steps: int, size: int, cfg: float) -> Tensor:
    """The latent that a run ends with."""
    sides = [encode(checkpoint.clip, text) for text in (prompt, "")]
    *_, last = sample(
        checkpoint.model, *sides, empty_latent(size, size), seed=seed, steps=steps, cfg=cfg, sampler=sampler
    )
    return last.latent.samples


def distances(
    path: Path, samplers: Sequence[str], steps: Sequence[int], prompts: Sequence[str], seeds: int, size: int, cfg: float
) -> Iterator[Distance]:
    """The distance of each run, as soon as it is known."""
    exact, coarse = (load_checkpoint(path, dtype=dtype) for dtype in ("fp32", "bf16"))
    for sampler, count, prompt, seed in product(samplers, steps, prompts, range(seeds)):
        one, other = (final(side, prompt, seed, sampler, count, size, cfg) for side in (exact, coarse))
        yield Distance(sampler, count, prompt, seed, float((other - one).norm() / one.norm()))


def main() -> None:
    """Prints a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=EMBEDDED)
    parser.add_argument("--samplers", nargs="+", default=SAMPLERS)
    parser.add_argument("--steps", type=int, nargs="+", default=[20])
    parser.add_argument("--prompts", nargs="+", default=["a cat on a blue background"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--cfg", type=float, default=7.0)
    asked = parser.parse_args()
    torch.set_grad_enabled(False)
    for each in distances(
        asked.checkpoint, asked.samplers, asked.steps, asked.prompts, asked.seeds, asked.size, asked.cfg
    ):
        run = f"{each.sampler:10} {each.steps:3} steps  seed {each.seed}"
        print(f"{run}  {each.relative:.2e}  {each.prompt}", flush=True)


if __name__ == "__main__":
    main()
