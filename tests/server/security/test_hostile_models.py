"""Model files by strangers: every node that loads one runs none of what is in it."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import pytest

import nodeflow
import nodeflow_nodes
from nodeflow.core.errors import NodeflowError

TINY = Path(nodeflow_nodes.__file__).parent / "models" / "checkpoints" / "emoji-tiny.safetensors"
LOADERS = [
    ("LoadCheckpoint", "checkpoint", "checkpoints"),
    ("UNETLoader", "unet", "diffusion_models"),
    ("CLIPLoader", "clip", "text_encoders"),
    ("VAELoader", "vae", "vae"),
    ("LoraLoader", "lora", "loras"),
    ("LoraLoaderModelOnly", "lora", "loras"),
    ("LoadLatent", "latent", None),
]


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, sentinel):
        self._sentinel = sentinel

    def __reduce__(self):
        return Path.touch, (self._sentinel,)


def pickled(sentinel):
    """The forms in which torch writes pickles, and a few that only look like safetensors."""
    plain = pickle.dumps(Payload(sentinel))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", plain)
        archive.writestr("archive/version", "3")
    huge = struct.pack("<Q", 2**62) + b"{" + plain
    behind = struct.pack("<Q", 2) + b"{}" + plain
    inside = json.dumps({"__metadata__": {"pickle": plain.hex()}}).encode()
    return [plain, b"\x80\x02" + plain, packed.getvalue(), huge, behind, struct.pack("<Q", len(inside)) + inside]


def rewritten(change):
    """The small checkpoint with another header."""
    data = TINY.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = change(json.loads(data[8 : 8 + length]))
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data[8 + length :]


def loaded(home, node, input, folder, names):
    """What a session says of files of these names, one run for each."""
    said = []
    with nodeflow.Session(home, output_dir=home / "output") as session:
        for name in names:
            loader = {"type": node, "version": 1, "inputs": {input: name}}
            nodes = {"load": loader}
            if node.startswith("Lora"):
                base = {"type": "LoadCheckpoint", "version": 1, "inputs": {"checkpoint": TINY.name}}
                loader["inputs"] |= {"model": {"link": "base.model"}}
                if node == "LoraLoader":
                    loader["inputs"] |= {"clip": {"link": "base.clip"}}
                nodes["base"] = base
            out = {"LoadLatent": "latent", "CLIPLoader": "clip", "VAELoader": "vae"}.get(node, "model")
            nodes["show"] = {"type": "PreviewAny", "version": 1, "inputs": {"source": {"link": f"load.{out}"}}}
            try:
                session.run({"nodeflow": 1, "nodes": nodes})
                said.append("")
            except NodeflowError as error:
                said.append(str(error))
    return said


@pytest.mark.parametrize(("node", "input", "folder"), LOADERS)
def test_no_loader_unpickles(node, input, folder, tmp_path):
    sentinel = tmp_path / "pwned"
    place = tmp_path / "input" if folder is None else tmp_path / "models" / folder
    place.mkdir(parents=True)
    names = []
    for number, data in enumerate(pickled(sentinel)):
        others = (".ckpt", ".pt", ".bin") if number == 0 else ()
        for suffix in (".latent",) if folder is None else (".safetensors", *others):
            names.append(f"evil{number}{suffix}")
            (place / names[-1]).write_bytes(data)
    said = loaded(tmp_path, node, input, folder, names)
    assert all(Path(name).stem in text for name, text in zip(names, said, strict=True)), said
    assert not any("Traceback" in text for text in said)
    assert not sentinel.exists()
    assert pickle.loads(pickle.dumps(Payload(sentinel))) is None  # noqa: S301 - it would have worked
    assert sentinel.exists()


NAMES = [
    "model.diffusion_model.time_embed.__class__.__init__.__globals__",
    "model.diffusion_model.__class__",
    "model.diffusion_model.forward",
    "model.diffusion_model.time_embed.0.forward",
    "model.diffusion_model.__dict__.forward",
    "first_stage_model.decoder.__init__",
    "cond_stage_model.transformer.__class__.__bases__",
    "__class__.__name__",
    "..",
    "",
]


def test_names_of_weights_reach_nothing_but_weights(tmp_path):
    from nodeflow.diffusion.checkpoints.load import load_checkpoint
    from nodeflow.diffusion.errors import CheckpointError
    from nodeflow.diffusion.models.unet import UNet

    def add(header):
        some = next(entry for key, entry in header.items() if key != "__metadata__")
        return {**header, **dict.fromkeys(NAMES, some)}

    before = dict(vars(UNet))
    place = tmp_path / "evil.safetensors"
    place.write_bytes(rewritten(add))
    try:
        network = load_checkpoint(place).model
    except CheckpointError:
        network = load_checkpoint(TINY).model
    assert type(network) is type(load_checkpoint(TINY).model)
    assert dict(vars(UNet)) == before


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**64 - 1) + b"{}",
        struct.pack("<Q", 200 * 2**20) + b"{" + b" " * 1000,
        struct.pack("<Q", 2_000_002) + b"[" * 2_000_002,
        rewritten(lambda header: {**header, "x": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}}),
        rewritten(lambda header: {**header, "x": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}),
        rewritten(lambda header: {**header, "x": {"dtype": "F32", "shape": [1], "data_offsets": [2**62, 2**62 + 4]}}),
    ],
)
def test_headers_that_ask_for_the_impossible_are_refused_at_once(data, tmp_path):
    place = tmp_path / "models" / "checkpoints"
    place.mkdir(parents=True)
    (place / "evil.safetensors").write_bytes(data)
    (said,) = loaded(tmp_path, "LoadCheckpoint", "checkpoint", "checkpoints", ["evil.safetensors"])
    assert "evil.safetensors" in said
    assert "Traceback" not in said
