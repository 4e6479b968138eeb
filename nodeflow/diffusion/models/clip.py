"""The CLIP text encoder, as `transformers` implements it, from a description of its size."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from nodeflow.diffusion.models.prepared import readied

if TYPE_CHECKING:
    from transformers import CLIPTextModel


@dataclass(frozen=True, slots=True)
class TextConfig:
    """What the shape of a text encoder depends on; the defaults are CLIP ViT-L/14, the encoder of Stable Diffusion 1.

    Attributes:
        vocab: rows of the token table; 49408 for every released CLIP.
        width: of the states, hence of the UNet's context.
        layers: transformer layers.
        heads: attention heads; released models have one per 64 channels.
        mlp: width inside the perceptrons.
        activation: `quick_gelu` in OpenAI's weights, `gelu` in OpenCLIP's.
        positions: the longest sequence, start and end token included.
    """

    vocab: int = 49408
    width: int = 768
    layers: int = 12
    heads: int = 12
    mlp: int = 3072
    activation: str = "quick_gelu"
    positions: int = 77


def text_model(config: TextConfig) -> "CLIPTextModel":
    """A text encoder with fresh weights, in evaluation mode.

    `transformers` is imported here and not with the module: it takes seconds, and not everybody needs text.
    """
    from transformers import CLIPTextConfig, CLIPTextModel

    described = CLIPTextConfig(
        vocab_size=config.vocab,
        hidden_size=config.width,
        intermediate_size=config.mlp,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        max_position_embeddings=config.positions,
        hidden_act=config.activation,
        bos_token_id=config.vocab - 2,
        eos_token_id=config.vocab - 1,
        pad_token_id=config.vocab - 1,
    )
    model = CLIPTextModel(described)
    readied(model)
    nn.Module.train(model, False)
    return model
