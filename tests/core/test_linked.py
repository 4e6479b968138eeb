"""Values of links held against what an input declares: numbers, texts, choices, lists of them, and fields of rows."""

import math
from dataclasses import replace
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodeflow.core.errors import InputError
from nodeflow.core.linked import demands, held, is_bounded, is_strict, is_vague
from nodeflow.core.places import input_inside
from nodeflow.core.rows import Row
from nodeflow.core.spec import Input, Range, Widget
from nodeflow.core.types import Type

ANY, INT, FLOAT, STR, BOOL, IMAGE = (Type(name) for name in ("any", "int", "float", "str", "bool", "Image"))


def optional(type_: Type) -> Type:
    return Type("optional", (type_,))


def either(*members: Type) -> Type:
    return Type("union", members)


def many(type_: Type) -> Type:
    return Type("list", (type_,))


STEPS = Input("steps", INT, range=Range(ge=1, le=100))
SCHEDULE = Input("schedule", STR, choices=("normal", "karras"))
TABLE = Input("sampler", STR, open_choices="samplers")


class Lora(Row):
    file: str
    strength: float = 1.0


class Size(Enum):
    SMALL = "small"


class Word(StrEnum):
    NORMAL = "normal"


class Count(IntEnum):
    TWO = 2


FIELDS = (Input("file", STR), Input("strength", FLOAT, required=False, default=1.0, range=Range(ge=-2, le=2)))
ROWS = Input("rows", many(Type("Lora")), fields=FIELDS)


def read(input: Input, value: object) -> Any:
    return held(
        input,
        value,
        input.name,
        lambda item: ("euler", "heun") if item.open_choices == "samplers" else item.choices,
        "calc.out",
    )


def refused(input: Input, value: object) -> str:
    with pytest.raises(InputError) as caught:
        read(input, value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("input", "value", "line"),
    [
        (
            STEPS,
            0,
            "steps: 0 is below the range; found 0; expected ≥ 1, ≤ 100; linked from calc.out → nearest is 1",
        ),
        (
            STEPS,
            20.5,
            "steps: not a whole number; found 20.5; expected a whole number; linked from calc.out → use 20 or 21",
        ),
        (
            STEPS,
            "20",
            'steps: a text instead of a whole number; found "20"; expected a whole number; linked from calc.out',
        ),
        (
            SCHEDULE,
            "karas",
            'schedule: not one of the choices; found "karas"; expected normal, karras; linked from calc.out'
            ' → did you mean "karras"?',
        ),
        (
            TABLE,
            "ddim",
            'sampler: not one of the choices; found "ddim"; expected euler, heun; linked from calc.out',
        ),
        (
            Input("sizes", many(INT), range=Range(min_length=1)),
            [1, "2"],
            'sizes[1]: a text instead of a whole number; found "2"; expected a whole number; linked from calc.out',
        ),
        (Input("sizes", many(INT), range=Range(min_length=1)), [], "sizes: 0 items; found a list; expected at least 1"),
        (Input("on", BOOL), 1, "on: a whole number instead of true or false; found 1;"),
        (Input("on", BOOL), Path("x"), "on: an object instead of true or false; found a PosixPath;"),
        (Input("name", STR), None, "name: nothing (null) instead of a text; found null; expected a text;"),
        (Input("level", either(IMAGE, FLOAT)), "no", "level: a text fits none of the types"),
        (Input("level", FLOAT, range=Range(ge=0)), math.nan, "level: nan is not finite; found float nan;"),
        (
            STEPS,
            2**70,
            "steps: out of range; found int 1180591620717411303424; expected -9007199254740991 … 9007199254740991;",
        ),
    ],
)
def test_what_an_input_does_not_take_is_one_line_with_the_way_out(input: Input, value: object, line: str) -> None:
    assert refused(input, value).startswith(line)


@pytest.mark.parametrize(
    ("input", "value", "read_as"),
    [
        (STEPS, 20.0, 20),
        (STEPS, np.int64(20), 20),
        (STEPS, Count.TWO, 2),
        (Input("level", FLOAT), 3, 3.0),
        (Input("level", FLOAT), np.float32(0.5), 0.5),
        (Input("level", FLOAT), Fraction(1, 4), 0.25),
        (Input("level", FLOAT), math.inf, math.inf),
        (Input("level", optional(FLOAT)), None, None),
        (Input("level", optional(FLOAT)), 3, 3.0),
        (Input("offset", INT), -5, -5),
        (Input("number", INT), 2**70, 2**70),
        (SCHEDULE, Word.NORMAL, "normal"),
        (Input("size", STR, choices=("small",)), Size.SMALL, "small"),
        (Input("size", optional(STR), choices=("small",)), None, None),
        (Input("levels", many(FLOAT)), (1, 2), [1.0, 2.0]),
        (Input("on", BOOL), True, True),
    ],
)
def test_what_fits_arrives_as_the_declared_type_has_it(input: Input, value: object, read_as: object) -> None:
    found = read(input, value)
    assert found == read_as
    assert type(found) is type(read_as)


def test_what_is_no_number_or_text_passes_where_it_may_be_meant() -> None:
    picture = object()
    assert read(Input("mix", either(IMAGE, FLOAT)), picture) is picture
    assert read(Input("mix", either(IMAGE, FLOAT)), 1) == 1.0


def test_secrets_are_never_looked_at() -> None:
    secret = Input("token", STR, widget=Widget("secret"), range=Range(min_length=3))
    assert read(secret, "x") == "x"
    assert not demands(secret, ANY)


def test_rows_are_held_field_by_field() -> None:
    row = Lora(file="a", strength=0.5)
    (same, changed) = read(ROWS, [row, Lora(file="b", strength=2)])
    assert same is row
    assert changed == Lora(file="b", strength=2.0)
    assert type(changed.strength) is float
    assert read(ROWS, [{"file": "a", "strength": 1}, {"file": "b"}]) == [
        {"file": "a", "strength": 1.0},
        {"file": "b"},
    ]
    assert read(replace(ROWS, type=optional(ROWS.type)), None) is None


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ([Lora(file="a"), Lora(file="b", strength=3)], "rows[1].strength: 3 is above the range; found 3"),
        ([{"file": 5}], "rows[0].file: a whole number instead of a text; found 5"),
        (
            [{"file": "a", "strenght": 1}],
            'rows[0]: there is no field "strenght"; expected file, strength; linked from calc.out'
            ' → did you mean "strength"?',
        ),
        ([{}], "rows[0].file: this field is needed; expected a value of type str; linked from calc.out"),
        (["a"], 'rows[0]: not a row; found "a"; expected an object with file, strength; linked from calc.out'),
        ({"file": "a"}, "rows: not a list of rows; found a dict; expected a list of rows; linked from calc.out"),
        (None, "rows: not a list of rows; found null; expected a list of rows; linked from calc.out"),
        ([], "rows: 0 items; found a list; expected at least 1 items; linked from calc.out"),
    ],
)
def test_a_row_that_is_not_taken_is_named_with_its_field(value: object, line: str) -> None:
    assert refused(replace(ROWS, range=Range(min_length=1)), value).startswith(line)


@pytest.mark.parametrize(
    ("input", "source", "looked_at"),
    [
        (STEPS, INT, True),
        (SCHEDULE, STR, True),
        (TABLE, STR, True),
        (Input("plain", INT), INT, False),
        (Input("plain", INT), ANY, True),
        (Input("plain", INT), optional(INT), True),
        (Input("plain", optional(INT)), INT, False),
        (Input("plain", optional(INT)), optional(INT), False),
        (Input("plain", optional(either(INT, STR))), optional(INT), False),
        (Input("plain", either(INT, STR)), either(STR, INT), False),
        (Input("plain", FLOAT), either(FLOAT, INT), True),
        (Input("plain", FLOAT), INT, True),
        (Input("plain", many(either(INT, STR))), many(STR), False),
        (Input("plain", many(FLOAT)), many(INT), True),
        (Input("mix", either(IMAGE, FLOAT)), IMAGE, False),
        (Input("mix", either(IMAGE, FLOAT)), ANY, True),
        (Input("image", IMAGE), ANY, False),
        (Input("anything", ANY), ANY, False),
        (ROWS, many(Type("Lora")), True),
        (replace(ROWS, fields=FIELDS[:1]), many(Type("Lora")), False),
        (replace(ROWS, fields=FIELDS[:1]), ANY, True),
    ],
)
def test_only_links_whose_types_do_not_say_enough_are_looked_at(input: Input, source: Type, looked_at: bool) -> None:
    assert demands(input, source) is looked_at


def test_where_types_agree_only_bounds_and_floats_matter() -> None:
    assert is_bounded(ROWS)
    assert is_strict(Input("level", optional(FLOAT)))
    assert not is_strict(Input("plain", INT))
    assert not is_strict(Input("image", IMAGE))
    assert is_vague(many(optional(INT)))
    assert is_vague(Type("$T"))
    assert not is_vague(many(IMAGE))


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ((0, "file"), STR),
        ((3, "strength"), FLOAT),
        ((0,), Type("Lora")),
        ((0, "size"), None),
        (("file",), None),
        ((0, 1), None),
        ((0, "file", "deeper"), None),
    ],
)
def test_places_inside_rows_are_inputs_of_their_own(path: Any, type_: Type | None) -> None:
    found = input_inside(ROWS, path)
    assert (found and found.type) == type_


def test_anything_has_places_of_all_sorts() -> None:
    found = input_inside(Input("table", ANY), ("cells", 3))
    assert found is not None
    assert found.type == ANY
