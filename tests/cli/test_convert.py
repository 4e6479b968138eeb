"""``nodeflow convert``: what it says, and what it ends with."""

import json
from pathlib import Path
from typing import Any

import torch


def test_a_pickled_file_becomes_a_safetensors_file(shell: Any, place: Path) -> None:
    torch.save({"epoch": 1, "state_dict": {"a": torch.zeros(2)}}, place / "model.ckpt")
    said = shell("convert", "model.ckpt")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == ["model.safetensors: 1 tensor", "left out 1 entry that is no plain tensor: epoch"]
    again = shell("convert", "model.ckpt")
    assert (again.code, again.out) == (2, "")
    assert again.err.startswith("error: model.safetensors is there already; choose another name: nodeflow convert")
    below = shell("convert", "model.ckpt", "gone/model.safetensors")
    assert below.code == 2
    assert below.err.startswith("error: OUT gone/model.safetensors: there is no folder gone; make it first")
    more = json.loads(shell("convert", "model.ckpt", "other.safetensors", "--json").out)
    assert more == {"path": "other.safetensors", "tensors": 1, "dropped": ["epoch"], "dropped_count": 1}


def test_what_cannot_be_converted_is_one_line(shell: Any, place: Path) -> None:
    (place / "model.ckpt").write_bytes(b"<html>")
    said = shell("convert", "model.ckpt")
    assert (said.code, said.out) == (3, "")
    assert said.err == "error: model.ckpt: not converted: it is no file that torch.save wrote\n"
    assert shell("convert", "absent.ckpt").code == 4
