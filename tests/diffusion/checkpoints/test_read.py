"""Damaged and refused files: one sentence each, before anything is allocated."""

import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from nodeflow.diffusion.checkpoints.read import MAX_HEADER, TensorInfo, read_header, read_tensors
from nodeflow.diffusion.errors import CheckpointError

GOOD: dict[str, Any] = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}


def written(path: Path, header: Any, data: bytes = bytes(24)) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_a_header_tells_names_shapes_types_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.float16)}, path, metadata={"format": "pt"})
    header = read_header(path)
    assert dict(header.tensors) == {"a": TensorInfo("F32", (2, 3)), "b": TensorInfo("F16", (4,))}
    assert header.tensors["a"].numel == 6
    assert dict(header.metadata) == {"format": "pt"}


def test_tensors_are_views_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.arange(6.0), "b": torch.arange(4.0)}, path)
    tensors = dict(read_tensors(read_header(path), ["b", "a"]))
    assert list(tensors) == ["b", "a"]
    assert tensors["a"].tolist() == [0, 1, 2, 3, 4, 5]
    tensors["a"][0] = 7  # private: the file stays as it is
    assert dict(read_tensors(read_header(path), ["a"]))["a"][0] == 0


def test_a_file_that_changes_between_header_and_tensors_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.arange(6.0)}, path)
    header = read_header(path)
    save_file({"other": torch.arange(6.0)}, path)
    with pytest.raises(
        CheckpointError, match=r"^model\.safetensors: the file has changed since it was loaded; load it again"
    ):
        dict(read_tensors(header, ["a"]))


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin", ".CKPT"])
def test_pickled_files_are_refused_by_name_with_the_way_out(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"anything")
    with pytest.raises(CheckpointError, match=r"pickled torch files.*can run any program.*safetensors"):
        read_header(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\x00\x00\x08\x08" + bytes(40), "pickled torch file"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "pickled torch file"),
        (b"GGUF\x03\x00\x00\x00" * 4, "GGUF file"),
        (b"<!DOCTYPE html><html>not found</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"", "truncated: 0 bytes"),
        (b"\x01\x02", "truncated: 2 bytes"),
        (struct.pack("<Q", MAX_HEADER + 1) + bytes(100), "header would take 33,554,433 bytes"),
        (struct.pack("<Q", 2**63) + bytes(100), "more than the 33,554,432 allowed"),
        (struct.pack("<Q", 1000) + b"{}", "truncated: the header takes 1,000 bytes, the file has 10"),
    ],
)
def test_what_is_no_safetensors_file_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"^model.safetensors: .*{message}"):
        read_header(path)


def entry(**changes: Any) -> dict[str, Any]:
    return {"a": {**GOOD["a"], **changes}}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"{", "damaged header"),
        (b"\xff\xff", "damaged header"),
        (b"[" * 200_000, "damaged header"),
        ([], "not a table of tensors"),
        ({}, "24 bytes belong to no tensor"),
        (b'{"a": 1, "a": 2}', "a name occurs twice"),
        ({"a": 1}, "a lacks a sound dtype, shape or data_offsets"),
        ({"a": {"dtype": "F32"}}, "a lacks"),
        (entry(dtype=5), "a lacks"),
        (entry(shape=[-2, -3]), "a lacks"),
        (entry(shape=[True, 6]), "a lacks"),
        (entry(shape=[1.5, 4]), "a lacks"),
        (entry(data_offsets=[0]), "a lacks"),
        (entry(dtype="F4"), "a is of type F4, which is not supported"),
        (entry(shape=[2, 4]), r"of shape \[2, 4\] and type F32 takes 32 bytes, not 24"),
        (entry(data_offsets=[8, 32]), "a begins at byte 8, not at 0"),
        ({**GOOD, "b": {"dtype": "U8", "shape": [4], "data_offsets": [20, 24]}}, "b begins at byte 20, not at 24"),
        ({**GOOD, "b": {"dtype": "U8", "shape": [9], "data_offsets": [24, 33]}}, "take 33 bytes, 24 are there"),
        (entry(shape=[2**40, 2**40], data_offsets=[0, 2**82]), "takes .* bytes, 24 are there|truncated"),
        ({**GOOD, "__metadata__": {"x": 1}}, "metadata are not texts"),
        ({**GOOD, "__metadata__": []}, "metadata are not texts"),
    ],
)
def test_a_damaged_header_is_named(header: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_header(written(tmp_path / "model.safetensors", header))


def test_a_truncated_file_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "model.safetensors", GOOD, bytes(10))
    with pytest.raises(CheckpointError, match="truncated: its tensors take 24 bytes, 10 are there; download it again"):
        read_header(path)


def test_a_file_without_tensors_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no tensor in the file"):
        read_header(written(tmp_path / "model.safetensors", {}, b""))


def test_a_header_whose_length_begins_like_a_pickle_is_none(tmp_path: Path) -> None:
    text = json.dumps({**GOOD, "__metadata__": {"x": ""}})
    padded = json.dumps({**GOOD, "__metadata__": {"x": "y" * (0x280 - len(text))}}).encode()
    assert len(padded) == 0x280  # stored as the bytes 80 02 00 ...
    assert "a" in read_header(written(tmp_path / "model.safetensors", padded)).tensors


def test_a_missing_file_is_the_system_s_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_header(tmp_path / "none.safetensors")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.integers(0, 40))
def test_no_damage_is_more_than_a_checkpoint_error(place: int, byte: int, cut: int, tmp_path: Path) -> None:
    path = written(tmp_path / "model.safetensors", {**GOOD, "__metadata__": {"format": "pt"}})
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(content[: len(content) - cut])
    with contextlib.suppress(CheckpointError):
        read_header(path)
