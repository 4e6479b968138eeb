"""Text to conditioning: prompts through a text encoder, with the weights of their pieces."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nodeflow.diffusion.errors import NonFiniteError, ValueRuleError
from nodeflow.diffusion.memory import threads_for
from nodeflow.diffusion.prompts import EMPTY, Chunk, chunks, weighted
from nodeflow.diffusion.types import Clip, Conditioning, Entry

LARGEST_WEIGHT = 1000.0
"""Far above what still gives a picture, and far below what overflows."""


@torch.inference_mode()
def encode(clip: Clip, text: str) -> Conditioning:
    """Encodes a prompt.

    Args:
        clip: The text encoder.
        text: A prompt of any length, see `prompts` for its syntax.

    Returns:
        One entry whose context is float32 [1, 77 n, D] for n chunks. A position of weight w holds `(z - z0) w + z0`,
        z0 being what the empty prompt has there.

    Raises:
        NonFiniteError: The encoder produced NaN or infinity.
        ValueRuleError: A weight is beyond `LARGEST_WEIGHT`, or the encoder was released.
    """
    clip.require_weights()
    rows = chunks(text, clip.tokenizer)
    heaviest = max((abs(weight) for row in rows for weight in row.weights), default=0.0)
    if not heaviest <= LARGEST_WEIGHT:
        raise ValueRuleError(
            f"a weight of {heaviest:g} is too large; keep them within {LARGEST_WEIGHT:g} (1 is plain text)"
        )
    sequences = [*rows, EMPTY] if weighted(rows) else rows
    with threads_for(clip.network, clip.device, sum(len(row.tokens) for row in sequences)):
        states = _states(clip, sequences)  # n 77 d
    if not bool(torch.isfinite(states).all()):
        raise NonFiniteError("the text encoder produced NaN or infinity; its file may be damaged, or try dtype fp32")
    if weighted(rows):
        empty = states[-1]
        weights = torch.tensor([row.weights for row in rows], device=states.device)[:, :, None]
        states = (states[:-1] - empty) * weights + empty
    return Conditioning((Entry(states.flatten(0, 1)[None]),))  # 1 (n 77) d


def _states(clip: Clip, rows: Sequence[Chunk]) -> Tensor:
    """Runs the encoder, leaving out `clip.skip` layers at the end but never the final norm."""
    tokens = torch.tensor([row.tokens for row in rows], device=clip.device)
    if clip.skip == 0:
        states: Tensor = clip.network(input_ids=tokens).last_hidden_state
        return states.float()
    hidden: Tensor = clip.network(input_ids=tokens, output_hidden_states=True).hidden_states[-1 - clip.skip]
    normed: Tensor = _final_norm(clip.network)(hidden)
    return normed.float()


def _final_norm(network: nn.Module) -> nn.Module:
    # Before version 5, transformers put the encoder one level down.
    return network.get_submodule(
        "text_model.final_layer_norm" if hasattr(network, "text_model") else "final_layer_norm"
    )
