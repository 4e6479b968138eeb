"""What loading a checkpoint costs beside diffusers, and what it costs up to the end of a first step.

    python tests/benchmarks/model_load.py --checkpoint sd15.safetensors

Every row is a process of its own, in which torch and the library are imported before the clock starts and the file is
in the page cache. diffusers builds on the meta device (accelerate) and assigns the tensors of the memory-mapped file,
cast where the precision differs: the cheapest way it has. Memory is what `/proc/self/status` says: anonymous memory,
which is really needed, and mapped pages of the file, which the system takes back whenever it needs them.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch

UNET, TEXT, VAE = "model.diffusion_model.", "cond_stage_model.transformer.text_model.", "first_stage_model."
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def memory() -> dict[str, int]:
    """MB in use, by kind."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {line[0][:-1]: int(line[1]) // 1024 for line in lines if line[0] in ("RssAnon:", "RssFile:", "VmHWM:")}


def nodeflow_side(path: Path, dtype: str) -> Any:
    """Loads the three networks; gives a function that does a step."""
    from nodeflow.diffusion.checkpoints.load import load_checkpoint
    from nodeflow.diffusion.tokens import Tokenizer

    Tokenizer.from_package()

    def load() -> Any:
        network: Any = load_checkpoint(path, dtype=dtype).model.network  # type: ignore[arg-type]
        return network

    return load


def diffusers_side(path: Path, dtype: str) -> Any:
    """The same by diffusers and transformers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from accelerate import init_empty_weights
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
        from safetensors.torch import load_file
        from transformers import CLIPTextConfig, CLIPTextModel

    def load() -> Any:
        weights = load_file(path)
        with init_empty_weights():
            unet = UNet2DConditionModel(cross_attention_dim=768)
            vae = AutoencoderKL(
                block_out_channels=(128, 256, 512, 512),
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                layers_per_block=2,
                latent_channels=4,
            )
            text = CLIPTextModel(
                CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
            )
        parts = (
            (unet, convert_ldm_unet_checkpoint(dict(weights), dict(unet.config))),
            (vae, convert_ldm_vae_checkpoint(dict(weights), dict(vae.config))),
            (text, {name.removeprefix(TEXT): weight for name, weight in weights.items() if name.startswith(TEXT)}),
        )
        for network, tensors in parts:
            own = network.state_dict()
            cast = {name: weight.to(DTYPES[dtype]) for name, weight in tensors.items() if name in own}
            network.load_state_dict(cast, assign=True)
        return lambda *given: unet(*given, return_dict=False)[0]

    return load


def child(side: str, path: Path, dtype: str) -> None:
    """Measures in this process and prints JSON."""
    from transformers import CLIPTextModel

    assert CLIPTextModel
    load = {"nodeflow": nodeflow_side, "diffusers": diffusers_side}[side](path, dtype)
    before, wall, cpu = memory(), time.perf_counter(), time.process_time()
    network = load()
    loaded = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "memory": memory()}
    with torch.inference_mode():
        x, context = torch.randn(2, 4, 32, 32).to(DTYPES[dtype]), torch.randn(2, 77, 768).to(DTYPES[dtype])
        network(x, torch.tensor([500.0, 500.0]), context)
    stepped = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "memory": memory()}
    sys.stdout.write(json.dumps({"before": before, "loaded": loaded, "stepped": stepped}))


def main(arguments: list[str] | None = None) -> None:
    """Prints a table, or in a child its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--child", nargs=2, metavar=("SIDE", "DTYPE"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        child(given.child[0], given.checkpoint, given.child[1])
        return
    for dtype in DTYPES:
        found: dict[str, list[Any]] = {"nodeflow": [], "diffusers": []}
        for _ in range(given.rounds):
            for side, runs in found.items():
                command = [sys.executable, __file__, "--checkpoint", str(given.checkpoint), "--child", side, dtype]
                runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        for side, runs in found.items():
            for what in ("loaded", "stepped"):
                least = min(runs, key=lambda run: float(run[what]["cpu"]))
                more = {kind: least[what]["memory"][kind] - least["before"][kind] for kind in least["before"]}
                sys.stdout.write(
                    f"{dtype}  {side:9}  {what:7}  {least[what]['cpu']:6.2f} CPU-s  {least[what]['wall']:6.2f} s  "
                    f"anonymous {more['RssAnon']:+5} MB  mapped {more['RssFile']:+5} MB  peak {more['VmHWM']:+5} MB\n"
                )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
