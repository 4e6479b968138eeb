"""Words learned as vectors: their files, and prompts that use them, against a text encoder with a longer table."""

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodeflow.diffusion.checkpoints import Checkpoint
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.embeddings import numbered, read_embedding, width_of
from nodeflow.diffusion.errors import CheckpointError, ValueRuleError
from nodeflow.diffusion.tokens import END, START

VECTORS = torch.randn(3, 64, generator=torch.Generator().manual_seed(5)) * 0.5


def saved(folder: Path, tensors: Mapping[str, Tensor]) -> Path:
    save_file(dict(tensors), folder / "style.safetensors")
    return folder / "style.safetensors"


def context(micro: Checkpoint, text: str, learned: Mapping[str, Tensor]) -> Tensor:
    return encode(micro.clip, text, learned).entries[0].context


def with_longer_table(micro: Checkpoint, vectors: Tensor) -> Any:
    """The text encoder as transformers would extend it."""
    network: Any = copy.deepcopy(micro.clip.network)
    table = network.get_input_embeddings()
    longer = torch.nn.Embedding(len(table.weight) + len(vectors), 64)
    longer.weight.data = torch.cat([table.weight, vectors])
    network.set_input_embeddings(longer)
    return network.requires_grad_(False)


@pytest.mark.parametrize("skip", [0, 1])
def test_a_learned_word_is_encoded_as_by_a_longer_table(skip: int, micro: Checkpoint) -> None:
    clip = dataclasses.replace(micro.clip, skip=skip)
    found = encode(clip, "a embedding:style cat", {"style": VECTORS}).entries[0].context
    a, cat = clip.tokenizer.encode("a"), clip.tokenizer.encode("cat")
    tokens = [START, *a, 49408, 49409, 49410, *cat, *[END] * (77 - 5 - len(cat))]
    network = with_longer_table(micro, VECTORS)
    hidden = network(input_ids=torch.tensor([tokens]), output_hidden_states=True).hidden_states[-1 - skip]
    torch.testing.assert_close(found, network.final_layer_norm(hidden), rtol=1e-6, atol=1e-6)


def test_vectors_of_known_words_say_what_the_words_say(micro: Checkpoint) -> None:
    table = dict(micro.clip.network.named_parameters())["embeddings.token_embedding.weight"]
    learned = {"pet": table[micro.clip.tokenizer.encode("cat")]}
    found = context(micro, "a (embedding:pet:1.3), (dog:0.8)", learned)
    torch.testing.assert_close(found, context(micro, "a (cat:1.3), (dog:0.8)", {}), rtol=1e-5, atol=1e-5)


def test_several_words_have_numbers_of_their_own(micro: Checkpoint) -> None:
    learned = {"one": VECTORS[:1], "two": VECTORS[1:]}
    assert numbered(micro.clip, learned) == {"one": range(49408, 49409), "two": range(49409, 49411)}
    both, joined = context(micro, "embedding:one embedding:two", learned), context(micro, "embedding:x", {"x": VECTORS})
    torch.testing.assert_close(both, joined)


def test_the_text_encoder_itself_learns_nothing(micro: Checkpoint) -> None:
    before = context(micro, "a cat", {})
    context(micro, "embedding:style", {"style": VECTORS})
    assert torch.equal(context(micro, "a cat", {}), before)
    with pytest.raises(ValueRuleError, match="there is no embedding 'style'"):
        encode(micro.clip, "embedding:style")


@pytest.mark.parametrize(
    "tensors",
    [
        {"emb_params": VECTORS},
        {"<my-style>": VECTORS.half().float()},
        {"string_to_param.*": VECTORS, "string_to_token.*": torch.tensor(265)},
        {"clip_g": torch.ones(2, 1280), "clip_l": VECTORS},
        {"other": torch.zeros(1, 64), "clip_l": VECTORS},
        {"bundle_emb.style.string_to_param.*": VECTORS, "wide": torch.zeros(3, 96)},
    ],
)
def test_every_layout_of_a_file_gives_its_vectors(
    tensors: Mapping[str, Tensor], micro: Checkpoint, tmp_path: Path
) -> None:
    found = read_embedding(saved(tmp_path, tensors), micro.clip)
    torch.testing.assert_close(found, VECTORS, rtol=1e-3, atol=1e-3)


def test_a_single_vector_is_one_token(micro: Checkpoint, tmp_path: Path) -> None:
    assert read_embedding(saved(tmp_path, {"<x>": VECTORS[0].bfloat16()}), micro.clip).shape == (1, 64)
    assert width_of(micro.clip) == 64


REFUSED = (
    (
        {"emb_params": torch.ones(2, 768)},
        r"vectors of 768 features, and .* takes 64: it is made for Stable Diffusion 1$",
    ),
    (
        {"a": torch.ones(1, 5), "b": torch.ones(1, 7)},
        r"it has vectors of 5 or 7 features, and this text encoder takes 64$",
    ),
    ({"step": torch.tensor(5)}, r"it has vectors of no features, and this text encoder takes 64$"),
    ({"emb_params": torch.ones(1, 64, dtype=torch.int32)}, "emb_params holds i32, and vectors of words are floating"),
    ({"emb_params": torch.full((1, 64), float("nan"))}, r"emb_params holds NaN or infinity; the file is damaged$"),
)


@pytest.mark.parametrize(("tensors", "expected"), REFUSED)
def test_a_file_for_something_else_is_refused(
    tensors: Mapping[str, Tensor], expected: str, micro: Checkpoint, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=rf"^style\.safetensors: .*{expected}"):
        read_embedding(saved(tmp_path, tensors), micro.clip)


def test_vectors_of_another_width_are_refused(micro: Checkpoint) -> None:
    with pytest.raises(
        ValueRuleError, match=r"embedding 'x' has the shape \[2, 768\], and the text encoder takes \[n, 64\]"
    ):
        encode(micro.clip, "embedding:x", {"x": torch.ones(2, 768)})
