"""The lists of nodes and models."""

import gzip
import io
import json
import struct

import pytest
from PIL import Image

from tests.server.serving import API, served
from tests.server.test_files import picture


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("catalogue")
    with served(home) as server:
        yield server


def model(place, **metadata):
    """A safetensors file with one number."""
    head = json.dumps({"__metadata__": metadata, "x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(struct.pack("<Q", len(head)) + head + bytes(4))
    return place


def test_the_list_of_nodes_is_sent_once(server):
    plain = server.get(f"{API}/nodes")
    packed = server.get(f"{API}/nodes", headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert server.get(f"{API}/nodes", headers={"If-None-Match": plain.headers["etag"]}).status == 304
    (pack,) = [pack for pack in plain.json["packs"] if pack["name"] == "nodeflow_nodes"]
    assert {"KSampler", "LoadCheckpoint"} <= {node["id"] for node in pack["specs"]}


def test_one_node_is_shown(server):
    answer = server.get(f"{API}/nodes/KSampler").json
    assert (answer["pack"], answer["node"]["id"]) == ("nodeflow_nodes", "KSampler")
    for unknown in ("Nothing", "x.y", "..", "%2e%2e", "a" * 1000):
        assert server.get(f"{API}/nodes/{unknown}").code in ("node.unknown", "route.unknown")


def test_models_are_listed_with_what_their_headers_tell(server):
    model(server.home.models / "loras" / "sub" / "hair.safetensors")
    (server.home.models / "loras" / "broken.safetensors").write_bytes(b"\xff" * 30)
    found = {entry["name"]: entry for entry in server.get(f"{API}/models?kind=loras").json["models"]}
    assert found["sub/hair.safetensors"]["bytes"] > 8
    assert found["broken.safetensors"]["fault"]
    page = server.get(f"{API}/models?search=EMOJI").json
    assert [entry["name"] for entry in page["models"] if entry["kind"] == "checkpoints"] == ["emoji-tiny.safetensors"]
    assert page["kinds"]["loras"] == 2
    assert server.get(f"{API}/models?kind=nothing").json["models"] == []


def test_models_come_in_parts(server):
    everything = server.get(f"{API}/models").json["models"]
    found, after = [], ""
    while after is not None:
        page = server.get(f"{API}/models?limit=1&after={after}").json
        found += page["models"]
        after = page["next"]
    assert found == everything


def test_a_picture_beside_a_model_is_shown_small_and_never_as_it_is(server):
    place = model(server.home.models / "loras" / "shown.safetensors")
    path = f"{API}/models/loras/shown.safetensors/preview"
    assert server.get(path).code == "model.unknown"
    place.with_suffix(".preview.png").write_bytes(picture(size=(900, 300)))
    with Image.open(io.BytesIO(server.get(path).body)) as small:
        assert (small.format, small.size) == ("WEBP", (512, 171))
    place.with_suffix(".png").write_bytes(b"<svg onload=alert(1)>")
    assert server.get(path).code == "picture.refused"


def test_a_picture_beside_a_model_is_no_link_to_elsewhere(server):
    place = model(server.home.models / "loras" / "linked.safetensors")
    outside = server.home.root / "private.png"
    outside.write_bytes(picture())
    place.with_suffix(".png").symlink_to(outside)
    assert server.get(f"{API}/models/loras/linked.safetensors/preview").code == "model.unknown"
