"""Models in whole runs: saved into the output folder, found there again, and read no more often than needed."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nodeflow import Session


def link(place: str) -> dict[str, str]:
    return {"link": place}


def document(**nodes: Any) -> bytes:
    described = {id: {"type": type, "version": 1, "inputs": inputs} for id, (type, inputs) in nodes.items()}
    return json.dumps({"nodeflow": 1, "nodes": described}).encode()


def networks(source: str) -> dict[str, Any]:
    return {name: link(f"{source}.{name}") for name in ("model", "clip", "vae")}


def test_a_checkpoint_is_saved_into_the_output_folder_and_loaded_from_there(
    checkpoint_file: Path, tmp_path: Path
) -> None:
    models, output = tmp_path / "models", tmp_path / "output"
    (models / "checkpoints").mkdir(parents=True)
    shutil.copy(checkpoint_file, models / "checkpoints/first.safetensors")
    saving = document(
        base=("LoadCheckpoint", {"checkpoint": "first.safetensors"}),
        save=("CheckpointSave", {**networks("base"), "filename_prefix": "checkpoints/mine"}),
    )
    with Session(home=tmp_path / "home", models_dirs=[models, output], output_dir=output, device="cpu") as session:
        result = session.run(saving)
        path = output / "checkpoints/mine_00001.safetensors"
        assert list(result.saved["save"]) == [path]
        before, after = load_file(checkpoint_file), load_file(path)
        assert set(before) == set(after)
        assert all(torch.equal(weight, after[name]) for name, weight in before.items())
        with safe_open(path, "pt") as file:
            assert json.loads(file.metadata()["nodeflow"])["nodes"]["base"]["type"] == "LoadCheckpoint"
        assert list(session.run(saving).unchanged) == [path]
        assert [file.name for file in path.parent.glob("*.safetensors")] == [path.name]
        again = document(
            base=("LoadCheckpoint", {"checkpoint": "mine_00001.safetensors"}),
            half=("ModelMergeSimple", {"model1": link("base.model"), "model2": link("base.model"), "ratio": 0.5}),
            save=("ModelSave", {"model": link("half.model"), "filename_prefix": "diffusion_models/half"}),
        )
        session.run(again)
    merged = load_file(output / "diffusion_models/half_00001.safetensors")
    assert all(torch.equal(weight, before[name]) for name, weight in merged.items())


LORA = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"


def learn(models: Path, name: str, level: float, width: int) -> None:
    """Writes a LoRA that is the same everywhere."""
    (models / "loras").mkdir(exist_ok=True)
    parts = {f"{LORA}.lora_up.weight": torch.full((width, 1), level), f"{LORA}.lora_down.weight": torch.ones(1, width)}
    save_file(parts, models / "loras" / name)


def test_a_stack_of_loras_is_one_loader_after_the_other_and_notices_a_file_made_anew(
    checkpoint_file: Path, tmp_path: Path
) -> None:
    models, output = tmp_path / "models", tmp_path / "output"
    (models / "checkpoints").mkdir(parents=True)
    shutil.copy(checkpoint_file, models / "checkpoints/first.safetensors")
    query = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.weight"
    before = load_file(checkpoint_file)[query].float()
    learn(models, "one.safetensors", 1.0, len(before))
    learn(models, "two.safetensors", 4.0, len(before))
    base = ("LoadCheckpoint", {"checkpoint": "first.safetensors"})
    rows = [{"file": "one.safetensors", "strength": 0.5}, {"file": "two.safetensors", "strength": -1.0}]
    last = {"model": link("last.model"), "filename_prefix": "diffusion_models/changed"}
    stacked = document(
        base=base, last=("LoraStack", {"model": link("base.model"), "rows": rows}), save=("ModelSave", last)
    )
    chained = document(
        base=base,
        first=("LoraLoaderModelOnly", {"model": link("base.model"), "lora": "one.safetensors", "strength_model": 0.5}),
        last=("LoraLoaderModelOnly", {"model": link("first.model"), "lora": "two.safetensors", "strength_model": -1.0}),
        save=("ModelSave", last),
    )
    with Session(home=tmp_path / "home", models_dirs=[models], output_dir=output, device="cpu") as session:

        def saved(run: bytes) -> torch.Tensor:
            result = session.run(run)
            (path,) = (*result.saved.get("save", ()), *result.unchanged)
            return load_file(path)[query].float()

        stack = saved(stacked)
        torch.testing.assert_close(stack, before - 3.5, rtol=1e-2, atol=1e-2)
        assert torch.equal(stack, saved(chained))
        learn(models, "two.safetensors", 1.0, len(before))
        torch.testing.assert_close(saved(stacked), before - 0.5, rtol=1e-2, atol=1e-2)
