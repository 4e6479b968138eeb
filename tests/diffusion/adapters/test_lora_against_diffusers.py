"""LoRA files in the names of each trainer give the weights that diffusers and PEFT give when they fuse them."""

import copy
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.adapters.lora import Adapted, adapt
from nodeflow.diffusion.adapters.lorafile import read_lora
from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.checkpoints.diffusersnames import unet_renaming

TOLERANCE = 1e-6
RANK, ALPHA = 3, 2.0
ATTENTION = (
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_v",
    "up_blocks.1.attentions.1.transformer_blocks.0.attn2.to_k",
)
OTHERS = (
    "down_blocks.0.attentions.0.proj_in",
    "down_blocks.0.resnets.0.conv1",
    "down_blocks.0.downsamplers.0.conv",
    "up_blocks.0.resnets.1.conv_shortcut",
    "up_blocks.0.upsamplers.0.conv",
    "up_blocks.1.resnets.0.time_emb_proj",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.2",
)
TEXT = ("text_model.encoder.layers.0.self_attn.q_proj", "text_model.encoder.layers.1.self_attn.out_proj")
TEXT_OTHERS = ("text_model.encoder.layers.1.mlp.fc1", "text_model.encoder.layers.0.mlp.fc2")

Factors = Mapping[str, tuple[Tensor, Tensor]]
"""Up and down, by diffusers' name of the layer."""
Spelling = Callable[[str, Tensor, Tensor], Iterator[tuple[str, Tensor]]]


class Peer:
    """The random checkpoint as diffusers has it, able to load and fuse LoRA files."""

    def __init__(self, micro: Checkpoint) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what diffusers warns of at import is not ours
            from diffusers import UNet2DConditionModel
            from diffusers.loaders import StableDiffusionLoraLoaderMixin

        class Pipeline(StableDiffusionLoraLoaderMixin):  # type: ignore[misc]
            unet: Any
            text_encoder: Any
            components: Any
            hf_device_map = None

        own = micro.model.network.state_dict()
        self.renaming = unet_renaming(own)
        self.pipeline = Pipeline()
        self.pipeline.text_encoder = copy.deepcopy(micro.clip.network).float()
        self.pipeline.unet = UNet2DConditionModel(
            block_out_channels=(32, 64),
            down_block_types=("CrossAttnDownBlock2D",) * 2,
            up_block_types=("CrossAttnUpBlock2D",) * 2,
            layers_per_block=1,
            cross_attention_dim=64,
            attention_head_dim=8,
        )
        self.pipeline.unet.load_state_dict({self.name(name): weight.clone() for name, weight in own.items()})
        self.pipeline.components = {"unet": self.pipeline.unet, "text_encoder": self.pipeline.text_encoder}

    def name(self, name: str) -> str:
        """What diffusers calls a weight of our UNet."""
        theirs = self.renaming.to_theirs(name)
        assert theirs is not None
        return theirs

    def layer(self, name: str) -> Any:
        if name.startswith("text_model."):
            return self.pipeline.text_encoder.get_submodule(name.removeprefix("text_model."))
        return self.pipeline.unet.get_submodule(name)

    def factors(self, names: tuple[str, ...], draw: Callable[..., Tensor]) -> Factors:
        found: dict[str, tuple[Tensor, Tensor]] = {}
        for name in names:
            outer, inner, *kernel = self.layer(name).weight.shape
            found[name] = draw(outer, RANK, *[1] * len(kernel)), draw(RANK, inner, *kernel)
        return found

    def fuse(self, *files: Path, scale: float = 1.0) -> None:
        """Loads files and fuses all of them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number, file in enumerate(files):
                self.pipeline.load_lora_weights(str(file), adapter_name=f"lora{number}")
            names = [f"lora{number}" for number in range(len(files))]
            self.pipeline.fuse_lora(components=["unet", "text_encoder"], lora_scale=scale, adapter_names=names)
            self.pipeline.unload_lora_weights()

    def difference(self, adapted: Adapted) -> float:
        """The largest difference of any weight."""
        theirs, text = self.pipeline.unet.state_dict(), self.pipeline.text_encoder.state_dict()
        ours = {self.name(name): weight for name, weight in adapted.model.network.state_dict().items()}
        assert adapted.clip is not None
        pairs = [(weight, theirs[name]) for name, weight in ours.items()]
        pairs += [(weight, text[name]) for name, weight in adapted.clip.network.state_dict().items()]
        return max(float((our - their).abs().max()) for our, their in pairs)


@pytest.fixture
def peer(micro: Checkpoint) -> Peer:
    return Peer(micro)


def kohya(name: str, up: Tensor, down: Tensor) -> Iterator[tuple[str, Tensor]]:
    flat = name.replace(".", "_")
    key = f"lora_te_{flat}" if name.startswith("text_model.") else f"lora_unet_{flat}"
    yield from ((f"{key}.lora_up.weight", up), (f"{key}.lora_down.weight", down), (f"{key}.alpha", torch.tensor(ALPHA)))


def peft(name: str, up: Tensor, down: Tensor) -> Iterator[tuple[str, Tensor]]:
    key = f"text_encoder.{name}" if name.startswith("text_model.") else f"unet.{name}"
    yield from ((f"{key}.lora_B.weight", up), (f"{key}.lora_A.weight", down))


def layers(name: str, up: Tensor, down: Tensor) -> Iterator[tuple[str, Tensor]]:
    text = name.startswith("text_model.")
    key = f"text_encoder.{name}.lora_linear_layer" if text else f"unet.{name}.lora"
    yield from ((f"{key}.up.weight", up), (f"{key}.down.weight", down))


def processors(name: str, up: Tensor, down: Tensor) -> Iterator[tuple[str, Tensor]]:
    place, _, layer = name.removesuffix(".0").rpartition(".")
    if name.startswith("text_model."):
        old = {"q_proj": "to_q", "out_proj": "to_out"}[layer]
        key = f"text_encoder.{place}.{old}_lora"
    else:
        key = f"unet.{place}.processor.{layer}_lora"
    yield from ((f"{key}.up.weight", up), (f"{key}.down.weight", down))


SPELLINGS: tuple[tuple[Spelling, tuple[str, ...]], ...] = (
    (kohya, ATTENTION + OTHERS + TEXT + TEXT_OTHERS),
    (peft, ATTENTION + OTHERS + TEXT + TEXT_OTHERS),
    (layers, ATTENTION + TEXT + TEXT_OTHERS),
    (processors, ATTENTION + TEXT),
)


def spelled(factors: Factors, spelling: Spelling) -> dict[str, Tensor]:
    return dict(pair for name, (up, down) in factors.items() for pair in spelling(name, up, down))


@pytest.mark.parametrize(("spelling", "names"), SPELLINGS, ids=[spelling.__name__ for spelling, _ in SPELLINGS])
def test_every_spelling_gives_the_weights_of_diffusers(
    spelling: Spelling,
    names: tuple[str, ...],
    micro: Checkpoint,
    peer: Peer,
    draw: Callable[..., Tensor],
    saved: Callable[..., Path],
) -> None:
    file = saved(spelled(peer.factors(names, draw), spelling))
    found = adapt(read_lora(file), micro.model, micro.clip, strength_model=0.7, strength_clip=0.7)
    assert found.unused == ()
    assert peer.difference(found) > 0.01
    peer.fuse(file, scale=0.7)
    assert peer.difference(found) < TOLERANCE


def test_two_files_one_after_the_other_are_what_diffusers_fuses_together(
    micro: Checkpoint, peer: Peer, draw: Callable[..., Tensor], saved: Callable[..., Path]
) -> None:
    files = [
        saved(spelled(peer.factors(ATTENTION + TEXT, draw), spelling), f"{spelling.__name__}.safetensors")
        for spelling in (kohya, peft)
    ]
    found = Adapted(micro.model, micro.clip, ())
    for file in files:
        found = adapt(read_lora(file), found.model, found.clip)
    peer.fuse(*files)
    assert peer.difference(found) < TOLERANCE


def test_the_alpha_in_the_metadata_of_diffusers_counts(
    micro: Checkpoint, peer: Peer, draw: Callable[..., Tensor], saved: Callable[..., Path]
) -> None:
    told = {"unet.r": RANK, "unet.lora_alpha": 6, "unet.alpha_pattern": {OTHERS[1]: 1.5}}
    told |= {"unet.target_modules": [*ATTENTION, *OTHERS], "text_encoder.r": RANK, "text_encoder.lora_alpha": 9}
    told |= {"text_encoder.target_modules": [name.rpartition(".")[2] for name in TEXT]}
    factors = peer.factors(ATTENTION + OTHERS + TEXT, draw)
    file = saved(spelled(factors, peft), lora_adapter_metadata=json.dumps(told))
    peer.fuse(file)
    assert peer.difference(adapt(read_lora(file), micro.model, micro.clip)) < TOLERANCE
