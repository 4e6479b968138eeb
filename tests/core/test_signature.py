"""Specs that are read from functions, and the one line an author gets when that does not work."""

from collections.abc import Callable, Sequence
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar, Union

import annotated_types
import pytest

from nodeflow.api import (
    Color,
    Field,
    Graph,
    ImageFile,
    InputFile,
    Kind,
    Lane,
    Lazy,
    ModelFile,
    Open,
    Prompt,
    Ref,
    Row,
    Run,
    SamplerName,
    Secret,
    Seed,
    Size,
    Text,
    expander,
    node,
    quiet,
)
from nodeflow.core.errors import PackFailed
from nodeflow.core.plain import plain_value
from nodeflow.core.signature import output_name, read_spec
from nodeflow.core.spec import Form, Input, Output, Range, Spec, Widget
from nodeflow.core.types import Type

T = TypeVar("T")
AnyNode = Any
INT, FLOAT, STR, BOOL, IMAGE = (Type(name) for name in ("int", "float", "str", "bool", "Image"))


class Image:
    """Stands for a picture."""


class Mask:
    """Stands for a mask."""


class Grid(Generic[T]):
    """Stands for a generic value."""


class Split(NamedTuple):
    """Colour and coverage.

    Attributes:
        alpha: What is covered.
    """

    image: Image
    alpha: Mask


class Mode(Enum):
    FAST = "fast"
    GOOD = "good"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Layer(Row):
    file: str
    strength: float = 1.0


Kilo = NewType("Kilo", float)


def the_input(fn: AnyNode) -> Input:
    (item,) = read_spec(fn).inputs
    return item


def complaint(fn: AnyNode) -> str:
    with pytest.raises(PackFailed) as caught:
        read_spec(fn)
    assert __file__ in caught.value.reason
    assert "\n" not in str(caught.value)
    return caught.value.reason.partition(": ")[2]


@node("test.Blur", category="image/filter", version=3)
def blur(image: Image, radius: Annotated[float, Field(ge=0, le=64)] = 4, *, run: Run = quiet) -> Image:
    """Soften an image.

    With a Gaussian.

    Args:
        radius: Standard deviation in pixels.
        run: Filled in.

    Returns:
        The soft image.
    """
    return image


def test_a_full_signature() -> None:
    assert read_spec(blur, pack="mypack") == Spec(
        id="test.Blur",
        version=3,
        category="image/filter",
        title="Blur",
        help="Soften an image.\n\nWith a Gaussian.",
        inputs=(
            Input("image", IMAGE),
            Input(
                "radius",
                FLOAT,
                required=False,
                default=4.0,
                range=Range(ge=0, le=64),
                help="Standard deviation in pixels.",
            ),
        ),
        outputs=(Output("image", IMAGE, "The soft image."),),
        takes_run=True,
        implementation=f"{__name__}:blur",
        pack="mypack",
    )


def test_the_default_of_a_float_is_a_float_even_when_written_without_a_point() -> None:
    assert type(read_spec(blur).inputs[1].default) is float


def test_the_pack_is_the_package_of_the_function_unless_it_is_told() -> None:
    assert read_spec(blur).pack == __name__.partition(".")[0]


def test_hints_are_read_on_first_use_and_not_when_the_function_is_marked() -> None:
    @node("test.Later")
    def waits(value: "DefinedBelow") -> None: ...

    assert the_input(waits).type == Type("DefinedBelow")


class DefinedBelow:
    """Is not there yet when the node above is marked."""


def test_several_outputs_come_from_a_named_tuple() -> None:
    @node("test.Split")
    def split(image: Image) -> Split:
        return Split(image, Mask())

    spec = read_spec(split)
    assert spec.multiple
    assert spec.outputs == (Output("image", IMAGE), Output("alpha", Type("Mask"), "What is covered."))


def test_a_function_without_a_result_is_an_effect() -> None:
    @node("test.Save", lane=Lane.CPU)
    def save(images: list[Image]) -> None: ...

    spec = read_spec(save)
    assert (spec.kind, spec.outputs, spec.lane) == (Kind.EFFECT, (), Lane.CPU)


def test_kinds_are_kept_where_they_were_given() -> None:
    @node("test.Clock", kind=Kind.EXTERNAL)
    def clock() -> float:
        return 0.0

    @node("test.Beep", kind=Kind.EXTERNAL)
    def beep() -> None: ...

    assert read_spec(clock).kind is Kind.EXTERNAL
    assert read_spec(beep).kind is Kind.EXTERNAL


def test_an_async_node_may_be_lazy() -> None:
    @node("test.Switch")
    async def switch(on: bool, yes: Lazy[T], no: Lazy[T]) -> T:
        return await (yes if on else no)

    spec = read_spec(switch)
    assert spec.form is Form.ASYNC
    assert [(item.type, item.lazy) for item in spec.inputs] == [
        (BOOL, False),
        (Type("$T"), True),
        (Type("$T"), True),
    ]
    assert spec.outputs == (Output("out", Type("$T")),)


def test_an_expander_hides_its_graph_and_takes_references() -> None:
    @expander("test.Repeat")
    def repeat(g: Graph, image: Ref[Image], times: int = 2) -> Ref[Image]:
        """Blur again and again.

        Args:
            g: Filled in.
            times: How often.
        """
        return image

    spec = read_spec(repeat)
    assert spec.form is Form.EXPANDER
    assert [(item.name, item.type, item.lazy) for item in spec.inputs] == [
        ("image", IMAGE, True),
        ("times", INT, False),
    ]
    assert spec.outputs == (Output("image", IMAGE),)


def test_rules_are_announced() -> None:
    @node("test.Checked")
    def checked(a: int) -> int:
        return a

    assert not read_spec(checked).checks
    checked.check(lambda a: None)
    assert read_spec(checked).checks


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int, INT),
        (Any, Type("any")),
        (object, Type("any")),
        (list[Image], Type("list", (IMAGE,))),
        (list, Type("list", (Type("any"),))),
        (list[list[T]], Type("list", (Type("list", (Type("$T"),)),))),
        (Image | None, Type("optional", (IMAGE,))),
        (list[int] | None, Type("optional", (Type("list", (INT,)),))),
        (Image | Mask, Type("union", (IMAGE, Type("Mask")))),
        (Union[Image, Mask, None], Type("optional", (Type("union", (IMAGE, Type("Mask"))),))),
        (list[Image | None], Type("list", (Type("optional", (IMAGE,)),))),
        (Literal["a", "b"], STR),
        (Literal[1, 2], INT),
        (Mode, STR),
        (Level, INT),
        (Literal[Mode.FAST], STR),
        (Kilo, Type("Kilo")),
        (Grid[int], Type("Grid")),
        (dict[str, int], Type("dict")),
        (list[Layer], Type("list", (Type("Layer"),))),
        (Path, Type("Path")),
        (Annotated[Image, "a note for somebody else"], IMAGE),
    ],
    ids=str,
)
def test_types(hint: Any, expected: Type) -> None:
    def some(value: Any) -> None: ...

    some.__annotations__["value"] = hint
    assert the_input(node("test.Some")(some)).type == expected


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (Annotated[int, Field(gt=0, lt=10, multiple_of=2)], Range(gt=0, lt=10, multiple_of=2)),
        (
            Annotated[str, Field(min_length=1, max_length=9, pattern="^a")],
            Range(min_length=1, max_length=9, pattern="^a"),
        ),
        (Annotated[float, annotated_types.Ge(1)], Range(ge=1)),
        (Annotated[Size, Field(le=512)], Range(ge=8, le=512, multiple_of=8)),
        (Annotated[int, Field(ge=0)] | None, Range(ge=0)),
        (Annotated[int, Field(description="no bound at all")], None),
        (int, None),
    ],
    ids=str,
)
def test_ranges(hint: Any, expected: Range | None) -> None:
    def some(value: Any) -> None: ...

    some.__annotations__["value"] = hint
    assert the_input(node("test.Some")(some)).range == expected


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (Seed, Widget("seed")),
        (Prompt, Widget("text", lines=4)),
        (Annotated[str, Text(lines=2)], Widget("text", lines=2)),
        (Annotated[Path, ModelFile("loras")], Widget("model_file", folder="loras")),
        (Annotated[Path, ImageFile()], Widget("image_file")),
        (Annotated[Path, InputFile()], Widget("input_file")),
        (Annotated[str, Secret()], Widget("secret")),
        (Annotated[str, Color()] | None, Widget("color")),
        (str, None),
    ],
    ids=str,
)
def test_widgets(hint: Any, expected: Widget | None) -> None:
    def some(value: Any) -> None: ...

    some.__annotations__["value"] = hint
    assert the_input(node("test.Some")(some)).widget == expected


def test_closed_choices_list_their_values() -> None:
    @node("test.Choices")
    def choices(a: Literal["x", "y"] = "y", b: Mode = Mode.GOOD, c: Level = Level.LOW) -> None: ...

    assert [(item.choices, item.default) for item in read_spec(choices).inputs] == [
        (("x", "y"), "y"),
        (("fast", "good"), "good"),
        ((1, 2), 1),
    ]


def test_open_choices_name_their_table() -> None:
    @node("test.Open")
    def opened(sampler: SamplerName = "euler", other: Annotated[str, Open("things")] = "") -> None: ...

    assert [(item.open_choices, item.default) for item in read_spec(opened).inputs] == [
        ("samplers", "euler"),
        ("things", ""),
    ]


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        (IMAGE, "image"),
        (Type("list", (IMAGE,)), "images"),
        (Type("list", (Type("any"),)), "out"),
        (Type("optional", (Type("Mask"),)), "mask"),
        (Type("union", (IMAGE, INT)), "out"),
        (Type("$T"), "out"),
        (FLOAT, "number"),
        (STR, "text"),
    ],
    ids=str,
)
def test_single_outputs_are_named_by_their_type(type: Type, expected: str) -> None:
    assert output_name(type) == expected


def test_values_become_what_a_document_holds_for_them() -> None:
    value = {"mode": Mode.FAST, "path": Path("a") / "b", "rows": (Layer(file="x"),), "number": 1.5, "none": None}
    assert plain_value(value) == {
        "mode": "fast",
        "path": "a/b",
        "rows": [{"file": "x", "strength": 1.0}],
        "number": 1.5,
        "none": None,
    }


@pytest.mark.parametrize("value", [Image(), float("nan"), float("inf"), {1: 2}, [Image()]], ids=str)
def test_other_values_cannot_stand_in_a_document(value: object) -> None:
    with pytest.raises(ValueError, match=r"cannot stand in a document|keys are texts"):
        plain_value(value)


def no_hint(image) -> None:  # type: ignore[no-untyped-def]
    ...


def no_result(image: Image):  # type: ignore[no-untyped-def]
    ...


def unknown_name(image: Image, mask: "NoSuchName") -> None:  # type: ignore[name-defined]  # noqa: F821
    ...


def unknown_result(image: Image) -> "NoSuchName":  # type: ignore[name-defined]  # noqa: F821
    ...


def misspelt(radius: float) -> None:
    """Help.

    Args:
        radios: Misspelt.
    """


def variadic(*images: Image) -> None: ...


def keywords(**images: Image) -> None: ...


def positional(image: Image, /) -> None: ...


def sync_lazy(image: Lazy[Image]) -> None: ...


def ref_outside(image: Ref[Image]) -> None: ...


def odd_run(progress: Run = quiet) -> None: ...


def bare_run(*, run: Run) -> None: ...


def pair(size: tuple[int, int]) -> None: ...


def nothing(value: None) -> None: ...


def sequence(image: Image) -> Sequence[Image]: ...  # type: ignore[empty-body]


def sequence_inside(image: Image) -> list[Sequence[Image]]: ...  # type: ignore[empty-body]


def inner_constraint(sizes: list[Size]) -> None: ...


def default_in_field(size: Annotated[int, Field(default=3)]) -> None: ...


def factory_in_field(size: Annotated[list[int], Field(default_factory=list)]) -> None: ...


def other_constraint(size: Annotated[int, Field(strict=True)]) -> None: ...


def mixed_choice(value: Literal["a", 1]) -> None: ...


def bytes_choice(value: Literal[b"a"]) -> None: ...


def wrong_default(mode: Literal["a", "b"] = "c") -> None: ...  # type: ignore[assignment]


def odd_default(value: Any = Image()) -> None: ...  # noqa: B008


def no_type(value: 3) -> None: ...  # type: ignore[valid-type]


def unhashable_type(value: Annotated[Any, 1] = None, other: "[int]" = None) -> None: ...  # type: ignore[valid-type,assignment]


class Broken(NamedTuple):
    image: Image
    other: "NoSuchName"  # type: ignore[name-defined]  # noqa: F821


class Nested(NamedTuple):
    pair: tuple[int, int]


def broken_tuple(image: Image) -> Broken: ...  # type: ignore[empty-body]


def nested_tuple(image: Image) -> Nested: ...  # type: ignore[empty-body]


def set_result(image: Image) -> set[int]: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (no_hint, "no_hint(image): has no type"),
        (no_result, "no_result(return): has no type; an effect says -> None"),
        (unknown_name, "unknown_name(mask): its type cannot be read: name 'NoSuchName' is not defined"),
        (unknown_result, "unknown_result(return): its type cannot be read: name 'NoSuchName' is not defined"),
        (misspelt, "misspelt(radios): is described in the docstring, but there is no such parameter"),
        (variadic, "variadic(images): inputs are called by name, so *images cannot be one"),
        (keywords, "keywords(images): inputs are called by name, so **images cannot be one"),
        (positional, "positional(image): inputs are called by name, so it cannot stand before /"),
        (sync_lazy, "sync_lazy(image): only an async node can await a Lazy input"),
        (ref_outside, "ref_outside(image): only an expander has Ref inputs"),
        (odd_run, "odd_run(progress): write `*, run: Run = quiet`"),
        (bare_run, "bare_run(run): write `*, run: Run = quiet`"),
        (pair, "pair(size): tuple[int, int] is no type of a socket: write list[...] for many values"),
        (nothing, "nothing(value): NoneType is no type of a socket: None is no value; write X | None"),
        (sequence, "sequence(return): collections.abc.Sequence["),
        (sequence_inside, "sequence_inside(return): collections.abc.Sequence["),
        (inner_constraint, "inner_constraint(sizes): Annotated[int, "),
        (default_in_field, "default_in_field(size): write the default behind the parameter, not into Field(...)"),
        (factory_in_field, "factory_in_field(size): write the default behind the parameter, not into Field(...)"),
        (other_constraint, "other_constraint(size): Field(...) sets Strict(strict=True), which is none of ge, gt, "),
        (mixed_choice, "mixed_choice(value): Literal['a', 1]: the values of a choice are all texts or all numbers"),
        (bytes_choice, "bytes_choice(value): Literal[b'a']: the values of a choice are all texts or all numbers"),
        (wrong_default, "wrong_default(mode): its default 'c' is none of 'a', 'b'"),
        (odd_default, "odd_default(value): its default <"),
        (no_type, "no_type(value): 3 is no type of a socket"),
        (unhashable_type, "unhashable_type(other): [<class 'int'>] is no type of a socket"),
        (broken_tuple, "broken_tuple(return): the fields of Broken cannot be read: name 'NoSuchName' is not defined"),
        (nested_tuple, "nested_tuple(return.pair): tuple[int, int] is no type of a socket"),
        (set_result, "set_result(return): set[int] is no type of a socket: write list[...]"),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_an_author_gets_one_line_with_file_function_and_parameter(fn: Callable[..., Any], expected: str) -> None:
    assert complaint(node("test.Wrong")(fn)).startswith(expected)


def test_hints_that_python_itself_puts_off_are_named_with_the_function() -> None:
    class PutOff:
        """Stands for a function of Python 3.14, whose hints are looked up when they are asked for."""

        @property
        def __annotations__(self) -> dict[str, Any]:  # type: ignore[override]
            raise NameError("name 'NoSuchName' is not defined")

    fn: AnyNode = PutOff()
    with pytest.raises(PackFailed, match="its type cannot be read: name 'NoSuchName' is not defined"):
        read_spec(node("test.PutOff")(fn))


def test_an_expander_cannot_be_async() -> None:
    @expander("test.AsyncExpander")
    async def waits(g: Graph) -> int:
        return 1

    assert "an expander only records and cannot be async" in complaint(waits)


def test_a_function_without_a_mark_is_no_node() -> None:
    with pytest.raises(PackFailed, match="plain: is no node; put @node above it"):
        read_spec(plain, pack="mypack")
    with pytest.raises(PackFailed, match="len: is no node"):
        read_spec(len)


def plain(image: Image) -> Image:
    return image


@pytest.mark.parametrize(
    ("rule", "way_out"),
    [(lambda value, othre: None, 'did you mean "other"?'), (lambda value, nosuch=0: None, "it has value, other")],
)
def test_a_rule_looks_at_inputs_that_the_node_has(rule: Callable[..., None], way_out: str) -> None:
    @node("test.Ruled")
    def ruled(value: int, other: int = 0) -> int: ...

    ruled.check(rule)
    told = complaint(ruled)
    assert "<lambda>(" in told
    assert f"this rule looks at an input that test.Ruled does not have; {way_out}" in told
