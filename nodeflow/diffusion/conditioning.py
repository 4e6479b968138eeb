"""Text to conditioning: prompts through a text encoder, with the weights of their pieces."""

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from nodeflow.diffusion.embeddings import numbered, speaking
from nodeflow.diffusion.errors import NonFiniteError, ValueRuleError
from nodeflow.diffusion.memory import threads_for
from nodeflow.diffusion.prompts import EMPTY, Chunk, chunks, left_out, weighted
from nodeflow.diffusion.types import Clip, Conditioning, Entry

LARGEST_WEIGHT = 1000.0
"""Far above what still gives a picture, and far below what overflows."""


@torch.inference_mode()
def encode(clip: Clip, text: str, learned: Mapping[str, Tensor] | None = None) -> Conditioning:
    """Encodes a prompt.

    Args:
        clip: The text encoder.
        text: A prompt of any length, see `prompts` for its syntax.
        learned: The vectors [n, D] of the learned words in it, by name; see `embeddings`.

    Returns:
        One entry whose context is float32 [1, 77 n, D] for n chunks. A position of weight w holds `(z - z0) w + z0`,
        z0 being what the empty prompt has there.

    Raises:
        NonFiniteError: The encoder produced NaN or infinity.
        ValueRuleError: A weight is beyond `LARGEST_WEIGHT`, a learned word is missing or has another width, or the
            encoder was released.
    """
    clip.require_weights()
    learned = learned or {}
    rows = chunks(text, clip.tokenizer, numbered(clip, learned), clip.max_tokens)
    heaviest = max((abs(weight) for row in rows for weight in row.weights), default=0.0)
    if not heaviest <= LARGEST_WEIGHT:
        raise ValueRuleError(
            f"a weight of {heaviest:g} is too large; keep them within {LARGEST_WEIGHT:g} (1 is plain text)"
        )
    sequences = [*rows, EMPTY] if weighted(rows) else rows
    with threads_for(clip.network, clip.device, sum(len(row.tokens) for row in sequences)):
        states = _states(clip, sequences, learned)  # n 77 d
    if not bool(torch.isfinite(states).all()):
        raise NonFiniteError("the text encoder produced NaN or infinity; its file may be damaged, or try dtype fp32")
    if weighted(rows):
        empty = states[-1]
        weights = torch.tensor([row.weights for row in rows], device=states.device)[:, :, None]
        states = (states[:-1] - empty) * weights + empty
    return Conditioning((Entry(states.flatten(0, 1)[None]),))  # 1 (n 77) d


def cut(clip: Clip, text: str, learned: Mapping[str, Tensor] | None = None) -> str:
    """What of a prompt is left out because of `clip.max_tokens`, in small letters; empty when nothing is."""
    clip.require_weights()
    return left_out(text, clip.tokenizer, numbered(clip, learned or {}), clip.max_tokens)


def with_last_layer(clip: Clip, number: int) -> Clip:
    """A text encoder that stops at a layer, counted from the end: -1 is the last; one that it has not is the last too.

    Raises:
        ValueRuleError: A number of 0 or more.
    """
    if number >= 0:
        raise ValueRuleError(f"layers are counted from the end, -1 being the last; found {number}")
    layers = int(getattr(clip.network, "config").num_hidden_layers)  # noqa: B009 - a module's attributes are untyped
    return dataclasses.replace(clip, skip=-number - 1 if -number <= layers else 0)


def _states(clip: Clip, rows: Sequence[Chunk], learned: Mapping[str, Tensor]) -> Tensor:
    """Runs the encoder, leaving out `clip.skip` layers at the end but never the final norm."""
    network = speaking(clip.network, learned) if learned else clip.network
    tokens = torch.tensor([row.tokens for row in rows], device=clip.device)
    if clip.skip == 0:
        states: Tensor = network(input_ids=tokens).last_hidden_state
        return states.float()
    hidden: Tensor = network(input_ids=tokens, output_hidden_states=True).hidden_states[-1 - clip.skip]
    normed: Tensor = _final_norm(network)(hidden)
    return normed.float()


def _final_norm(network: nn.Module) -> nn.Module:
    # Before version 5, transformers put the encoder one level down.
    return network.get_submodule(
        "text_model.final_layer_norm" if hasattr(network, "text_model") else "final_layer_norm"
    )
