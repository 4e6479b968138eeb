"""One node or a small graph run through the engine on plain values."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from nodeflow.api import (
    Blocked,
    Field,
    Graph,
    ImageFile,
    InputError,
    Lazy,
    ModelFile,
    Ref,
    Row,
    Run,
    Secret,
    expander,
    later,
    node,
    quiet,
)
from nodeflow.diffusion.types import Image, Latent, Mask
from nodeflow.testing import (
    InvalidDocument,
    NodeFailed,
    UsageError,
    a_conditioning,
    a_latent,
    a_mask,
    a_model,
    a_vae,
    an_image,
    given,
    run_graph,
    run_node,
)
from nodeflow_nodes.sampling import ksampler
from nodeflow_nodes.vae import vae_decode, vae_encode

T = TypeVar("T")


class Parts(NamedTuple):
    image: Image
    mask: Mask


class Layer(Row):
    """A layer.

    Attributes:
        name: What it is called.
        strength: How much of it.
    """

    name: str
    strength: Annotated[float, Field(ge=0, le=1)] = 0.5


@node("trial.Split")
def split(image: Image, mask: Mask | None = None) -> Parts:
    return Parts(image, mask or Mask(image.pixels[..., 0]))


@node("trial.Add")
def add(number: Annotated[int, Field(ge=0, le=9)] = 1, more: float = 0.0) -> float:
    return number + more


@node("trial.Total")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@node("trial.Describe")
def describe(layers: list[Layer]) -> str:
    return ", ".join(f"{layer.name} {layer.strength:g}" for layer in layers)


@node("trial.Say")
def say(text: str, *, run: Run = quiet) -> None:
    run.warn("only a test")
    run.show(text)
    run.save("notes/said", "txt", text.encode())


@node("trial.Either")
async def either(first: bool, yes: Lazy[T], no: Lazy[T]) -> T:
    return await (yes if first else no)


@expander("trial.Thrice")
def thrice(graph: Graph, number: Ref[float]) -> Ref[float]:
    for _ in range(3):
        number = graph(add)(1, number)
    return number


@node("trial.Length")
def length(
    picture: Annotated[Path, ImageFile()], weights: Annotated[Path | None, ModelFile("checkpoints")] = None
) -> int:
    return len(picture.read_bytes()) + (len(weights.read_bytes()) if weights else 0)


@node("trial.Whisper")
def whisper(key: Annotated[str, Secret()]) -> int:
    return len(key)


@node("trial.Spoil")
def spoil(image: Image) -> Image:
    image.pixels.zero_()
    return image


@node("trial.Close")
def close() -> int:
    return Blocked("closed today")  # type: ignore[return-value]


@node("trial.Refuse")
def refuse(width: int = 7) -> int:
    raise InputError("width", "must be a multiple of 8; try 8")


def test_a_picture_of_pillow_is_an_image_or_a_mask_as_declared() -> None:
    made = run_node(split, image=Pillow.new("RGB", (4, 6), "red"), mask=Pillow.new("L", (4, 6), 255)).value
    assert isinstance(made, Parts)
    assert made.image.pixels[0, 0, 0].tolist() == [1, 0, 0]
    assert made.mask.values.shape == (1, 6, 4)


@pytest.mark.parametrize(
    "pixels",
    [np.full((6, 4, 3), 255, np.uint8), np.ones((2, 6, 4, 3)), torch.ones(6, 4, 3), torch.ones(1, 6, 4, 3)],
    ids=["bytes", "float batch", "tensor", "batch"],
)
def test_arrays_and_tensors_are_images(pixels: object) -> None:
    image = run_node(split, image=pixels).value.image
    assert (image.width, image.height) == (4, 6)
    assert float(image.pixels.min()) == 1


def test_outputs_are_named_and_typed() -> None:
    done = run_node(split, image=an_image(batch=2))
    assert list(done.outputs) == ["image", "mask"]
    assert done.outputs["mask"] is done.value.mask


def test_defaults_hold_and_numbers_are_read_by_the_declared_type() -> None:
    assert run_node(add).value == 1
    assert run_node(add, number=2, more=3).value == 5.0


def test_a_list_for_a_single_value_maps_the_node_and_one_for_a_list_does_not() -> None:
    assert run_node(add, number=[1, 2, 3]).value == [1, 2, 3]
    assert len(run_node(split, image=[an_image(), an_image()]).outputs["image"]) == 2  # type: ignore[arg-type]
    assert run_node(total, numbers=[1, 2, 3]).value == 6


def test_rows_are_given_as_rows_or_as_tables() -> None:
    assert run_node(describe, layers=[Layer(name="sky"), {"name": "sea", "strength": 1}]).value == "sky 0.5, sea 1"


def test_what_a_node_says_shows_and_saves_is_handed_over() -> None:
    done = run_node(say, text="hello")
    assert (done.warnings, done.shown) == (("only a test",), ("hello",))
    assert [(file.name, file.data) for file in done.saved] == [("notes/said_00001.txt", b"hello")]
    assert done.value is None


def test_lazy_nodes_and_expanders_run_too() -> None:
    assert run_node(either, first=False, yes=later(1), no=2).value == 2
    assert run_node(thrice, number=1.0).value == 4


def test_a_value_that_is_held_back_tells_why() -> None:
    assert run_node(close).value == Blocked("closed today")
    graph = Graph()
    graph.output("number", graph(add)(graph(close)()))
    done = run_graph(graph)
    assert done.outputs == {}
    assert done.withheld == {"number": "closed today"}


def test_files_are_the_very_files_and_a_secret_is_its_value(tmp_path: Path) -> None:
    picture, weights = tmp_path / "a.png", tmp_path / "b.safetensors"
    Pillow.new("RGB", (4, 6)).save(picture)
    weights.write_bytes(b"12345")
    assert run_node(length, picture=picture, weights=weights).value == picture.stat().st_size + 5
    assert run_node(whisper, key="open sesame").value == 11


def test_a_wrong_value_is_told_with_node_and_input() -> None:
    with pytest.raises(InvalidDocument, match="image: the link does not fit; found Mask"):
        run_node(split, image=a_mask())
    with pytest.raises(InvalidDocument, match="10 is above the range"):
        run_node(add, number=10)
    with pytest.raises(UsageError, match="has no input 'numbr'; did you mean \"number\""):
        run_node(add, numbr=1)
    with pytest.raises(UsageError, match="needs image"):
        run_node(split)


def test_a_node_that_fails_raises() -> None:
    with pytest.raises(NodeFailed, match="width: must be a multiple of 8; try 8"):
        run_node(refuse)


def test_a_node_that_changes_its_input_fails() -> None:
    with pytest.raises(NodeFailed, match="image: changed by the node"):
        run_node(spoil, image=an_image())


def test_a_graph_runs_with_values_recorded_into_it() -> None:
    graph = Graph()
    parts = graph(split)(given(graph, an_image()))
    numbers = graph.each(add)(given(graph, [1, 2]))
    graph(say)("seen")
    graph.output("mask", parts.mask)
    graph.output("numbers", numbers)
    done = run_graph(graph)
    assert isinstance(done["mask"], Mask)
    assert done["numbers"] == [1, 2]
    assert done.warnings["say"] == ("only a test",)
    assert done.shown["say"] == ("seen",)
    assert done.saved["say"][0].data == b"seen"
    assert done.status["split"] == "ran"


def test_a_graph_takes_inputs_and_targets() -> None:
    graph = Graph()
    number = graph(add)(graph.input("number", 1))
    graph.output("sum", number)
    assert run_graph(graph, {"number": 5})["sum"] == 5
    assert run_graph(graph, {"add.more": 5}, targets=["add.number"]).outputs == {"sum": 6}


def test_the_ready_made_values_fit_each_other() -> None:
    latent = run_node(
        ksampler, model=a_model(), positive=a_conditioning(), negative=a_conditioning(), latent=a_latent(), steps=1
    ).value
    image = run_node(vae_decode, latent=latent, vae=a_vae()).value
    assert (image.width, image.height) == (an_image().width, an_image().height)
    assert isinstance(run_node(vae_encode, image=image, vae=a_vae()).value, Latent)


def test_the_ready_made_values_are_the_same_every_time() -> None:
    assert an_image(alpha=True).pixels.equal(an_image(alpha=True).pixels)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    weights = [model.network.state_dict() for model in (a_model(), a_model())]
    assert torch.get_rng_state().equal(before)
    assert all(tensor.equal(weights[1][name]) for name, tensor in weights[0].items())


def test_importing_it_loads_neither_torch_nor_the_engine() -> None:
    program = "import sys, nodeflow.testing; print({'torch', 'numpy', 'nodeflow.engine', 'pytest'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"


def test_a_node_of_plain_values_runs_without_torch() -> None:
    program = """
import sys
from nodeflow.api import node
from nodeflow.testing import run_node
@node("trial.Double")
def double(number: int = 1) -> int:
    return 2 * number
assert run_node(double, number=4).value == 8
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_only_the_pack_of_the_node_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path))
    assert run_node(add).value == 1
    assert list(tmp_path.iterdir()) == []
