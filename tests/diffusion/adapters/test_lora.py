"""What laying a LoRA over a network does to it, and to the network it comes from; files that cannot be used."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.adapters.lora import Adapted, adapt
from nodeflow.diffusion.adapters.lorafile import describe, read_lora
from nodeflow.diffusion.adapters.targets import targets
from nodeflow.diffusion.checkpoints import Checkpoint, load_checkpoint
from nodeflow.diffusion.checkpoints.diffusersnames import unet_renaming
from nodeflow.diffusion.errors import CheckpointError, ValueRuleError
from nodeflow.diffusion.sampling import sample
from nodeflow.diffusion.types import Latent, Model

Draw = Callable[..., Tensor]
Save = Callable[..., Path]

ATTENTION = "input_blocks.1.1.transformer_blocks.0.attn2.to_k"
CONVOLUTION = "output_blocks.0.0.in_layers.2"
TEXT = "encoder.layers.0.mlp.fc1"
UNET_KEY, TEXT_KEY = "lora_unet_" + ATTENTION.replace(".", "_"), "lora_te_text_model_encoder_layers_0_mlp_fc1"


def weight(model: Model, layer: str) -> Tensor:
    return model.network.state_dict()[f"{layer}.weight"]


def pair(key: str, shape: tuple[int, ...], draw: Draw, rank: int = 2, alpha: float | None = None) -> dict[str, Tensor]:
    """A LoRA for one layer in kohya's spelling."""
    outer, inner, *kernel = shape
    parts = {f"{key}.lora_up.weight": draw(outer, rank, *[1] * len(kernel))}
    parts[f"{key}.lora_down.weight"] = draw(rank, inner, *kernel)
    return parts if alpha is None else parts | {f"{key}.alpha": torch.tensor(alpha)}


def product(parts: Mapping[str, Tensor], key: str) -> Tensor:
    up, down = parts[f"{key}.lora_up.weight"], parts[f"{key}.lora_down.weight"]
    return torch.einsum("or...,ri...->oi...", up, down)


@pytest.mark.parametrize("layer", [ATTENTION, CONVOLUTION])
@pytest.mark.parametrize("prefix", ["lora_unet_", "diffusion_model.", "lycoris_", "", "base_model.model."])
def test_a_layer_is_known_by_each_of_its_names(
    layer: str, prefix: str, micro: Checkpoint, draw: Draw, saved: Save
) -> None:
    own = prefix in ("lora_unet_", "diffusion_model.")
    name = layer if own else unet_renaming(micro.model.network.state_dict()).to_theirs(layer)
    assert name is not None
    key = prefix + (name.replace(".", "_") if prefix.endswith("_") else name)
    parts = pair(key, tuple(weight(micro.model, layer).shape), draw, alpha=1.0)
    found = adapt(read_lora(saved(parts)), micro.model)
    expected = weight(micro.model, layer) + 0.5 * product(parts, key)
    torch.testing.assert_close(weight(found.model, layer), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "key",
    [
        TEXT_KEY,
        f"text_encoder.text_model.{TEXT}",
        f"text_encoder.{TEXT}",
        f"text_encoders.clip_l.transformer.text_model.{TEXT}",
    ],
)
def test_a_layer_of_the_text_encoder_is_known_by_each_of_its_names(
    key: str, micro: Checkpoint, draw: Draw, saved: Save
) -> None:
    before = micro.clip.network.get_submodule(TEXT).weight
    parts = pair(key, tuple(before.shape), draw)
    found = adapt(read_lora(saved(parts)), micro.model, micro.clip, strength_clip=-2.0)
    assert found.model is micro.model
    assert found.clip is not None
    after = found.clip.network.get_submodule(TEXT).weight
    torch.testing.assert_close(after, before - 2 * product(parts, key), rtol=1e-5, atol=1e-6)


def test_the_base_stays_and_shares_what_the_file_does_not_change(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    before = {name: value.clone() for name, value in micro.model.network.state_dict().items()}
    file = read_lora(saved(pair(UNET_KEY, tuple(weight(micro.model, ATTENTION).shape), draw)))
    found = adapt(file, micro.model, micro.clip)
    assert all(torch.equal(value, before[name]) for name, value in micro.model.network.state_dict().items())
    assert found.clip is micro.clip
    own = found.model.storages.keys() - micro.model.storages.keys()
    assert sum(found.model.storages[each] for each in own) == weight(found.model, ATTENTION).nbytes


def test_a_second_file_starts_from_the_numbers_of_the_checkpoint(micro_file: Path, draw: Draw, saved: Save) -> None:
    rounded, exact = (load_checkpoint(micro_file, dtype=dtype).model for dtype in ("bf16", "fp32"))
    shape = tuple(weight(exact, ATTENTION).shape)
    both = [pair(UNET_KEY, shape, draw), pair(UNET_KEY, shape, draw)]
    for number, parts in enumerate(both):
        rounded = adapt(read_lora(saved(parts, f"{number}.safetensors")), rounded).model
    expected = (weight(exact, ATTENTION) + product(both[0], UNET_KEY) + product(both[1], UNET_KEY)).bfloat16()
    assert torch.equal(weight(rounded, ATTENTION), expected)


def test_what_is_added_and_taken_away_again_leaves_the_very_numbers(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    file = read_lora(saved(pair(UNET_KEY, tuple(weight(micro.model, ATTENTION).shape), draw)))
    back = adapt(file, adapt(file, micro.model).model, strength_model=-1.0).model
    torch.testing.assert_close(weight(back, ATTENTION), weight(micro.model, ATTENTION), rtol=1e-6, atol=1e-7)


def test_strength_zero_hands_on_what_came_in(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    parts = pair(UNET_KEY, tuple(weight(micro.model, ATTENTION).shape), draw) | pair(TEXT_KEY, (128, 64), draw)
    found = adapt(read_lora(saved(parts)), micro.model, micro.clip, strength_model=0, strength_clip=0)
    assert found == Adapted(micro.model, micro.clip, ())


def test_two_spellings_of_one_layer_add_up(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    other = f"diffusion_model.{ATTENTION}"
    shape = tuple(weight(micro.model, ATTENTION).shape)
    parts = pair(UNET_KEY, shape, draw) | pair(other, shape, draw)
    expected = weight(micro.model, ATTENTION) + product(parts, UNET_KEY) + product(parts, other)
    found = weight(adapt(read_lora(saved(parts)), micro.model).model, ATTENTION)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_differences_of_weights_and_biases_are_added(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    key = f"diffusion_model.{CONVOLUTION}"
    before = micro.model.network.get_submodule(CONVOLUTION)
    parts = {f"{key}.diff": draw(*before.weight.shape), f"{key}.diff_b": draw(*before.bias.shape)}
    parts["diffusion_model.out.0.b_norm"] = draw(32)
    found = adapt(read_lora(saved(parts)), micro.model, strength_model=0.5).model.network
    after = found.get_submodule(CONVOLUTION)
    torch.testing.assert_close(after.weight, before.weight + 0.5 * parts[f"{key}.diff"])
    torch.testing.assert_close(after.bias, before.bias + 0.5 * parts[f"{key}.diff_b"])
    bias = micro.model.network.get_submodule("out.0").bias + 0.5 * parts["diffusion_model.out.0.b_norm"]
    torch.testing.assert_close(found.get_submodule("out.0").bias, bias)


def test_a_picture_comes_out_as_with_the_weights_written_out(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    from nodeflow.diffusion.conditioning import encode

    parts = pair(UNET_KEY, tuple(weight(micro.model, ATTENTION).shape), draw) | pair(TEXT_KEY, (128, 64), draw)
    found = adapt(read_lora(saved(parts)), micro.model, micro.clip)
    assert found.clip is not None
    written = {name: value.clone() for name, value in micro.model.network.state_dict().items()}
    written[f"{ATTENTION}.weight"] += product(parts, UNET_KEY)
    by_hand = dataclasses.replace(micro.model, network=type(micro.model.network)(micro.model.network.config))
    by_hand.network.load_state_dict(written)
    text = {name: value.clone() for name, value in micro.clip.network.state_dict().items()}
    text[f"{TEXT}.weight"] += product(parts, TEXT_KEY)
    texts = dataclasses.replace(micro.clip, network=type(micro.clip.network)(micro.clip.network.config))
    texts.network.load_state_dict(text)
    texts.network.eval()

    def latents(model: Model, clip: object) -> Tensor:
        positive, negative = encode(clip, "a cat"), encode(clip, "")  # type: ignore[arg-type]
        start = Latent(torch.zeros(1, 4, 8, 8), micro.vae.latent_format)
        *_, last = sample(model, positive, negative, start, seed=1, steps=3, cfg=4.0)
        return last.latent.samples

    changed, expected = latents(found.model, found.clip), latents(by_hand, texts)
    torch.testing.assert_close(changed, expected, rtol=1e-5, atol=1e-5)
    assert float((changed - latents(micro.model, micro.clip)).abs().max()) > 1e-3


def test_names_that_mean_nothing_here_are_told(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    shape = tuple(weight(micro.model, ATTENTION).shape)
    parts = pair(UNET_KEY, shape, draw) | pair("lora_unet_somewhere_else", (4, 4), draw) | {"emb.vector": draw(3)}
    assert adapt(read_lora(saved(parts)), micro.model, micro.clip).unused == ("lora_unet_somewhere_else", "emb.vector")


def test_what_is_meant_for_a_text_encoder_is_passed_over_without_one(
    micro: Checkpoint, draw: Draw, saved: Save
) -> None:
    parts = pair(UNET_KEY, tuple(weight(micro.model, ATTENTION).shape), draw) | pair(TEXT_KEY, (128, 64), draw)
    found = adapt(read_lora(saved(parts)), micro.model)
    assert found.unused == ()
    assert found.clip is None


def test_a_file_for_another_family_is_refused_with_what_it_is_for(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    file = read_lora(saved(pair(UNET_KEY, (32, 2048), draw)))
    expected = (
        r"^detail.safetensors: it is made for Stable Diffusion XL, and this model is Stable Diffusion 1; "
        rf"{UNET_KEY}\.lora_down\.weight \[2, 2048\].* make no change of the shape \[32, 64\], "
        rf"which {ATTENTION}.weight has here; the file is damaged, or made for a model of another width: take"
    )
    with pytest.raises(CheckpointError, match=expected):
        adapt(file, micro.model)


def test_a_checkpoint_that_was_exchanged_meanwhile_is_told(
    micro_file: Path, tmp_path: Path, draw: Draw, saved: Save
) -> None:
    copied, other = tmp_path / "model.safetensors", tmp_path / "other.safetensors"
    for path in (copied, other):
        path.write_bytes(micro_file.read_bytes())
    model = load_checkpoint(copied).model
    other.replace(copied)
    with pytest.raises(CheckpointError, match=r"^model\.safetensors: the file has changed since it was loaded"):
        adapt(read_lora(saved(pair(UNET_KEY, (32, 64), draw))), model)


def test_a_model_that_was_released_is_told(micro_file: Path, draw: Draw, saved: Save) -> None:
    model = load_checkpoint(micro_file).model
    model.release()
    with pytest.raises(ValueRuleError, match="this model was released; load it again"):
        adapt(read_lora(saved(pair(UNET_KEY, (32, 64), draw))), model)


REFUSED: tuple[tuple[Mapping[str, Tensor], str], ...] = (
    (
        {"model.weight": torch.ones(1)},
        "this is no LoRA: nothing in it is a change of a layer; its first name is model.w",
    ),
    ({"decoder.conv_in.weight": torch.ones(8, 4, 3, 3)}, "this is no LoRA: it is an autoencoder"),
    ({"a.lora_up.weight": torch.ones(2, 2)}, "damaged: of a there is only a.lora_up.weight"),
    ({"a.alpha": torch.ones(())}, "damaged: of a there is only a.alpha"),
    ({"a.hada_w1_a": torch.ones(2, 2)}, "damaged: of a there is only a.hada_w1_a"),
    (
        {"a.diff": torch.ones(2), "a.alpha": torch.ones(2)},
        r"damaged: a.alpha should be one number, and has the shape \[2\]",
    ),
    (
        {"a.lora_down.weight": torch.ones(0, 2), "a.lora_up.weight": torch.ones(2, 0)},
        r"damaged: rank 0: a\.lora_(down|up)\.weight has the shape \[(0, 2|2, 0)\]; download the file again",
    ),
    (
        {"a.lora_down.weight": torch.ones(1, 2), "a.lora_up.weight": torch.ones(2, 1, dtype=torch.int8)},
        r"a\.lora_up\.weight holds i8, and a change of weights is made of floating-point numbers; take the file",
    ),
    ({"a.diff": torch.ones(2), "a.alpha": torch.tensor(float("nan"))}, "damaged: the alpha of a is nan"),
)


@pytest.mark.parametrize(("tensors", "expected"), REFUSED)
def test_a_file_that_is_no_sound_lora_is_refused(tensors: Mapping[str, Tensor], expected: str, saved: Save) -> None:
    with pytest.raises(CheckpointError, match=f"^detail.safetensors: {expected}"):
        read_lora(saved(tensors))


def test_a_file_without_one_layer_of_the_model_is_refused(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    parts = {}
    for block in range(5):
        parts |= pair(f"lora_unet_double_blocks_{block}_img_attn_qkv", (4, 4), draw)
    expected = (
        "it is made for Flux, and this model is Stable Diffusion 1; "
        "none of its names is a layer of the denoising network here: lora_unet_double_blocks_0.* and 2 more"
    )
    with pytest.raises(CheckpointError, match=expected):
        adapt(read_lora(saved(parts)), micro.model)
    text = read_lora(saved(pair("lora_te2_text_model_encoder_layers_0_mlp_fc1", (4, 4), draw)))
    with pytest.raises(
        CheckpointError,
        match=r"it is made for Stable Diffusion XL; none of its names is a layer of the text encoder here: lora_te2",
    ):
        adapt(text, micro.model, micro.clip)


def test_a_file_for_text_encoders_alone_needs_one(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    with pytest.raises(CheckpointError, match="it changes a text encoder only, and there is none here"):
        adapt(read_lora(saved(pair(TEXT_KEY, (128, 64), draw))), micro.model)


def test_a_bias_where_there_is_none_is_refused(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    with pytest.raises(CheckpointError, match=rf"it changes the bias of {ATTENTION}, which has none here"):
        adapt(read_lora(saved({f"{UNET_KEY}.diff_b": draw(32)})), micro.model)


def test_numbers_that_are_none_are_told_with_their_place(micro: Checkpoint, draw: Draw, saved: Save) -> None:
    parts = pair(UNET_KEY, tuple(weight(micro.model, ATTENTION).shape), draw)
    parts[f"{UNET_KEY}.lora_up.weight"][0, 0] = float("inf")
    with pytest.raises(CheckpointError, match=r"lora_up.weight holds NaN or infinity; the file is damaged"):
        adapt(read_lora(saved(parts)), micro.model)


@pytest.mark.parametrize("strength", [float("nan"), float("inf")])
def test_a_strength_is_a_number(strength: float, micro: Checkpoint, draw: Draw, saved: Save) -> None:
    file = read_lora(saved(pair(UNET_KEY, (32, 64), draw)))
    with pytest.raises(ValueRuleError, match="strength_model must be a finite number"):
        adapt(file, micro.model, strength_model=strength)


@pytest.mark.parametrize("metadata", ["not json", "[1]", '{"unet.lora_alpha": "x"}'])
def test_metadata_that_say_nothing_leave_the_scale_at_one(
    metadata: str, micro: Checkpoint, draw: Draw, saved: Save
) -> None:
    file = read_lora(saved(pair(UNET_KEY, (32, 64), draw), lora_adapter_metadata=metadata))
    assert [layer.scale for layer in file.layers.values()] == [1.0]


def test_few_names_are_all_shown() -> None:
    assert describe(["a", "b"]) == "a, b"
    assert describe(["a", "b", "c", "d"]) == "a, b, c and 1 more"


def test_every_layer_of_a_network_has_names(micro: Checkpoint) -> None:
    layers = {name.removesuffix(".weight") for name, _ in micro.clip.network.named_parameters() if "weight" in name}
    assert set(targets(micro.clip).values()) == layers
