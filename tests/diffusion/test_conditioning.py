"""Prompts through the text encoder, against another engine and against transformers.

Tolerance 1e-5 relative in fp32: two implementations of one encoder differ by about 3e-7.
"""

import copy
import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.conditioning import cut, encode, with_last_layer
from nodeflow.diffusion.errors import NonFiniteError, ValueRuleError
from nodeflow.diffusion.prompts import chunks
from nodeflow.diffusion.types import Clip

TOLERANCE = 1e-5
PROMPTS = {
    "prompt.cat": "a photo of a (cat:1.3)",
    "prompt.empty": "",
    "prompt.nested": "((red)) apple, [blue] (sky:0.5) \\(literal\\)",
}


def states(clip: Clip, text: str) -> Tensor:
    (entry,) = encode(clip, text).entries
    assert entry.pooled is None
    return entry.context


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_agrees_with_comfyui(
    name: str, micro: Checkpoint, golden: dict[str, Tensor], relative: Callable[[Tensor, Tensor], float]
) -> None:
    assert relative(states(micro.clip, PROMPTS[name]), golden[name]) < TOLERANCE


@pytest.mark.parametrize("skip", [0, 1])
def test_the_encoder_agrees_with_a_forward_pass_written_out(
    skip: int, micro: Checkpoint, relative: Callable[[Tensor, Tensor], float]
) -> None:
    clip = dataclasses.replace(micro.clip, skip=skip)
    (chunk,) = chunks("a photo of a cat", clip.tokenizer)
    expected = forward(dict(clip.network.state_dict()), torch.tensor(chunk.tokens), layers=2 - skip)
    assert relative(states(clip, "a photo of a cat")[0], expected) < TOLERANCE


def forward(weights: dict[str, Tensor], tokens: Tensor, layers: int) -> Tensor:
    """CLIP's text encoder of one head (Radford et al. 2021, 2103.00020), from its weights alone."""
    w = {name.removeprefix("text_model."): weight.float() for name, weight in weights.items()}

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        spread = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["embeddings.token_embedding.weight"][tokens] + w["embeddings.position_embedding.weight"]
    causal = torch.full((len(tokens), len(tokens)), float("-inf")).triu(1)
    for layer in range(layers):
        name = f"encoder.layers.{layer}"
        h = norm(x, f"{name}.layer_norm1")
        q, k, v = (linear(h, f"{name}.self_attn.{which}_proj") for which in "qkv")
        h = (q @ k.T / q.shape[-1] ** 0.5 + causal).softmax(-1) @ v
        x = x + linear(h, f"{name}.self_attn.out_proj")
        h = linear(norm(x, f"{name}.layer_norm2"), f"{name}.mlp.fc1")
        x = x + linear(h * torch.sigmoid(1.702 * h), f"{name}.mlp.fc2")
    return norm(x, "final_layer_norm")


@pytest.mark.parametrize("number", [-1, -2])
def test_layers_counted_from_the_end_agree_with_transformers(number: int, micro: Checkpoint) -> None:
    clip = with_last_layer(micro.clip, number)
    (chunk,) = chunks("a photo of a cat", clip.tokenizer)
    hidden = micro.clip.network(input_ids=torch.tensor([chunk.tokens]), output_hidden_states=True).hidden_states
    expected = micro.clip.network.get_submodule("final_layer_norm")(hidden[number])
    torch.testing.assert_close(states(clip, "a photo of a cat"), expected, rtol=1e-6, atol=1e-6)


def test_a_layer_that_is_not_there_is_the_last_one(micro: Checkpoint) -> None:
    assert [with_last_layer(micro.clip, number).skip for number in (-1, -2, -3, -24)] == [0, 1, 0, 0]
    with pytest.raises(ValueRuleError, match="layers are counted from the end, -1 being the last; found 0"):
        with_last_layer(micro.clip, 0)


def test_a_limit_of_tokens_cuts_the_prompt_and_tells_what_is_missing(micro: Checkpoint) -> None:
    clip = dataclasses.replace(micro.clip, max_tokens=2)
    assert torch.equal(states(clip, "a cat on a mat"), states(micro.clip, "a cat"))
    assert cut(clip, "a cat on a mat") == "on a mat"
    assert cut(micro.clip, "a cat on a mat") == ""


def test_ten_thousand_words_are_encoded(micro: Checkpoint) -> None:
    assert states(micro.clip, "word " * 10_000).shape == (1, 77 * 134, 64)


@pytest.mark.parametrize("text", ["\x00", "a\x00b (c\x07:1.2)", "\ud83d", "\x1b[31m", "\U0010fffd"])
def test_control_characters_are_encoded_like_any_other(text: str, micro: Checkpoint) -> None:
    assert bool(torch.isfinite(states(micro.clip, text)).all())


def test_a_long_prompt_is_its_chunks_side_by_side(micro: Checkpoint) -> None:
    long = states(micro.clip, "word " * 100)
    assert long.shape == (1, 154, 64)
    torch.testing.assert_close(long[:, :77], states(micro.clip, "word " * 75), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(long[:, 77:], states(micro.clip, "word " * 25), rtol=1e-5, atol=1e-5)


def test_a_weight_moves_a_position_away_from_the_empty_prompt(micro: Checkpoint) -> None:
    plain, heavy, empty = (states(micro.clip, text) for text in ("a cat", "a (cat:2)", ""))
    expected = plain.clone()
    expected[:, 2] = (plain[:, 2] - empty[:, 2]) * 2 + empty[:, 2]  # start, a, cat
    torch.testing.assert_close(heavy, expected, rtol=1e-5, atol=1e-5)


def test_a_weight_of_zero_is_the_empty_prompt_at_that_position(micro: Checkpoint) -> None:
    none, empty = states(micro.clip, "a (cat:0)"), states(micro.clip, "")
    torch.testing.assert_close(none[:, 2], empty[:, 2], rtol=1e-5, atol=1e-5)


def test_weights_that_overflow_are_refused(micro: Checkpoint) -> None:
    with pytest.raises(ValueRuleError, match=r"a weight of .* is too large"):
        encode(micro.clip, "a (cat:1e39)")


def test_nan_from_the_encoder_is_an_error_that_names_it(micro: Checkpoint) -> None:
    network = copy.deepcopy(micro.clip.network)
    for weight in network.parameters():
        weight.fill_(float("nan"))
    with pytest.raises(NonFiniteError, match="text encoder produced NaN or infinity"):
        encode(dataclasses.replace(micro.clip, network=network), "a cat")


def test_a_released_encoder_says_so(micro: Checkpoint) -> None:
    clip = dataclasses.replace(micro.clip, network=torch.nn.Linear(1, 1))
    clip.release()
    with pytest.raises(ValueRuleError, match="this clip was released"):
        encode(clip, "a cat")
