"""Models in whole runs: saved into the output folder, found there again, and read no more often than needed."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

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
