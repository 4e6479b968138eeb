"""``Session.sweep``: one document at many points; what they share is computed once, what is done is not done again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from PIL import Image as Picture

from nodeflow import Session
from nodeflow.api import Field, Graph, InputError, Row, Seed, node
from nodeflow.core.errors import InvalidDocument, MissingFile, UsageError
from nodeflow.diffusion.types import Image
from nodeflow.session.axes import axes_of, points_of
from nodeflow.session.sheets import write_sheets
from nodeflow.session.spread import Spread
from nodeflow.session.sweeping import Sweep
from nodeflow.session.swept import Ending, SweepPoint
from nodeflow.storage.journal import FILE

CALLS: list[str] = []
BROKEN: set[int] = set()

Tone = Annotated[float, Field(ge=0, le=1)]


class Stroke(Row):
    """A row."""

    file: Path
    strength: float = 1.0


@node("test.Encode")
def encode(text: str = "") -> int:
    """Do what is the same at many points."""
    CALLS.append(f"encode {text}")
    return len(text)


@node("test.Tinted")
def tinted(length: int, tone: Tone = 0.5, seed: Seed = 0, width: int = 24, batch: int = 1) -> Image:
    """Draw a picture of one colour."""
    CALLS.append(f"tinted {tone} {seed}")
    if seed in BROKEN:
        raise InputError("seed", f"{seed} is out of order")
    pixels = torch.full((batch, 16, width, 3), tone)
    pixels[..., 0] = (seed % 100 + length) / 200
    return Image(pixels)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def session(home: Path, tmp_path: Path) -> Iterator[Session]:
    CALLS.clear()
    BROKEN.clear()
    with Session(home=home, output_dir=tmp_path / "out", device="cpu") as session:
        yield session


@pytest.fixture
def graph() -> Graph:
    graph = Graph()
    graph.outputs["picture"] = graph(tinted, id="paint")(graph(encode, id="text")("a cat"))
    return graph


def names(points: list[SweepPoint]) -> list[str]:
    return [path.name for each in points for path in each.files]


def endings(sweep: Sweep) -> list[str]:
    return [each.ending.value for each in sweep]


def test_every_combination_runs_and_what_is_shared_runs_once(session: Session, graph: Graph) -> None:
    points = list(session.sweep(graph, {"paint.tone": [0.2, 0.4, 0.6, 0.8, 1], "paint.seed": range(4)}))
    assert [each.ending for each in points] == [Ending.DONE] * 20
    assert [call for call in CALLS if call.startswith("encode")] == ["encode a cat"]
    encoded = [each.result.nodes["text"].status for each in points if each.result is not None]
    assert encoded == ["ran"] + ["hit-memory"] * 19
    assert points[7].values == {"paint.tone": 0.4, "paint.seed": 3}
    assert names(points)[7] == "picture_tone-0.4_seed-3_00001.png"


def test_files_that_nodes_save_hold_the_values_too(session: Session, graph: Graph) -> None:
    document = session.document(graph)
    tree = {**document.tree, "interface": {}}
    save = {"type": "SaveImage", "inputs": {"images": {"link": "paint.image"}, "filename_prefix": "deep/p"}}
    tree["nodes"] = {**document.tree["nodes"], "save": save}  # type: ignore[dict-item]
    points = list(session.sweep(document.from_tree(tree), {"text.text": ["a dog, sitting", "?!"]}))
    assert [each.files[0].relative_to(session.outputs.folder).as_posix() for each in points] == [
        "deep/p_text-a-dog-sitting_00001.png",
        "deep/p_text-empty_00001.png",
    ]


def test_what_is_done_is_not_done_again(session: Session, graph: Graph) -> None:
    over = {"paint.seed": [1, 2, 3]}
    first = list(session.sweep(graph, over))
    CALLS.clear()
    again = list(session.sweep(graph, over))
    assert [each.ending for each in again] == [Ending.KEPT] * 3
    assert (names(again), again[0].outputs) == (names(first), first[0].outputs)
    assert CALLS == []


def test_a_point_without_its_files_is_run_again_and_they_come_back(session: Session, graph: Graph) -> None:
    first = list(session.sweep(graph, {"paint.seed": [1, 2, 3]}))
    before = first[1].files[0].read_bytes()
    first[1].files[0].unlink()
    assert endings(session.sweep(graph, {"paint.seed": [1, 2, 3]})) == ["kept", "done", "kept"]
    assert first[1].files[0].read_bytes() == before
    first[0].files[0].write_bytes(b"edited")
    points = list(session.sweep(graph, {"paint.seed": [1, 2, 3]}))
    assert [each.ending.value for each in points] == ["done", "kept", "kept"]
    assert points[0].files[0].name == "picture_seed-1_00002.png", "what was edited is left alone"


def test_fresh_starts_over_and_other_values_are_other_points(session: Session, graph: Graph) -> None:
    list(session.sweep(graph, {"paint.seed": [1, 2]}))
    assert endings(session.sweep(graph, {"paint.seed": [1, 2]}, fresh=True)) == ["done", "done"]
    assert endings(session.sweep(graph, {"paint.seed": [2, 3]})) == ["kept", "done"]
    assert endings(session.sweep(graph, {"paint.seed": [2, 3]}, {"paint.tone": 0.1})) == ["done", "done"]


def test_a_failing_point_does_not_stop_the_others(session: Session, graph: Graph) -> None:
    BROKEN.add(2)
    points = list(session.sweep(graph, {"paint.seed": [1, 2, 3]}))
    assert [each.ending.value for each in points] == ["done", "failed", "done"]
    assert "2 is out of order" in str(points[1].failures[0])
    BROKEN.clear()
    assert endings(session.sweep(graph, {"paint.seed": [1, 2, 3]})) == ["kept", "done", "kept"]
    BROKEN.add(5)
    assert endings(session.sweep(graph, {"paint.seed": [4, 5, 6]}, stop=True)) == ["done", "failed"]


def test_draws_are_made_once_for_a_point(session: Session, graph: Graph, tmp_path: Path) -> None:
    drawn: dict[str, Any] = {"paint.seed": {"draw": "random"}}
    over = {"paint.tone": [0.1, 0.2]}
    first = list(session.sweep(graph, over, drawn))
    seeds = [each.drawn["paint.seed"] for each in first]
    assert len(set(seeds)) == 2, "every point draws for itself"
    first[0].files[0].unlink()
    CALLS.clear()
    again = list(session.sweep(graph, over, drawn))
    assert [each.ending.value for each in again] == ["done", "kept"]
    assert [each.drawn["paint.seed"] for each in again] == seeds
    assert again[0].files == first[0].files
    assert first[0].files[0].exists()
    others = [each.drawn["paint.seed"] for each in session.sweep(graph, over, drawn, fresh=True)]
    assert set(others).isdisjoint(seeds)


def test_zipped_values_walk_together_and_rows_set_several_inputs(session: Session, graph: Graph) -> None:
    zipped = session.sweep(graph, {"paint.tone": [0.1, 0.2], "paint.seed": [1, 2]}, zipped=True)
    assert [point.label for point in zipped.points] == ["tone-0.1_seed-1", "tone-0.2_seed-2"]
    rows: list[Mapping[str, Any]] = [{"text.text": "a", "paint.tone": 0.1}, {"text.text": "b"}]
    crossed = session.sweep(graph, {"paint.seed": [7, 8]}, rows=rows)
    assert [dict(point.values) for point in crossed.points] == [
        {"paint.seed": 7, "text.text": "a", "paint.tone": 0.1},
        {"paint.seed": 7, "text.text": "b"},
        {"paint.seed": 8, "text.text": "a", "paint.tone": 0.1},
        {"paint.seed": 8, "text.text": "b"},
    ]


@pytest.mark.parametrize(
    ("over", "options", "message"),
    [
        ({}, {}, "nothing to vary"),
        ({"a": []}, {}, "no value for a"),
        ({"a": [1, 2], "b": [1]}, {"zipped": True}, "a has 2, b has 1"),
        ({"a": [1]}, {"rows": [{"a": 2}]}, "a is varied twice"),
    ],
)
def test_axes_that_make_no_sense_are_refused(over: Any, options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        axes_of(over, **options)


def test_too_many_points_are_refused() -> None:
    with pytest.raises(UsageError, match="1,000,000 combinations"):
        points_of(axes_of({"a": range(1000), "b": range(1000)}))


def test_an_input_is_not_given_and_varied_as_well(session: Session, graph: Graph) -> None:
    with pytest.raises(UsageError, match=r"paint\.seed is given one value and varied"):
        session.sweep(graph, {"paint.seed": [1]}, {"paint.seed": 2})


def test_every_point_is_checked_before_the_first_runs(session: Session, graph: Graph) -> None:
    with pytest.raises(InvalidDocument) as raised:
        session.sweep(graph, {"paint.tone": [0.5, 7], "paint.seed": [1, 2, 3]})
    (problem,) = raised.value.problems
    assert (problem.node, problem.input, problem.found) == ("paint", "tone", "7")
    assert "where paint.tone=7, point 4 of 6 and 2 more" in problem.message
    assert CALLS == []
    with pytest.raises(InvalidDocument) as raised:
        session.sweep(graph, {"paint.sed": [1, 2]})
    (problem,) = raised.value.problems
    assert (problem.code, problem.hint) == ("input.unknown", 'did you mean "seed"?')
    with pytest.raises(InvalidDocument, match=r'there is no input "tone" to set; .*did you mean "paint.tone"'):
        session.sweep(graph, {"tone": [0, 1]}, {"paint.tone": 1})


def test_a_missing_file_at_one_point_is_a_missing_file(session: Session, tmp_path: Path) -> None:
    Picture.new("RGB", (4, 4)).save(tmp_path / "there.png")
    document = b'{"nodeflow": 1, "nodes": {"load": {"type": "LoadImage", "inputs": {"image": "there.png"}}}}'
    (tmp_path / "load.json").write_bytes(document)
    with pytest.raises(MissingFile, match=r"where load\.image=gone\.png"):
        session.sweep(tmp_path / "load.json", {"load.image": ["there.png", "gone.png"]}, targets=["load.image"])


def test_names_of_inputs_are_short_unless_they_are_alike() -> None:
    (point,) = points_of(
        axes_of({"a.cfg": [4.5], "b.cfg": [True], "c.text": ["x" * 60], "d.file": [Path("z/cat.png")]})
    )
    assert point.label == f"a.cfg-4.5_b.cfg-true_text-{'x' * 40}_file-cat"
    assert str(point) == f"a.cfg=4.5, b.cfg=true, c.text={'x' * 60}, d.file=cat.png"


def test_rows_and_files_are_values_too(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"x")
    stack = [Stroke(file=tmp_path / "cat.png", strength=0.5)]
    (point,) = points_of(axes_of({"stack.rows": [stack], "a.on": [None]}))
    assert str(point) == 'stack.rows=[{"file":"cat.png","strength":0.5}], a.on=null'
    assert point.label == "rows-file-cat.png-strength-0.5_on-null"
    with pytest.raises(UsageError, match="a object is no value for an input"):
        points_of(axes_of({"a.b": [object()]}))  # type: ignore[list-item]


def test_a_file_that_is_given_is_known_by_its_content(session: Session, tmp_path: Path) -> None:
    (tmp_path / "load.json").write_bytes(
        b"""{"nodeflow": 1, "nodes": {"load": {"type": "LoadImage", "inputs": {"image": "x"}}},
        "interface": {"outputs": {"picture": {"from": "load.image"}}}}"""
    )
    paths = [tmp_path / "a" / "cat.png", tmp_path / "b" / "cat.png"]
    for shade, path in enumerate(paths):
        path.parent.mkdir()
        Picture.new("RGB", (4, 4), (200 * shade, 0, 0)).save(path)
    over = {"load.image": paths}
    assert endings(session.sweep(tmp_path / "load.json", over)) == ["done", "done"]
    Picture.new("RGB", (4, 4), (90, 0, 0)).save(paths[0])
    assert endings(session.sweep(tmp_path / "load.json", over)) == ["done", "kept"]


def test_a_sheet_has_a_row_and_a_column_for_each_value(session: Session, graph: Graph) -> None:
    sweep = session.sweep(graph, {"paint.tone": [0, 1], "paint.seed": [0, 50, 99]})
    (path,) = write_sheets(sweep.axes, list(sweep), session.outputs.for_run(), "sheet")
    assert path.name == "sheet_picture_00001.png"
    with Picture.open(path) as sheet:
        assert sheet.width >= 3 * 24
        assert sheet.height >= 2 * 16
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 20) or ()}
    assert {(6, 0, 0), (70, 0, 0), (6, 255, 255)} <= colours
    assert write_sheets(sweep.axes, list(sweep), session.outputs.for_run(), "sheet") == (path,), "the same sheet again"


def test_more_axes_are_more_sheets_and_one_axis_is_rows(session: Session, graph: Graph) -> None:
    sweep = session.sweep(
        graph, {"paint.width": [8, 40], "paint.tone": [0, 1], "paint.seed": [0, 50], "paint.batch": [3]}
    )
    assert len(write_sheets(sweep.axes, list(sweep), session.outputs.for_run(), "sheet")) == 4
    BROKEN.add(5)
    row = session.sweep(graph, {"paint.seed": range(23)})
    (path,) = write_sheets(row.axes, list(row), session.outputs.for_run(), "row")
    with Picture.open(path) as sheet:
        assert sheet.width == 10 * 24 + 9 * 4
        assert (236, 236, 236) in {colour for _, colour in sheet.getcolors(1 << 20) or ()}, "one is blank"


def test_without_pictures_there_is_no_sheet(session: Session) -> None:
    graph = Graph()
    graph.outputs["length"] = graph(encode, id="text")("x")
    sweep = session.sweep(graph, {"text.text": ["a", "bb"]})
    points = list(sweep)
    assert [each.outputs["length"].value for each in points] == [1, 2]
    assert write_sheets(sweep.axes, points, session.outputs.for_run(), "sheet") == ()


def test_the_journal_tells_which_file_has_which_values(session: Session, graph: Graph) -> None:
    list(session.sweep(graph, {"paint.seed": [3]}))
    import json

    lines = [json.loads(line) for line in (session.outputs.folder / FILE).read_text().split("\n") if line]
    assert lines[0]["values"] == {"paint.seed": 3}
    assert list(lines[0]["files"]) == ["picture_seed-3_00001.png"]


@pytest.fixture
def spread(session: Session, tmp_path: Path) -> Spread:
    (tmp_path / "photos").mkdir()
    for name in ("10.png", "9.png", "x.txt"):
        (tmp_path / "photos" / name).write_bytes(b"x")
    (tmp_path / "lines.txt").write_text("a cat, sitting\n\n  a dog  \n", encoding="utf-8")
    (tmp_path / "w.json").write_bytes(
        b"""{"nodeflow": 1, "nodes": {
        "sample": {"type": "KSampler", "inputs": {}}, "load": {"type": "LoadImage", "inputs": {"image": "x"}},
        "text": {"type": "Text", "inputs": {"text": ""}}, "base": {"type": "LoadCheckpoint", "inputs": {}},
        "save": {"type": "SaveImage", "inputs": {}}}}"""
    )
    loaded = session.load(tmp_path / "w.json")
    return session.workplace.spread(loaded)


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("sample.cfg", "4..8/5", (4, 5, 6, 7, 8)),
        ("sample.cfg", "0..1/5", (0, 0.25, 0.5, 0.75, 1)),
        ("sample.cfg", "1..0.1/4", (1, 0.7, 0.4, 0.1)),
        ("sample.cfg", "4, 5.5 ,6", (4, 5.5, 6)),
        ("sample.steps", "10..50/4", (10, 23, 37, 50)),
        ("sample.steps", "1..4,10,3..2", (1, 2, 3, 4, 10, 3, 2)),
        ("sample.seed", "1..3", (1, 2, 3)),
        ("sample.sampler", "dd*,euler", ("ddim", "ddpm", "euler")),
        ("save.format", "*", ("jpeg", "png", "webp")),
        ("load.image", "photos/*.png", ("photos/9.png", "photos/10.png")),
        ("base.checkpoint", "emoji-*", ("emoji-tiny.safetensors",)),
        ("text.text", '"a cat, sitting", a 1..2 dog,4..8/5', ("a cat, sitting", "a 1..2 dog", "4..8/5")),
        ("text.text", "what?,*", ("what?", "*")),
        ("text.text", "@@home,b", ("@home", "b")),
        ("nothing.here", "1,a", ("1", "a")),
    ],
)
def test_values_are_read_by_the_type_of_their_input(
    spread: Spread, name: str, text: str, values: tuple[Any, ...]
) -> None:
    assert spread.values(name, text) == values


def test_values_are_the_lines_of_a_file(spread: Spread, tmp_path: Path) -> None:
    assert spread.values("text.text", f"@{tmp_path / 'lines.txt'}") == ("a cat, sitting", "a dog")
    assert spread.value("sample.steps", "7") == 7


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("sample.cfg", "4..8/1", "from 2 to"),
        ("sample.seed", "1..9999999", "from 2 to"),
        ("sample.sampler", "zzz*", "nothing has such a name; there is"),
        ("load.image", "../*.png", "empty parts"),
        ("text.text", "@gone.txt", "cannot be read"),
        ("text.text", "", "no value in it"),
        ("text.text", '"open', "in quotes"),
    ],
)
def test_values_that_cannot_be_read_name_the_input(spread: Spread, name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        spread.values(name, text)


def test_one_input_is_not_varied_under_two_names(session: Session) -> None:
    with pytest.raises(InvalidDocument, match=r'"seed" and "sample.seed" both set sample.seed'):
        session.sweep("txt2img", {"seed": [1, 2], "sample.seed": [5, 6]})
