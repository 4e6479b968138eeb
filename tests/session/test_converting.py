"""Pickled model files become safetensors; hostile ones are refused, and nothing that is in them is run."""

import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodeflow.core.errors import MissingFile, UsageError
from nodeflow.session.converting import ConversionRefused, convert
from nodeflow.storage.outputs import OutputFailed

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16)}


def same(path: Path, expected: Mapping[str, torch.Tensor]) -> bool:
    found = load_file(path)
    return set(found) == set(expected) and all(
        found[name].dtype == w.dtype and torch.equal(found[name], w) for name, w in expected.items()
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_come_out_as_they_are(zipped: bool, tmp_path: Path) -> None:
    source = tmp_path / "model.ckpt"
    torch.save(OrderedDict(WEIGHTS), source, _use_new_zipfile_serialization=zipped)
    done = convert(source)
    assert (done.path, done.tensors, done.dropped_count) == (tmp_path / "model.safetensors", 2, 0)
    assert same(done.path, WEIGHTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.ckpt", "model.safetensors"]


def test_what_trainers_put_around_weights_is_left_out(tmp_path: Path) -> None:
    source, half = tmp_path / "model.pt", torch.zeros(2, dtype=torch.bfloat16)
    inside = {
        **WEIGHTS,
        "half": half,
        "shared": WEIGHTS["b"],
        "part": WEIGHTS["b"][1:3],
        "complex": torch.zeros(1, dtype=torch.cfloat),
    }
    torch.save({"epoch": 3, "optimizer_states": [{"x": torch.zeros(1)}], "state_dict": inside, "note": "hello"}, source)
    done = convert(source, tmp_path / "out.safetensors")
    assert set(done.dropped) == {"epoch", "optimizer_states", "note", "complex (complex64)"}
    ones = WEIGHTS["b"]
    assert same(done.path, {**WEIGHTS, "half": half, "shared": ones, "part": ones[1:3]})


def test_an_embedding_gets_the_name_that_loaders_know(tmp_path: Path) -> None:
    vectors = torch.randn(3, 768)
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "cat"}, tmp_path / "cat.pt")
    assert same(convert(tmp_path / "cat.pt").path, {"emb_params": vectors})


class Callback:
    """Left in a file by a trainer."""


def test_objects_of_trainers_become_nothing_and_are_not_imported(tmp_path: Path) -> None:
    """As in Stable Diffusion's own .ckpt files."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    Callback.__module__ = name
    for part in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
        sys.modules[part] = types.ModuleType(part)
    sys.modules[name].Callback = Callback  # type: ignore[attr-defined]
    try:
        callback = Callback()
        callback.best = 0.5  # type: ignore[attr-defined]
        torch.save({"callbacks": {Callback: callback}, "state_dict": WEIGHTS}, tmp_path / "sd.ckpt")
    finally:
        for part in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
            del sys.modules[part]
    assert same(convert(tmp_path / "sd.ckpt").path, WEIGHTS)


class Calls:
    """Unpickling it calls a function."""

    def __init__(self, function: Callable[..., object], *given: object) -> None:
        self.call = (function, given)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def archive(pickled: bytes, path: Path, *, name: str = "archive/data.pkl", **more: bytes) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(name, pickled)
        file.writestr("archive/version", b"3\n")
        file.writestr("archive/byteorder", b"little")
        for key, content in more.items():
            file.writestr(f"archive/data/{key}", content)


def named(module: str, name: str, *given: bytes) -> bytes:
    """A pickle that calls a function by its name; each argument is written as a text."""
    texts = b"".join(b"X" + struct.pack("<I", len(text)) + text for text in given)
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"(" + texts + b"tR."


def hostile(canary: Path) -> Mapping[str, bytes]:
    """Pickles that make a file when a word of them is obeyed."""
    command, code = f"touch {canary}", f"open({str(canary)!r}, 'w')"
    nested: Any = Calls(os.system, command)
    for _ in range(50):
        nested = [{"weights": (nested,)}]
    return {
        "os.system": pickle.dumps({"a": Calls(os.system, command)}, 2),
        "newer protocol": pickle.dumps({"a": Calls(os.system, command)}, 4),
        "posix.system": named("posix", "system", command.encode()),
        "eval": named("builtins", "eval", code.encode()),
        "exec": named("builtins", "exec", code.encode()),
        "old eval": named("__builtin__", "eval", code.encode()),
        "import": named("importlib", "import_module", b"antigravity"),
        "getattr": named("builtins", "getattr", b"os", b"system"),
        "open": named("builtins", "open", str(canary).encode(), b"w"),
        "subprocess": named("subprocess", "check_call", command.encode()),
        "runpy": named("runpy", "run_path", b"x.py"),
        "torch.load": named("torch", "load", str(canary).encode()),
        "torch compile": named("torch.jit", "load", str(canary).encode()),
        "storage": named("torch.storage", "_load_from_bytes", pickle.dumps(Calls(os.system, command), 2)),
        "hub": named("torch.hub", "load", b"x/y", b"z"),
        "nested": pickle.dumps(nested, 2),
        "numpy": named("numpy", "load", str(canary).encode()),
        "inert eval": named("collections", "eval", code.encode()),
        "lightning": named("pytorch_lightning.x", "os.system", command.encode()),
    }


LEGACY = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {}))
NAMES = sorted(hostile(Path("canary")))


APART = """
import contextlib, os, sys, torch
from nodeflow.diffusion.checkpoints import unpickling, write
for source in sys.argv[1:]:
    sys.stdout.flush()
    if os.fork() == 0:
        try:
            unpickling.main([source, source + ".safetensors"])
            sys.stdout.flush()
        except BaseException as error:
            os.write(1, (repr(error)[:500] + chr(10)).encode())
        finally:
            os._exit(3)
    os.wait()
"""
"""What `convert` starts for each file, for many of them with one import of torch."""


def refusals(sources: Sequence[Path]) -> list[str]:
    """What is said of each file; "converted" where one was."""
    done = subprocess.run([sys.executable, "-c", APART, *map(str, sources)], capture_output=True, text=True, check=True)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) == len(sources)
    return [report.get("error", "converted") for report in reports]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What is said of every hostile pickle, as an archive and in the two old formats."""
    place = tmp_path_factory.mktemp("hostile")
    canary, sources = place / "canary", []
    for name, pickled in hostile(canary).items():
        forms = [place / f"{name.replace(' ', '_')}_{form}.ckpt" for form in ("archive", "bare", "legacy")]
        archive(pickled, forms[0])
        forms[1].write_bytes(pickled)
        forms[2].write_bytes(LEGACY + pickled)
        sources += forms
    said = dict(zip((source.stem for source in sources), refusals(sources), strict=True))
    assert not canary.exists(), said
    assert list(place.glob("*.safetensors")) == []
    return said


@pytest.mark.parametrize("form", ["archive", "bare", "legacy"])
@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_pickle_is_refused_in_one_line_and_nothing_of_it_runs(
    name: str, form: str, verdicts: Mapping[str, str]
) -> None:
    said = verdicts[f"{name.replace(' ', '_')}_{form}"]
    assert said != "converted"
    assert "\n" not in said


def test_what_a_file_asks_for_is_named(verdicts: Mapping[str, str], tmp_path: Path) -> None:
    assert verdicts["eval_archive"] == "it asks for builtins.eval, which weights never need; nothing of it was run"
    assert verdicts["posix.system_legacy"].startswith("it asks for posix.system, which weights never need")
    assert verdicts["newer_protocol_archive"] == "it holds something else than weights; nothing of it was run"
    archive(hostile(tmp_path / "canary")["os.system"], tmp_path / "model.ckpt")
    with pytest.raises(ConversionRefused, match=r"^model\.ckpt: not converted: it asks for posix\.system, which"):
        convert(tmp_path / "model.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["model.ckpt"]


def claim(numel: int) -> bytes:
    """A pickled state dict whose one tensor claims so many numbers in a storage of 16 bytes."""
    stream = io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> object:
            return ("storage", torch.FloatStorage, "0", "cpu", numel) if obj == "here" else None

    rebuilt = Calls(torch._utils._rebuild_tensor_v2, "here", 0, (numel,), (1,), False, OrderedDict())
    Pickler(stream, protocol=2).dump({"a": rebuilt})
    return stream.getvalue()


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(50_000_000))


def cut(path: Path) -> None:
    archive(pickle.dumps({}), path)
    path.write_bytes(path.read_bytes()[:-30])


LIES: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "storage": (lambda path: archive(claim(10**13), path, **{"0": bytes(16)}), "it is damaged|it asks for far more"),
    "expanded": (lambda path: torch.save({"a": torch.zeros(1).expand(10**12)}, path), "claim 4,000,000,000,000 bytes"),
    "marks": (lambda path: path.write_bytes(b"\x80\x02" + b"(" * 1_000_000), "it is damaged"),
    "bomb": (bomb, "the archive is compressed, which torch never does"),
    "parent": (lambda path: archive(b"", path, name="../../evil/data.pkl"), "which leads out of it"),
    "root": (lambda path: archive(b"", path, name="/etc/data.pkl"), "which leads out of it"),
    "cut": (cut, "the archive is damaged"),
    "deep": (lambda path: archive(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", path), "it holds a list"),
    "empty": (lambda path: path.write_bytes(b""), "no file that torch.save wrote"),
    "page": (lambda path: path.write_bytes(b"<html>not found</html>"), "no file that torch.save wrote"),
    "stub": (lambda path: path.write_bytes(b"PK\x03\x04 and then nothing"), "the archive is damaged"),
    "list": (
        lambda path: torch.save([torch.zeros(1)], path),
        "it holds a list, where weights are a dict of tensors by name",
    ),
    "bare": (lambda path: torch.save(torch.zeros(1), path), "it is a bare tensor, and safetensors needs names"),
    "complex": (lambda path: torch.save({"a": torch.zeros(1, dtype=torch.cfloat)}, path), r"found a \(complex64\)"),
    "sparse": (lambda path: torch.save({"a": torch.ones(2).to_sparse()}, path), r"found a \(a sparse tensor\)"),
    "numbered": (
        lambda path: torch.save({3: torch.ones(2)}, path),
        r"found 3 \(its name is no text, but of type int\)",
    ),
    "reserved": (lambda path: torch.save({"__metadata__": torch.ones(2)}, path), "that safetensors keeps for itself"),
    "nothing": (lambda path: torch.save({}, path), "it is empty"),
    "safetensors": (
        lambda path: save_file(WEIGHTS, path),
        "it is a safetensors file already: there is nothing to convert",
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What is said of every file that is not what it claims."""
    place = tmp_path_factory.mktemp("lies")
    for name, (make, _) in LIES.items():
        make(place / name)
    return dict(zip(LIES, refusals([place / name for name in LIES]), strict=True))


@pytest.mark.parametrize("name", LIES)
def test_what_is_not_what_it_claims_is_told(name: str, told: Mapping[str, str]) -> None:
    assert re.search(LIES[name][1], told[name]), told[name]


def test_places_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    source = tmp_path / "model.ckpt"
    with pytest.raises(MissingFile, match="there is no such file to convert"):
        convert(source)
    torch.save(WEIGHTS, source)
    with pytest.raises(UsageError, match=r"give it a name that ends in \.safetensors"):
        convert(source, tmp_path / "model.bin")
    (tmp_path / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(UsageError, match="is there already; choose another name: nodeflow convert"):
        convert(source)
    assert (tmp_path / "model.safetensors").read_bytes() == b"mine"
    with pytest.raises(UsageError, match=r"OUT .* there is no folder .*model\.ckpt; make it first"):
        convert(source, source / "model.safetensors")
    with pytest.raises(OutputFailed, match="cannot write"):
        convert(source, tmp_path / f"{'x' * 250}.safetensors")
    with pytest.raises(UsageError, match=rf"nodeflow convert {source} {tmp_path}/OTHER\.safetensors$"):
        convert(source)
    already = tmp_path / "already.safetensors"
    save_file(WEIGHTS, already)
    with pytest.raises(ConversionRefused, match=r"already: there is nothing to convert$"):
        convert(already)


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    source = tmp_path / "model.ckpt"
    torch.save(WEIGHTS, source)
    with pytest.raises(ConversionRefused, match="it took longer than 0 s"):
        convert(source, seconds=0.01)
    assert [path.name for path in tmp_path.iterdir()] == ["model.ckpt"]
