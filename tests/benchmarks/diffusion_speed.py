"""What a step of a UNet costs beside diffusers, with the same weights, in one run.

    python tests/benchmarks/diffusion_speed.py --checkpoint sd15.safetensors                # on a CPU
    python tests/benchmarks/diffusion_speed.py --checkpoint sd15.safetensors --device cuda  # eager
    ... --device cuda --compile          # both sides through torch.compile
    ... --device cuda --graphs           # both sides through torch.compile with CUDA graphs

A step is one evaluation of two rows, the prompt's and the negative one's. On a CPU the figure is processor time, on a
GPU the time between events around it. Sides and precisions take turns; of each the least counts. The distance is that
of what comes out to diffusers' fp32, relative.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints.load import load_checkpoint

Step = Callable[[], Tensor]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Row(NamedTuple):
    """A figure: seconds of one step, by whom, in which precision, at which size, and how far it is from fp32."""

    side: str
    dtype: str
    pixels: int
    seconds: float
    distance: float


def diffusers_unet(unet: Any, dtype: torch.dtype, device: str) -> nn.Module:
    """The network of diffusers with the weights of ours, which may be any size of the SD 1 layout."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what diffusers warns of at import is not ours
        from diffusers import UNet2DConditionModel
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
    config = unet.config
    names = [
        ("CrossAttnDownBlock2D" if deep else "DownBlock2D", "CrossAttnUpBlock2D" if deep else "UpBlock2D")
        for deep in config.transformer_depth[:: config.num_res_blocks[0]]
    ]
    with torch.device("meta"):
        theirs = UNet2DConditionModel(
            block_out_channels=tuple(config.level_channels(level) for level in range(len(config.channel_mult))),
            down_block_types=tuple(down for down, _ in names),
            up_block_types=tuple(up for _, up in reversed(names)),
            layers_per_block=config.num_res_blocks[0],
            cross_attention_dim=config.context_dim,
            attention_head_dim=config.num_heads,
            norm_num_groups=config.norm_groups,
        )
    weights = {f"model.diffusion_model.{name}": weight for name, weight in unet.state_dict().items()}
    renamed = convert_ldm_unet_checkpoint(weights, dict(theirs.config))
    theirs.load_state_dict({name: weight.to(device, dtype) for name, weight in renamed.items()}, assign=True)
    network: nn.Module = theirs.eval().requires_grad_(False)
    return network


def sides(
    checkpoint: Path, device: str, dtype: str, mode: str
) -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    """Both networks as functions of latent, timestep and text."""
    model = load_checkpoint(checkpoint, device=device, dtype=dtype).model  # type: ignore[arg-type]
    peer: Any = diffusers_unet(model.network, DTYPES[dtype], device)
    ours: Any = model.network
    if device == "cuda" and mode == "eager":
        peer = peer.to(memory_format=torch.channels_last)
    if mode != "eager":
        how: dict[str, Any] = {"mode": "reduce-overhead"} if mode == "graphs" else {}
        ours, peer = torch.compile(ours, **how), torch.compile(peer, **how)
    return {
        "nodeflow": ours,
        "diffusers": lambda x, timestep, context: peer(x, timestep, context, return_dict=False)[0],
    }


def timed(step: Step, device: str) -> tuple[float, Tensor]:
    """Seconds that one step takes, and what it gives."""
    if device == "cpu":
        start = time.process_time()
        result = step()
        return time.process_time() - start, result
    before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    before.record()
    result = step()
    after.record()
    after.synchronize()
    return before.elapsed_time(after) / 1000, result


@torch.inference_mode()
def measured(
    checkpoint: Path, *, pixels: int, dtypes: list[str], device: str = "cpu", mode: str = "eager", rounds: int = 3
) -> Iterator[Row]:
    """The figures of one size; the first round warms up and does not count."""
    generator = torch.Generator().manual_seed(0)
    nets = {(side, dtype): net for dtype in dtypes for side, net in sides(checkpoint, device, dtype, mode).items()}
    size = load_checkpoint(checkpoint).model
    latent = torch.randn(2, 4, pixels // 8, pixels // 8, generator=generator)
    text = torch.randn(2, 77, size.context_dim, generator=generator).to(device)
    timestep = torch.tensor([500.0, 500.0], device=device)
    best: dict[tuple[str, str], float] = {}
    out: dict[tuple[str, str], Tensor] = {}
    contexts = {dtype: text.to(DTYPES[dtype]) for dtype in dtypes}
    for turn in range(rounds + 1):
        for (side, dtype), net in nets.items():
            x = latent.to(device, DTYPES[dtype])
            seconds, found = timed(lambda net=net, x=x, dtype=dtype: net(x, timestep, contexts[dtype]), device)  # type: ignore[misc]
            out[side, dtype] = found.float().clone()
            if turn:
                best[side, dtype] = min(seconds, best.get((side, dtype), seconds))
    reference = out["diffusers", dtypes[0]]
    for (side, dtype), seconds in best.items():
        distance = float((out[side, dtype] - reference).norm() / reference.norm())
        yield Row(side, dtype, pixels, seconds, distance)


def main(arguments: list[str] | None = None) -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", dest="mode", action="store_const", const="compile", default="eager")
    parser.add_argument("--graphs", dest="mode", action="store_const", const="graphs")
    parser.add_argument("--pixels", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--dtypes", nargs="+", choices=[*DTYPES], default=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    where = torch.cuda.get_device_name() if given.device == "cuda" else f"{torch.get_num_threads()} CPU threads"
    sys.stdout.write(f"{where}, torch {torch.__version__}, {given.mode}; ratios to diffusers in {given.dtypes[0]}\n")
    for pixels in given.pixels:
        rows = list(
            measured(
                given.checkpoint,
                pixels=pixels,
                dtypes=given.dtypes,
                device=given.device,
                mode=given.mode,
                rounds=given.rounds,
            )
        )
        base = next(row.seconds for row in rows if row.side == "diffusers")
        for row in rows:
            sys.stdout.write(
                f"{row.pixels:4} px  {row.dtype}  {row.side:9}  {row.seconds:8.4f} s  "
                f"ratio {row.seconds / base:.3f}  distance {row.distance:.1e}\n"
            )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
