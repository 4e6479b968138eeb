"""Rows and links inside lists, from a graph written in Python to what the function of a node gets."""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch

from nodeflow.api import Graph, ImageFolder, ModelFile, Ref, Row, expander, node
from nodeflow.core.errors import InvalidDocument, MissingFile, UsageError
from nodeflow.diffusion.types import Image
from nodeflow.session import Session

CALLS: list[str] = []


class Mode(Enum):
    ADD = "add"
    TAKE = "take"


class Step(Row):
    """A step of a sum.

    Attributes:
        image: Whose mean is added.
    """

    amount: float = 1.0
    mode: Mode = Mode.ADD
    image: Image | None = None


@node("rows.Number")
def number(value: float = 1.0) -> float:
    """Hand on a number."""
    return value


@node("rows.Gray")
def gray(level: float = 0.5) -> Image:
    """Make a picture."""
    return Image(torch.full((1, 8, 8, 3), level))


@node("rows.Numbers")
def numbers(values: list[float]) -> list[float]:
    """Hand on numbers."""
    return values


@node("rows.Sum")
def total(rows: Sequence[Step] = (), start: float = 0.0) -> float:
    """Add up rows."""
    assert all(isinstance(row, Step) for row in rows)
    CALLS.append("sum")
    signs = {Mode.ADD: 1, Mode.TAKE: -1}
    means = [1.0 if row.image is None else float(row.image.pixels.mean()) for row in rows]
    return start + sum(signs[row.mode] * row.amount * mean for row, mean in zip(rows, means, strict=True))


@node("rows.Join")
def join(images: list[Image]) -> float:
    """Add up pictures."""
    return sum(float(image.pixels.mean()) for image in images)


@expander("rows.Chain")
def chain(g: Graph, rows: Ref[list[Step]]) -> Ref[float]:
    """Add up rows one by one, whose values may come later."""
    sum = g(number)(0.0)
    for row in rows:
        sum = g(total)([row], start=sum)
    return sum


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path / "home"))
    with Session(output_dir=tmp_path) as session:
        yield session


def run(session: Any, g: Graph, value: Any) -> Any:
    g.output("result", value)
    return session.run(g)["result"].value


def test_linked_fields_arrive_in_the_rows(session: Any) -> None:
    g = Graph()
    rows = [Step(amount=g(number)(3.0), image=g(gray)(0.5)), Step(mode=Mode.TAKE), Step(amount=2)]

    assert run(session, g, g(total)(rows)) == pytest.approx(3 * 0.5 - 1 + 2)


def test_a_list_takes_links_one_by_one(session: Any) -> None:
    g = Graph()

    assert run(session, g, g(join)([g(gray)(0.25), g(gray)(0.5)])) == pytest.approx(0.75)


def test_a_list_linked_into_a_row_maps_the_node(session: Any) -> None:
    g = Graph()
    many: Any = g(numbers)([1.0, 2.0])

    assert run(session, g, g(total)([Step(amount=many), Step(amount=5)])) == [6.0, 7.0]


def test_other_placements_of_the_same_values_have_other_keys(session: Any) -> None:
    CALLS.clear()
    for first in (True, False, True, False):
        g = Graph()
        linked = g(number)(4.0)
        rows = [Step(amount=linked), Step(mode=Mode.TAKE)] if first else [Step(), Step(amount=linked, mode=Mode.TAKE)]
        assert run(session, g, g(total)(rows)) == (3.0 if first else -3.0)
    assert len(CALLS) == 2


def test_an_expander_gets_rows_whose_values_come_later(session: Any) -> None:
    g = Graph()
    rows = [Step(amount=g(number)(4.0)), Step(amount=g(number)(1.0), mode=Mode.TAKE)]
    start = g(total)()

    assert run(session, g, g(chain)([*rows, Step(amount=start)])) == 3.0


class Layer(Row):
    file: Annotated[Path, ModelFile("layers")]
    steps: Sequence[Step] = ()
    pictures: Annotated[Path, ImageFolder()] | None = None
    words: dict[str, str] | None = None


@node("rows.Read")
def read(layers: list[Layer]) -> list[str]:
    """Read files, and add up what stands beside each."""
    return [f"{layer.file.read_text()} {total(layer.steps)} {layer.words or ''}" for layer in layers]


def test_rows_given_to_a_run_may_name_the_very_files(session: Any, tmp_path: Path) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).write_text(name[0])
    g = Graph()
    g.output("result", g(read)(g.input("layers", [Layer(file=Path("none"))])))
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"

    layer = Layer(file=first, steps=[Step(amount=2, mode=Mode.TAKE)], pictures=tmp_path, words={"link": "x"})
    rows = [layer, {"file": second, "steps": [{"amount": 5}]}]
    assert session.run(g, {"layers": rows})["result"].value == ["a -2.0 {'link': 'x'}", "b 5.0 "]
    assert session.run(g, {"read.layers": [Layer(file=second)]})["result"].value == ["b 0.0 "]


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ([{"file": Path("/gone.safetensors")}], MissingFile, r"the file for layers\[0\]\.file is not there"),
        ([{"file": "a", "steps": [{"image": object()}]}], UsageError, r"layers\[0\]\.steps\[0\]\.image: <object"),
        ([{"file": "a", "more": 1}], InvalidDocument, r"layers\[0\]\.more: there is no field"),
        (["a"], InvalidDocument, r"layers\[0\]: a text instead of a row"),
    ],
)
def test_what_is_wrong_with_rows_given_to_a_run_is_named(rows: Any, error: Any, words: str, session: Any) -> None:
    g = Graph()
    g.output("result", g(read)(g.input("layers", [Layer(file=Path("none"))])))

    with pytest.raises(error, match=words):
        session.run(g, {"layers": rows})


def test_two_files_of_one_name_are_refused(session: Any, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.safetensors").write_text(folder)
    g = Graph()
    g.output("result", g(read)(g.input("layers", [Layer(file=Path("none"))])))
    rows = [Layer(file=tmp_path / folder / "a.safetensors") for folder in ("one", "two")]

    with pytest.raises(UsageError, match=r"layers\[1\]\.file: .* has the same name as .*one"):
        session.run(g, {"layers": rows})


def test_a_run_is_given_a_value_for_one_field_of_one_row(session: Session) -> None:
    g = Graph()
    g.output("result", g(total)([Step(amount=1.0), Step(amount=2.0)]))
    (id,) = [id for id, node in g.nodes.items() if node.spec.id == "rows.Sum"]

    assert session.run(g, inputs={f"{id}.rows[1].amount": 10})["result"].value == 11.0
    assert session.run(g, inputs={f"{id}.rows[0].mode": "take"})["result"].value == 1.0
    with pytest.raises(
        InvalidDocument, match=r'no "\w+\.rows\[0\]\.amont" to set.*did you mean "\w+\.rows\[0\]\.amount"'
    ):
        session.run(g, inputs={f"{id}.rows[0].amont": 1})
