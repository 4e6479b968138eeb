"""Joining texts, and filling values into one."""

from typing import Any

import pytest

from nodeflow.api import InputError
from nodeflow.core.node import node_mark
from nodeflow_nodes.texts import Filling, format_text, join_text


def rows(**values: Any) -> list[Filling]:
    return [Filling(name=name, content=content) for name, content in values.items()]


def test_texts_are_joined_and_empty_ones_left_out() -> None:
    assert join_text(["a cat", " ", "", "on a mat"]) == "a cat, on a mat"
    assert join_text(["a", "", "b"], "-", skip_empty=False) == "a--b"
    assert join_text([]) == ""


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{animal} number {n:03}", "cat number 007"),
        ("{0} {1:05.2f} {n}", "cat 07.00 7"),
        ("{} and {}", "cat and 7"),
        ("{{{animal}}}", "{cat}"),
        ("{animal:>6}|{n:+d}|{share:.0%}|{yes}", "   cat|+7|25%|True"),
        ("no place", "no place"),
    ],
)
def test_values_are_put_into_their_places(template: str, text: str) -> None:
    assert format_text(template, rows(animal="cat", n=7, share=0.25, yes=True)) == text


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{animla}", r"there is no value for \{animla\}; did you mean \{animal\}\?"),
        ("{zebra}", r"there is no value for \{zebra\}; given: animal, n, 0, 1"),
        ("{2}", r"there is no value for \{2\}"),
        ("{animal.__class__}", "nothing about what is inside"),
        ("{animal[0]}", "nothing about what is inside"),
        ("{animal!r}", r"\{animal!r\}: leave !r out"),
        ("{n:{n}}", "has no known form"),
        ("{n:wide}", "has no known form"),
        ("{n:1000000000}", "is too wide"),
        ("{n:.99999f}", "is too wide"),
        (f"{{n:{'9' * 5000}}}", "has no known form"),
        ("{n:n}", "has no known form"),
        ("{animal:.2f}", "cannot hold 'cat'"),
        ("{animal", "a brace that is meant as such is written twice"),
        ("animal}", "a brace that is meant as such is written twice"),
    ],
)
def test_what_cannot_be_filled_in_is_told_in_one_line(template: str, complaint: str) -> None:
    with pytest.raises(InputError, match=f"^template: .*{complaint}") as caught:
        format_text(template, rows(animal="cat", n=7))
    assert "\n" not in str(caught.value)


def test_a_name_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"^values\[1\]\.name: animal is given twice"):
        format_text("{animal}", [*rows(animal="cat"), *rows(animal="dog")])


def test_a_template_is_tried_before_anything_runs() -> None:
    mark = node_mark(format_text)
    assert mark is not None
    readable, fillable = mark.checks
    readable("{animal}")
    with pytest.raises(InputError, match="written twice"):
        readable("{")
    fillable("{animal} {0}", rows(animal="cat"))
    with pytest.raises(InputError, match=r"no value for \{animals\}"):
        fillable("{animals}", rows(animal="cat"))
