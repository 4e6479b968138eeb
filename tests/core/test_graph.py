"""The recorder: calls that are written down, and what it refuses while the program runs."""

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import pytest

from nodeflow.api import Field, Graph, Lazy, ModelFile, Ref, Run, expander, later, node, quiet
from nodeflow.core.errors import UsageError
from nodeflow.core.graph import Link
from nodeflow.core.signature import read_spec

T = TypeVar("T")


class Image:
    """Stands for a picture."""


class Mask:
    """Stands for a mask."""


class Split(NamedTuple):
    image: Image
    alpha: Mask


class Mode(Enum):
    FAST = "fast"


@node("test.LoadImage")
def load_image(file: Annotated[Path, ModelFile("pictures")]) -> Image:
    return Image()


@node("test.Split")
def split(image: Image) -> Split:
    return Split(image, Mask())


@node("test.Blur", version=2)
def blur(
    image: Image, radius: Annotated[float, Field(ge=0)] = 4.0, mode: Mode = Mode.FAST, *, run: Run = quiet
) -> Image:
    return image


@node("test.Switch")
async def switch(on: bool, yes: Lazy[T], no: Lazy[T]) -> T:
    return await (yes if on else no)


@node("test.Save")
def save(images: list[Image], options: dict[str, int] | None = None) -> None: ...


@expander("test.BlurTimes")
def blur_times(g: Graph, image: Ref[Image], times: int) -> Ref[Image]:
    for _ in range(times):
        image = g(blur)(image)
    return image


def nodes_of(g: Graph) -> Any:
    return g.as_json()["nodes"]


def test_a_call_becomes_a_node_with_every_input() -> None:
    g = Graph()
    image = g(load_image)(Path("fox.png"))
    g(blur)(image, radius=2)
    assert nodes_of(g) == {
        "load_image": {"type": "test.LoadImage", "version": 1, "inputs": {"file": "fox.png"}},
        "blur": {
            "type": "test.Blur",
            "version": 2,
            "inputs": {"image": {"link": "load_image.image"}, "radius": 2, "mode": "fast"},
        },
    }


def test_outputs_of_several_can_be_unpacked_and_named() -> None:
    g = Graph()
    parts = g(split)(g(load_image)(Path("a")))
    image, alpha = parts
    assert (image, alpha) == (parts.image, parts.alpha) == (Link("split", "image"), Link("split", "alpha"))


def test_an_effect_gives_nothing() -> None:
    g = Graph()
    recorded: Any = g.each(save)(g(load_image)(Path("a")))
    assert recorded is None


def test_ids_come_from_the_type_and_are_counted() -> None:
    g = Graph()
    image = g(load_image)(Path("a"))
    for _ in range(3):
        image = g(blur)(image)
    assert list(nodes_of(g)) == ["load_image", "blur", "blur_2", "blur_3"]


def test_an_id_that_was_given_is_kept_and_never_given_twice() -> None:
    g = Graph()
    g(load_image, id="blur_2", title="Fox")(Path("a"))
    image = g(load_image, id="blur")(Path("a"))
    g(blur)(image)
    assert list(nodes_of(g)) == ["blur_2", "blur", "blur_3"]
    assert nodes_of(g)["blur_2"]["title"] == "Fox"
    with pytest.raises(UsageError, match="there is a node 'blur' already"):
        g(blur, id="blur")(image)


def test_lazy_inputs_take_values_that_come_later() -> None:
    g = Graph()
    image = g(load_image)(Path("a"))
    result: Any = g(switch)(True, later(image), later(image))
    assert nodes_of(g)["switch"]["inputs"]["yes"] == {"link": "load_image.image"}
    assert str(result) == "switch.out"


def test_an_expander_is_recorded_as_one_node_and_can_be_run_with_a_graph() -> None:
    g = Graph()
    image = g(load_image)(Path("a"))
    g(blur_times)(image, times=2)
    assert nodes_of(g)["blur_times"]["inputs"] == {"image": {"link": "load_image.image"}, "times": 2}
    inner = Graph()
    result: Any = blur_times(inner, image, 2)
    assert (list(inner.nodes), result) == (["blur", "blur_2"], Link("blur_2", "image"))


def test_mapping_takes_lists_that_nodes_give_and_those_that_the_input_takes_anyway() -> None:
    g = Graph()
    images = g.each(blur)(g(load_image)(Path("a")))
    assert nodes_of(g)["blur"]["inputs"]["image"] == {"link": "load_image.image"}
    assert str(images) == "blur.image"
    g.each(save)([images])
    assert nodes_of(g)["save"]["inputs"]["images"] == [{"link": "blur.image"}]


@pytest.mark.parametrize("values", [[1, 2], (Link("a", "image"),)])
def test_a_list_that_is_written_out_cannot_stand_for_single_values(values: Any) -> None:
    g = Graph()
    with pytest.raises(UsageError, match=r"test\.Blur: image: a list that is written out cannot stand for one Image; "):
        g.each(blur)(values)
    assert nodes_of(g) == {}


def test_a_literal_object_is_escaped() -> None:
    g = Graph()
    g(save)([], {"link": 1})
    assert nodes_of(g)["save"]["inputs"]["options"] == {"value": {"link": 1}}


def test_the_graph_has_inputs_and_outputs_of_its_own() -> None:
    g = Graph(title="Two blurs")
    radius = g.input("radius", 3.0, title="Radius")
    image = g(blur)(g(load_image)(g.input("file", Path("a"))), radius)
    g.output("picture", g(blur)(image, radius))
    document = g.document()
    assert json.loads(document.dumps())["interface"] == {
        "inputs": {
            "radius": {"to": ["blur.radius", "blur_2.radius"], "title": "Radius"},
            "file": {"to": ["load_image.file"]},
        },
        "outputs": {"picture": {"from": "blur_2.image"}},
    }
    assert document.meta == {"title": "Two blurs"}
    assert nodes_of(g)["blur"]["inputs"]["radius"] == 3.0


def test_only_what_a_node_gives_can_be_an_output() -> None:
    with pytest.raises(UsageError, match="the output 'picture' must be what a recorded node gives, and 3 is not"):
        Graph().output("picture", 3)


def test_the_functions_that_were_recorded_are_known() -> None:
    g = Graph()
    g(load_image)(Path("a"))
    g(load_image)(Path("b"))
    assert g.functions == {load_image: read_spec(load_image)}


def test_a_node_can_be_recorded_by_its_spec_alone() -> None:
    g = Graph()
    assert g.record(read_spec(load_image), {"file": "a"}).id == "load_image"


@pytest.mark.parametrize(
    ("args", "inputs", "message"),
    [
        ((), {}, "test.Blur needs image"),
        ((1, 2.0, Mode.FAST, 4), {}, "test.Blur has 3 inputs, and 4 were given"),
        ((1,), {"image": 2}, "test.Blur: image is given twice"),
        ((1,), {"radios": 2}, "test.Blur has no input radios"),
        ((1,), {"run": quiet}, "test.Blur has no input run"),
        ((object(),), {}, r"blur.image: <object .*> cannot stand in a document; link to a node that makes it"),
    ],
)
def test_what_a_checker_would_refuse_is_refused_at_run_time_too(
    args: tuple[Any, ...], inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Graph().each(blur)(*args, **inputs)


def test_a_link_has_no_value_to_ask_for_or_to_loop_over() -> None:
    link = Link("a", "image")
    with pytest.raises(UsageError, match=r"a\.image has no value yet and cannot be unpacked or looped over"):
        list(link)
    with pytest.raises(UsageError, match=r"a\.image has no value yet and cannot be asked for; use a lazy switch"):
        bool(link)
