"""``nodeflow nodes``, ``models``, ``check`` and ``explain``: what they say."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.cli.conftest import Shell, document, interface


def test_nodes_are_listed_by_category(shell: Shell) -> None:
    said = shell("nodes")
    assert said.code == 0
    lines = said.out.splitlines()
    assert "sampling:" in lines
    assert any(line.split()[0] == "KSampler" and "noise" in line for line in lines)


def test_a_page_tells_all_about_a_node(shell: Shell) -> None:
    page = shell("nodes", "KSampler").out
    for part in ("model", "required", "default 20", "≥ 1, ≤ 10000", '"euler"', "outputs:", "latent", "Latent"):
        assert part in page
    assert re.search(r"seed +int +default 0; ≥ 0", page)
    assert "a file in checkpoints" in shell("nodes", "LoadCheckpoint").out
    assert "may name files in embeddings" in shell("nodes", "CLIPTextEncode").out
    assert "computed only when needed" in shell("nodes", "Switch").out


def test_a_page_tells_what_is_in_the_rows_of_an_input(shell: Shell) -> None:
    page = shell("nodes", "ForEach").out
    assert "passed[].name     str           required. Of the input." in page
    assert "passed[].content  any           required. Its value, or a link to one." in page
    assert "computed only when needed" not in page


def test_a_pack_that_fails_is_named_and_the_others_stay(shell: Shell, home: Path) -> None:
    pack = home / "packs" / "failing"
    pack.mkdir()
    (pack / "__init__.py").write_text("raise ValueError('no such luck')\n")
    try:
        said = shell("nodes")
        assert said.code == 0
        assert "KSampler" in said.out
        assert "failing" in said.err
        assert "no such luck" in said.err
        said = shell("nodes", "failing.Blur")
        assert (said.code, said.out) == (7, "")
        assert "no such luck" in said.err
        for command in ("check", "run"):
            said = shell(command, "-", stdin=document({"n": ("failing.Blur", {})}))
            assert said.code == 7
            assert "no such luck" in said.err
    finally:
        shutil.rmtree(pack)


def test_a_node_and_the_whole_catalogue_are_json_for_tools(shell: Shell) -> None:
    sampler = shell("nodes", "KSampler", "--json").report
    assert (sampler["id"], sampler["kind"]) == ("KSampler", "pure")
    steps = next(item for item in sampler["inputs"] if item["name"] == "steps")
    assert (steps["default"], steps["range"]["ge"]) == (20, 1)
    catalogue = shell("nodes", "--json").report
    assert catalogue["nodes"]["KSampler"] == sampler
    assert set(catalogue) == {"packs", "nodes", "converters", "sockets", "kinds", "choices", "problems"}
    assert catalogue["packs"]["shelltest"]["version"] == "1.0"
    assert "txt2img" in catalogue["packs"]["nodeflow_nodes"]["workflows"]
    assert catalogue["kinds"]["checkpoints"]["folder"] == "checkpoints"
    assert catalogue["sockets"]["Image"]["color"] == "#64b5f6"
    assert "euler" in catalogue["choices"]["samplers"]


def test_packs_are_listed_with_what_they_bring(shell: Shell) -> None:
    pages = shell("nodes", "--packs").out
    assert pages == shell("nodes", "--packs").out
    assert "nodeflow_nodes 0.1.0" in pages
    assert "Model #b39ddb, in memory only" in pages
    assert "loras: models/loras/*.safetensors" in pages
    said = shell("nodes", "KSampler", "--packs")
    assert (said.code, said.out) == (2, "")
    assert "leave out KSampler, or --packs" in said.err


def test_a_broken_entry_of_a_models_folder_is_told_and_no_name_steers_the_terminal(shell: Shell, place: Path) -> None:
    folder = place / "more/checkpoints"
    folder.mkdir(parents=True)
    (folder / "loop.safetensors").symlink_to("loop.safetensors")
    (folder / "a\x1b[31m\nb.safetensors").write_bytes(b"")
    said = shell("models", "--models-dir", "more")
    assert (said.code, said.err) == (0, "")
    assert "  more/checkpoints/loop.safetensors is not used: it is a link to loop.safetensors: too many" in said.out
    assert "  a\\x1b[31m\\nb.safetensors  " in said.out
    assert "\x1b" not in said.out


def test_models_are_listed_from_their_headers(shell: Shell, place: Path) -> None:
    folder = place / "more" / "checkpoints"
    folder.mkdir(parents=True)
    save_file({"a": torch.zeros(1000, 2), "b": torch.zeros(3, dtype=torch.float16)}, folder / "good.safetensors")
    (folder / "cut.safetensors").write_bytes((folder / "good.safetensors").read_bytes()[:-100])
    (folder / "old.ckpt").write_bytes(b"x")
    (folder / "text.safetensors").write_bytes(b"what")
    (folder / "list.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0[]")
    (folder / "odd.safetensors").write_bytes(b"\7\0\0\0\0\0\0\0" + b'{"a":1}')
    (folder / "broken.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{{")
    said = shell("models", "--models-dir", "more")
    lines = {line.split()[0]: line for line in said.out.splitlines() if line.strip()}
    assert "fp32" in lines["good.safetensors"]
    assert "an unknown kind of file" in lines["good.safetensors"]
    assert "0.0 M parameters in 2 tensors" in lines["good.safetensors"]
    assert "damaged: the file is truncated: its tensors take 8,006 bytes, 7,906 are there" in lines["cut.safetensors"]
    assert "nodeflow convert makes a safetensors file of it" in lines["old.ckpt"]
    for name in ("text", "list", "odd", "broken"):
        assert "damaged" in lines[f"{name}.safetensors"]
    assert "--models-dir" in said.out
    listed = json.loads(shell("models", "--json", "--models-dir", "more").out)
    assert {file["name"] for file in listed["files"] if file["kind"] == "checkpoints"} >= {
        "good.safetensors",
        "old.ckpt",
    }
    good = next(file for file in listed["files"] if file["name"] == "good.safetensors")
    assert (good["family"], good["precision"], good["parameters"], good["usable"]) == (None, "fp32", 2003, True)
    assert listed["folders"][0] == {"source": "--models-dir", "path": "more", "exists": True}
    assert listed["kinds"]["loras"]["suffixes"][0] == ".safetensors"


def test_a_model_is_listed_with_what_it_is_and_its_words(shell: Shell, place: Path) -> None:
    folder = place / "own" / "loras"
    folder.mkdir(parents=True)
    metadata = {"ss_tag_frequency": json.dumps({"10_x": {"tabby": 3, "cat": 9}}), "modelspec.title": "Cats"}
    save_file({"lora_unet_a_attn2_to_k.lora_down.weight": torch.zeros(4, 768)}, folder / "cats.safetensors", metadata)
    lines = shell("models", "--models-dir", "own").out.splitlines()
    line = next(line for line in lines if line.split()[:1] == ["cats.safetensors"])
    assert "fp32" in line
    assert "a LoRA for Stable Diffusion 1" in line
    assert "“Cats”  triggers: cat, tabby  (--models-dir)" in line


def test_of_two_files_with_one_name_the_one_that_is_not_used_is_told(shell: Shell, place: Path) -> None:
    for root in ("first", "second"):
        (place / root / "vae").mkdir(parents=True)
        save_file({"a": torch.zeros(1)}, place / root / "vae" / "same.safetensors")
    out = shell("models", "--models-dir", "first", "--models-dir", "second").out
    second, first = Path("second/vae/same.safetensors"), Path("first/vae/same.safetensors")
    assert f"  {second} is not used: {first} has the same name and comes first\n" in out


def test_kinds_without_files_are_listed_with_the_folder_to_put_them_into(shell: Shell, home: Path) -> None:
    lines = shell("models").out.splitlines()
    empty = lines[lines.index("no files yet:") + 1 :]
    assert any(line.split()[0] == "loras" and f"{home}/models/loras/*.safetensors" in line for line in empty)
    assert not any(line.split()[0] == "checkpoints" for line in empty)


def test_models_of_an_existing_comfyui_are_found(shell: Shell, home: Path, place: Path) -> None:
    (place / "comfy/models/checkpoints").mkdir(parents=True)
    (place / "comfy/models/checkpoints/theirs.safetensors").write_bytes(b"12345")
    (place / "extra_model_paths.yaml").write_text("comfyui:\n  base_path: comfy\n  checkpoints: models/checkpoints\n")
    config = home / "config.toml"
    config.write_text(f'[models]\ncomfyui = ["{place / "extra_model_paths.yaml"}"]\n')
    try:
        assert "theirs.safetensors" in shell("models").out
        length = document({"n": ("Length", {"file": "theirs.safetensors"})}, interface=interface({}, {"n": "n.number"}))
        assert shell("run", "-", "--json", stdin=length).report["outputs"]["n"]["value"] == 5
        config.write_text("[modles]\n")
        said = shell("models")
        assert said.code == 2
        assert "did you mean models" in said.err
    finally:
        config.unlink()


def test_check_is_short_when_nothing_is_wrong(shell: Shell, place: Path) -> None:
    (place / "good.json").write_bytes(document({"c": ("Count", {}), "w": ("Write", {"text": "x"})}))
    said = shell("check", "good.json")
    assert (said.code, said.out, said.err) == (0, "good.json: ok\n", "")
    said = shell("check", "good.json", "--set", "c.steps=0")
    assert said.code == 3
    (place / "idle.json").write_bytes(document({"c": ("Count", {})}))
    assert shell("check", "idle.json").code == 0
    assert shell("check", "idle.json", "--strict").code == 3


def test_explain_names_what_changed(shell: Shell, place: Path) -> None:
    nodes = {"c": ("Count", {"steps": 3, "seconds": 0.05}), "j": ("Join", {"text": "a", "number": "@c.number"})}
    (place / "doc.json").write_bytes(document(nodes, interface=interface({}, {"x": "j.text"})))
    states = {line.split()[0]: line.split()[1] for line in shell("explain", "doc.json").out.splitlines()}
    assert states == {"c": "run", "j": "run"}
    shell("run", "doc.json")
    rows = json.loads(shell("explain", "doc.json", "--json").out)
    states = {row["node"]: row["state"] for row in rows}
    # The text below is kept too where computing the two took long enough; the count is then not even needed.
    assert (states["c"], states["j"]) in {("hit-disk", "run"), ("skipped", "hit-disk")}
    rows = json.loads(shell("explain", "doc.json", "--json", "--set", "c.steps=4").out)
    changed = {row["node"]: row["reasons"] for row in rows}
    assert any("steps" in reason for reason in changed["c"])


@pytest.mark.parametrize("command", ["check", "explain"])
def test_a_document_that_is_none_is_one_error(shell: Shell, command: str) -> None:
    said = shell(command, "-", stdin=b"{")
    assert (said.code, said.out) == (3, "")
    assert "error" in said.err
