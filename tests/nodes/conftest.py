"""A checkpoint of random weights, laid out as real ones are, small enough to sample in milliseconds."""

import copy
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from safetensors.torch import save_file

from nodeflow.core.run import Quiet
from nodeflow.diffusion.models.clip import TextConfig, text_model
from nodeflow.diffusion.models.unet import UNet, UNetConfig
from nodeflow.diffusion.models.vae import AutoencoderKL, VAEConfig
from nodeflow.diffusion.types import Model
from nodeflow_nodes.loaders import Loaded, load_checkpoint

T = TypeVar("T")

WIDTH = 8
SETTINGS = {
    "unet": {"num_heads": 2, "norm_groups": 4},
    "vae": {"norm_groups": 4},
    "text": {"heads": 2},
    "latent": {"scale": 0.5, "name": "micro", "preview": "anchored"},
}


def micro_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """The weights of a micro model under the names of a published checkpoint."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        unet = UNet(
            UNetConfig(
                model_channels=WIDTH,
                channel_mult=(1, 2),
                num_res_blocks=(1, 1),
                transformer_depth=(0, 1),
                transformer_depth_output=(0, 0, 1, 1),
                context_dim=WIDTH,
                num_heads=2,
                norm_groups=4,
            )
        )
        vae = AutoencoderKL(VAEConfig(channels=4, channel_mult=(1, 1, 1, 2), num_res_blocks=1, norm_groups=4))
        text = text_model(TextConfig(width=WIDTH, layers=1, heads=2, mlp=16))
        for parameter in unet.parameters():  # the last convolution starts at zero, which would hide every mistake
            parameter.data.add_(torch.randn_like(parameter), alpha=0.05)
    prefixes = {
        "model.diffusion_model.": unet,
        "first_stage_model.": vae,
        "cond_stage_model.transformer.text_model.": text,
    }
    return {
        prefix + name.removeprefix("text_model."): weight.contiguous()
        for prefix, network in prefixes.items()
        for name, weight in network.state_dict().items()
        if not name.endswith("position_ids")
    }


@pytest.fixture(scope="session")
def checkpoint_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "micro.safetensors"
    save_file(micro_weights(), path, {"nodeflow.config": json.dumps(SETTINGS)})
    return path


@pytest.fixture(scope="session")
def loaded(checkpoint_file: Path) -> Loaded:
    return load_checkpoint(checkpoint_file)


class Recorder(Quiet):
    """A run that keeps what a node says and writes."""

    def __init__(self, extensions: Mapping[str, Mapping[str, object]] | None = None) -> None:
        self.warnings: list[str] = []
        self.shown: list[object] = []
        self.saved: list[tuple[str, str, bytes]] = []
        self.previews: list[object] = []
        self.steps = 0
        self.added = extensions or {}

    def track(
        self, steps: Iterable[T], *, total: int | None = None, preview: Callable[[T], object] | None = None
    ) -> Iterator[T]:
        for step in steps:
            self.steps += 1
            if preview is not None:
                self.previews.append(preview(step))
            yield step

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def show(self, value: object) -> None:
        self.shown.append(value)

    def save(self, prefix: str, suffix: str, data: bytes | Iterable[bytes]) -> str:
        self.saved.append((prefix, suffix, data if isinstance(data, bytes) else b"".join(data)))
        return f"{prefix}_{len(self.saved):05d}.{suffix}"

    def provenance(self, item: tuple[int, int] | None = None) -> Mapping[str, str]:
        return {"nodeflow": '{"nodeflow": 1}', "nodeflow.run": json.dumps({"item": item})}

    def extensions(self, table: str) -> Mapping[str, object]:
        return self.added.get(table, {})


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def broken_model(checkpoint_file: Path) -> Model:
    """A model one of whose weights is NaN."""
    model = load_checkpoint(checkpoint_file).model
    network = copy.deepcopy(model.network)
    next(network.parameters()).data.fill_(float("nan"))
    return dataclasses.replace(model, network=network)
