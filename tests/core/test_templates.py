"""Texts with choices in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.core.templates import MAX_DEPTH, TemplateFault, parse_template


def texts(text: str, *picks: int) -> str:
    """The text for these picks, in the order in which choices come up."""
    left = iter(picks)
    return parse_template(text).text(lambda _: next(left))


@pytest.mark.parametrize(
    ("template", "picks", "text"),
    [
        ("", (), ""),
        ("a cat", (), "a cat"),
        ("a {red|blue} cat", (0,), "a red cat"),
        ("a {red|blue} cat", (1,), "a blue cat"),
        ("{a|b}{c|d}", (1, 0), "bc"),
        ("{a|}!", (1,), "!"),
        ("{}", (0,), ""),
        ("{one}", (0,), "one"),
        ("{red {cat|dog}|blue}", (0, 1), "red dog"),
        ("{red {cat|dog}|blue}", (1,), "blue"),
        ("{{a|b}|c} d", (0, 1), "b d"),
        ("this | that", (), "this | that"),
        (r"\{a\|b\} \\", (), "{a|b} \\"),
        (r"{a\|b|c\}}", (0,), "a|b"),
        (r"{a\|b|c\}}", (1,), "c}"),
        (r"\(soft\) and C:\n", (), r"\(soft\) and C:\n"),
        ("ends in \\", (), "ends in \\"),
    ],
)
def test_a_template_gives_a_text_for_every_pick(template: str, picks: tuple[int, ...], text: str) -> None:
    assert texts(template, *picks) == text


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a {red|blue cat", "the { at character 3 is never closed"),
        ("{a {b}", "the { at character 1 is never closed"),
        ("a red} cat", "the } at character 6 closes nothing"),
        ("{a}}", "the } at character 4 closes nothing"),
        ("{" * 60 + "}" * 60, f"character {MAX_DEPTH + 1} nests choices deeper than {MAX_DEPTH}"),
    ],
)
def test_braces_that_do_not_fit_are_named_with_their_place(template: str, words: str) -> None:
    with pytest.raises(TemplateFault) as raised:
        parse_template(template)

    assert words in str(raised.value)


def test_the_extremes_are_those_of_all_texts() -> None:
    template = parse_template("a {red|bluish {cat|elephant}|} and {b|cc}")

    assert template.shortest() == "a  and b"
    assert template.longest() == "a bluish elephant and cc"
    assert [len(choice.parts) for choice in template.choices()] == [3, 2, 2]


@given(st.text())
def test_an_escaped_text_is_itself(text: str) -> None:
    escaped = "".join(f"\\{letter}" if letter in "{|}\\" else letter for letter in text)

    assert texts(escaped) == text
