"""The nodes that lay LoRA files over a model, against the weights computed by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodeflow.api import InputError
from nodeflow.core.blocked import Blocked
from nodeflow.testing import InvalidDocument, NodeFailed, run_node
from nodeflow_nodes.loaders import Loaded
from nodeflow_nodes.loras import LoraRow, WithLora, lora_loader, lora_loader_model_only, lora_stack

QUERY, MLP = "middle_block.1.transformer_blocks.0.attn1.to_q.weight", "encoder.layers.0.mlp.fc1.weight"
KEYS = {QUERY: "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"}
KEYS[MLP] = "lora_te_text_model_encoder_layers_0_mlp_fc1"


@pytest.fixture
def lora(loaded: Loaded, tmp_path: Path) -> Callable[..., Path]:
    """Writes a LoRA that is 1 everywhere, for the weights that are given."""

    def write(*names: str, file: str = "detail.safetensors", extra: dict[str, Tensor] | None = None) -> Path:
        parts = dict(extra or {})
        for name in names:
            outer, inner = weight(loaded, name).shape
            parts[f"{KEYS[name]}.lora_up.weight"] = torch.ones(outer, 1)
            parts[f"{KEYS[name]}.lora_down.weight"] = torch.ones(1, inner)
        save_file(parts, tmp_path / file)
        return tmp_path / file

    return write


def weight(value: Loaded | WithLora, name: str) -> Tensor:
    network = value.model.network if name == QUERY else value.clip.network
    return network.state_dict()[name]


def added(value: WithLora, loaded: Loaded, name: str) -> float:
    """What was added to every number of a weight."""
    (number,) = {round(float(each), 4) for each in (weight(value, name) - weight(loaded, name)).flatten()}
    return number


def test_each_network_gets_its_strength(loaded: Loaded, lora: Callable[..., Path], recorder: Any) -> None:
    found = lora_loader(loaded.model, loaded.clip, lora(QUERY, MLP), 0.5, -2.0, run=recorder)
    assert (added(found, loaded, QUERY), added(found, loaded, MLP)) == (0.5, -2.0)
    assert recorder.warnings == []


def test_with_both_strengths_zero_the_file_is_not_read(loaded: Loaded, tmp_path: Path) -> None:
    found = lora_loader(loaded.model, loaded.clip, tmp_path / "absent.safetensors", 0, 0)
    assert (found.model, found.clip) == (loaded.model, loaded.clip)
    assert lora_loader_model_only(loaded.model, tmp_path / "absent.safetensors", 0) is loaded.model


def test_a_model_alone_is_changed_alone(loaded: Loaded, lora: Callable[..., Path], recorder: Any) -> None:
    found = lora_loader_model_only(loaded.model, lora(QUERY, MLP), 3.0, run=recorder)
    assert added(WithLora(found, loaded.clip), loaded, QUERY) == 3.0
    assert recorder.warnings == []


def test_names_that_mean_nothing_are_a_warning(loaded: Loaded, lora: Callable[..., Path], recorder: Any) -> None:
    strange = {f"lora_unet_nowhere_{number}.diff": torch.ones(1) for number in range(5)}
    lora_loader(loaded.model, loaded.clip, lora(QUERY, extra=strange), run=recorder)
    (told,) = recorder.warnings
    assert told.startswith("detail.safetensors: 5 of 6 names mean nothing here: lora_unet_nowhere_")
    assert told.endswith(" and 2 more")


def test_a_file_for_something_else_is_told_of_its_input(loaded: Loaded, lora: Callable[..., Path]) -> None:
    file = lora(extra={"lora_unet_double_blocks_0_img_attn_qkv.diff": torch.ones(1)})
    expected = r"^lora: detail\.safetensors: it is made for Flux, .*; none of its names is a layer of the denoising"
    with pytest.raises(InputError, match=expected):
        lora_loader(loaded.model, loaded.clip, file)
    with pytest.raises(
        InputError, match=r"^rows\[1\]\.file: detail\.safetensors: it is made for Flux, .*none of its names"
    ):
        lora_stack(loaded.model, [LoraRow(file=file, strength=0), LoraRow(file=file)])


def test_a_stack_adds_up_all_its_files(loaded: Loaded, lora: Callable[..., Path]) -> None:
    both, one = lora(QUERY, MLP), lora(QUERY, file="one.safetensors")
    rows = [LoraRow(file=both), LoraRow(file=one, strength=0.25), LoraRow(file=both, strength=2, strength_clip=-0.5)]
    found = lora_stack(loaded.model, rows, loaded.clip)
    assert (added(found, loaded, QUERY), added(found, loaded, MLP)) == (3.25, 0.5)


def test_a_stack_without_text_encoder_gives_none(loaded: Loaded, lora: Callable[..., Path]) -> None:
    found = run_node(lora_stack, model=loaded.model, rows=[LoraRow(file=lora(QUERY, MLP))])
    assert added(WithLora(found.value.model, loaded.clip), loaded, QUERY) == 1.0
    assert found.value.clip == Blocked("no text encoder is linked to the stack")


def test_an_empty_stack_hands_on_what_it_was_given(loaded: Loaded) -> None:
    assert lora_stack(loaded.model, (), loaded.clip) == WithLora(loaded.model, loaded.clip)


def test_strengths_are_bounded_as_in_comfyui(loaded: Loaded, lora: Callable[..., Path]) -> None:
    with pytest.raises(InvalidDocument, match=r"strength_model: 101 is above the range.*≥ -100, ≤ 100"):
        run_node(lora_loader, model=loaded.model, clip=loaded.clip, lora=lora(QUERY), strength_model=101)


def test_a_damaged_file_fails_the_node_in_one_line(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"nonsense and more of it")
    with pytest.raises(NodeFailed, match=r"^LoraLoaderModelOnly .* lora: bad\.safetensors: ") as failure:
        run_node(lora_loader_model_only, model=loaded.model, lora=tmp_path / "bad.safetensors")
    assert "\n" not in str(failure.value)


def test_what_a_file_has_for_another_text_encoder_is_no_matter_at_strength_zero(
    loaded: Loaded, lora: Callable[..., Path], recorder: Any
) -> None:
    file = lora(QUERY, extra={"lora_te_text_model_encoder_layers_9_mlp_fc1.diff": torch.ones(1)})
    with pytest.raises(InputError, match="none of its names is a layer of the text encoder"):
        lora_loader(loaded.model, loaded.clip, file)
    found = lora_loader(loaded.model, loaded.clip, file, 1.0, 0.0, run=recorder)
    assert (added(found, loaded, QUERY), found.clip) == (1.0, loaded.clip)
    assert "1 of 2 names mean nothing here: lora_te_text_model_encoder_layers_9_mlp_fc1" in recorder.warnings[0]
